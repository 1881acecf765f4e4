//! Git over HTTP. Holds no rule.
