use crate::{Kind, Node};

/// A scalar as YAML 1.2's core schema reads it (section 10.3): `yes`, `on` and `010` are not what YAML 1.1 made of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Resolved<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// Also a whole number that does not fit 64 bits.
    Float(f64),
    String(&'a str),
}

/// What a scalar node means: a quoted or block scalar is a string, a plain one goes by its text, a core tag
/// (`!!str`, `!!int`, …) decides before both. None for a list or a map.
pub fn resolve(node: &Node) -> Option<Resolved<'_>> {
    let Kind::Scalar(scalar) = &node.kind else { return None };
    let text = &*scalar.text;
    match node.tag.as_deref() {
        Some("tag:yaml.org,2002:str" | "!") => Some(Resolved::String(text)),
        Some("tag:yaml.org,2002:int") => Some(int(text).unwrap_or(Resolved::String(text))),
        Some("tag:yaml.org,2002:float") => {
            Some(int(text).or_else(|| float(text)).unwrap_or(Resolved::String(text)))
        }
        Some("tag:yaml.org,2002:bool") => Some(boolean(text).unwrap_or(Resolved::String(text))),
        Some("tag:yaml.org,2002:null") => Some(Resolved::Null),
        _ if !scalar.is_plain() => Some(Resolved::String(text)),
        _ => Some(plain(text)),
    }
}

fn plain(text: &str) -> Resolved<'_> {
    if matches!(text, "" | "~" | "null" | "Null" | "NULL") {
        return Resolved::Null;
    }
    boolean(text).or_else(|| int(text)).or_else(|| float(text)).unwrap_or(Resolved::String(text))
}

fn boolean(text: &str) -> Option<Resolved<'static>> {
    match text {
        "true" | "True" | "TRUE" => Some(Resolved::Bool(true)),
        "false" | "False" | "FALSE" => Some(Resolved::Bool(false)),
        _ => None,
    }
}

/// `[-+]?[0-9]+`, `0o[0-7]+`, `0x[0-9a-fA-F]+`.
fn int(text: &str) -> Option<Resolved<'static>> {
    let radix = |digits: &str, radix: u32| {
        if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
            return None;
        }
        Some(match i64::from_str_radix(digits, radix) {
            Ok(number) => Resolved::Int(number),
            Err(_) => Resolved::Float(
                digits
                    .chars()
                    .filter_map(|c| c.to_digit(radix))
                    .fold(0.0, |sum, digit| sum * f64::from(radix) + f64::from(digit)),
            ),
        })
    };
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    match text.parse::<i64>() {
        Ok(number) => Some(Resolved::Int(number)),
        Err(_) => text.parse().ok().map(Resolved::Float),
    }
}

/// `[-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`, `[-+]?\.inf`, `\.nan`.
fn float(text: &str) -> Option<Resolved<'static>> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Some(Resolved::Float(if negative { f64::NEG_INFINITY } else { f64::INFINITY }));
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(Resolved::Float(f64::NAN));
    }
    let begins = unsigned.as_bytes().first()?;
    if !begins.is_ascii_digit() && *begins != b'.' {
        return None;
    }
    let allowed = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+');
    if !unsigned.bytes().all(allowed) || !unsigned.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().map(Resolved::Float)
}
