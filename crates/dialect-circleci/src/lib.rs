//! CircleCI configuration text to plans and diagnostics. Pure.
