//! Development only: stateful fakes.
