//! GitHub Actions workflow text to plans and diagnostics. Pure.
