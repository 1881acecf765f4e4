//! Composition root: routes, background loops, courier of effects. Holds no rule.
