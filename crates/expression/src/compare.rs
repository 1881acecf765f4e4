//! Equality and order (GitHub, "Operators"): loose, and without regard to case.

use std::cmp::Ordering;

use crate::number;
use crate::operand::View;

/// Upper case as .NET's `OrdinalIgnoreCase` has it: one character for one, and the dotless `ı` stays.
fn upper(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_uppercase();
    }
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(only), None) if c != 'ı' => only,
        _ => c,
    }
}

pub(crate) fn fold(text: &str) -> String {
    text.chars().map(upper).collect()
}

pub(crate) fn equal_ignoring_case(a: &str, b: &str) -> bool {
    a.chars().map(upper).eq(b.chars().map(upper))
}

fn order_ignoring_case(a: &str, b: &str) -> Ordering {
    fold(a).encode_utf16().cmp(fold(b).encode_utf16())
}

/// Both sides in one kind: null and booleans become numbers, and a text beside a number does too.
fn coerce<'a>(a: View<'a>, b: View<'a>) -> (View<'a>, View<'a>) {
    match (a, b) {
        (View::Null, View::Null) | (View::Bool(_), View::Bool(_)) => (a, b),
        (View::Null | View::Bool(_), _) => coerce(View::Number(a.to_number()), b),
        (_, View::Null | View::Bool(_)) => coerce(a, View::Number(b.to_number())),
        (View::Number(_), View::Text(text)) => (a, View::Number(number::parse(text))),
        (View::Text(text), View::Number(_)) => (View::Number(number::parse(text)), b),
        _ => (a, b),
    }
}

/// Lists and objects equal themselves only, never a copy.
pub(crate) fn equals(a: View<'_>, b: View<'_>) -> bool {
    match coerce(a, b) {
        (View::Null, View::Null) => true,
        (View::Bool(a), View::Bool(b)) => a == b,
        (View::Number(a), View::Number(b)) => a == b,
        (View::Text(a), View::Text(b)) => equal_ignoring_case(a, b),
        (View::Array(Some(a)), View::Array(Some(b))) | (View::Object(Some(a)), View::Object(Some(b))) => {
            std::ptr::eq(a, b)
        }
        _ => false,
    }
}

/// None where the two have no order.
pub(crate) fn order(a: View<'_>, b: View<'_>) -> Option<Ordering> {
    match coerce(a, b) {
        (View::Bool(a), View::Bool(b)) => Some(a.cmp(&b)),
        (View::Number(a), View::Number(b)) => a.partial_cmp(&b),
        (View::Text(a), View::Text(b)) => Some(order_ignoring_case(a, b)),
        _ => None,
    }
}
