//! Plain scalars as CircleCI reads them, which is by YAML 1.1: `yes` and `on` are booleans, `010` is an integer.

use sluice_source::{Kind, Node, Style};

/// What a value is, by the names that CircleCI's messages use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    Null,
    Boolean,
    Integer,
    Float,
    String,
    Sequence,
    Map,
}

impl Type {
    pub(crate) fn of(node: &Node) -> Self {
        match &node.kind {
            Kind::Sequence(_) => Self::Sequence,
            Kind::Mapping(_) => Self::Map,
            Kind::Scalar(scalar) => match node.tag.as_deref() {
                Some("tag:yaml.org,2002:str" | "!") => Self::String,
                _ if scalar.style != Style::Plain => Self::String,
                _ => Self::of_plain(&scalar.text),
            },
        }
    }

    /// <https://yaml.org/type/>: null, bool, int and float. Base-60 numbers stay strings here: `22:22` is a port mapping.
    pub(crate) fn of_plain(text: &str) -> Self {
        if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
            return Self::Null;
        }
        if boolean(text).is_some() {
            return Self::Boolean;
        }
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        if is_integer(unsigned) {
            return Self::Integer;
        }
        if is_float(unsigned) { Self::Float } else { Self::String }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::String => "string",
            Self::Sequence => "sequence",
            Self::Map => "map",
        }
    }
}

pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// The boolean that a node is, if it is one.
pub(crate) fn as_boolean(node: &Node) -> Option<bool> {
    (Type::of(node) == Type::Boolean).then(|| node.text().and_then(boolean)).flatten()
}

/// The number that a node is, if it is one.
pub(crate) fn as_number(node: &Node) -> Option<f64> {
    matches!(Type::of(node), Type::Integer | Type::Float).then(|| node.text().and_then(number)).flatten()
}

fn number(text: &str) -> Option<f64> {
    let text = text.replace('_', "");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text.strip_prefix('+').unwrap_or(&text)),
    };
    let radix = |digits: &str, radix| u64::from_str_radix(digits, radix).ok().map(|number| number as f64);
    let value = match digits {
        ".inf" | ".Inf" | ".INF" => Some(f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        _ if digits.starts_with("0x") => radix(&digits[2..], 16),
        _ if digits.starts_with("0b") => radix(&digits[2..], 2),
        _ if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) => {
            radix(&digits[1..], 8)
        }
        _ => digits.parse().ok(),
    };
    value.map(|value| sign * value)
}

fn is_integer(unsigned: &str) -> bool {
    let all = |digits: &str, allowed: fn(u8) -> bool| {
        !digits.is_empty() && digits.bytes().all(|b| allowed(b) || b == b'_')
    };
    if let Some(digits) = unsigned.strip_prefix("0x") {
        return all(digits, |b| b.is_ascii_hexdigit());
    }
    if let Some(digits) = unsigned.strip_prefix("0b") {
        return all(digits, |b| matches!(b, b'0' | b'1'));
    }
    if unsigned.len() > 1 && unsigned.starts_with('0') {
        return all(unsigned, |b| matches!(b, b'0'..=b'7'));
    }
    unsigned.starts_with(|c: char| c.is_ascii_digit()) && all(unsigned, |b| b.is_ascii_digit())
}

fn is_float(unsigned: &str) -> bool {
    if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    // YAML 1.1 wants the dot: `1e3` is a string there.
    let Some((whole, fraction)) = mantissa.split_once('.') else { return false };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let has_digit = mantissa.bytes().any(|b| b.is_ascii_digit());
    let good_exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
    });
    digits(whole) && digits(fraction) && has_digit && good_exponent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_those_of_yaml_1_1() {
        let cases = [
            ("yes", Type::Boolean),
            ("Off", Type::Boolean),
            ("y", Type::String),
            ("~", Type::Null),
            ("010", Type::Integer),
            ("089", Type::String),
            ("0", Type::Integer),
            ("-12", Type::Integer),
            ("1_000", Type::Integer),
            ("0x1F", Type::Integer),
            ("3.10", Type::Float),
            ("1.", Type::Float),
            (".5", Type::Float),
            (".", Type::String),
            ("1e3", Type::String),
            ("1.5e3", Type::Float),
            ("1.2.3", Type::String),
            ("22:22", Type::String),
            ("_", Type::String),
        ];
        for (text, expected) in cases {
            assert_eq!(Type::of_plain(text), expected, "{text}");
        }
        assert_eq!(number("010"), Some(8.0));
        assert_eq!(number("-0x1F"), Some(-31.0));
    }
}
