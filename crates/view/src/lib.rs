//! Page structs to HTML. Pure.
