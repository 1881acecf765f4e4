use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

use fancy_regex::{Regex, RegexBuilder};

/// Steps of backtracking that one match may take; it fails when it needs more.
const BACKTRACK_LIMIT: usize = 200_000;
/// Of one pattern, compiled.
const COMPILED_BYTES: usize = 256 << 10;

/// Compiles an ECMAScript regular expression. Its time is bounded: linear in the text without lookaround and
/// backreferences, and by a number of steps with them.
///
/// Three things are not ECMAScript's: `\b` and `\B` know the letters of all languages, a lone half of a surrogate pair
/// (`\uD800`) is refused, and so is a lookbehind whose length is not fixed. (Flags there are none: a matcher cannot say
/// any.)
pub fn compile(pattern: &str) -> Result<Regex, String> {
    let mut builder = RegexBuilder::new(&translated(pattern));
    let built = builder.backtrack_limit(BACKTRACK_LIMIT).delegate_size_limit(COMPILED_BYTES).build();
    built.map_err(|error| error.to_string())
}

/// The same expression in this crate's syntax, which reads classes, braces and some escapes differently.
fn translated(pattern: &str) -> String {
    let mut chars = pattern.chars().peekable();
    let mut out = String::with_capacity(pattern.len() + 16);
    while let Some(next) = chars.next() {
        match next {
            '\\' => escape(&mut chars, &mut out),
            '[' => class(&mut chars, &mut out),
            '{' => match quantifier(&chars) {
                Some(length) => {
                    out.push('{');
                    out.extend(chars.by_ref().take(length));
                }
                None => out.push_str(r"\{"),
            },
            '}' => out.push_str(r"\}"),
            ']' => out.push_str(r"\]"),
            other => out.push(other),
        }
    }
    out
}

/// How many characters follow the opening brace of `{n}`, `{n,}` or `{n,m}`. None: the brace stands for itself.
fn quantifier(after: &Peekable<Chars<'_>>) -> Option<usize> {
    let text: String = after.clone().take(16).take_while(|next| *next != '}').collect();
    let (least, most) = text.split_once(',').unwrap_or((&text, "0"));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_closed = after.clone().nth(text.chars().count()) == Some('}');
    (is_closed && !least.is_empty() && is_number(least) && is_number(most)).then_some(text.len() + 1)
}

const DIGITS: &str = "0-9";
const NO_DIGITS: &str = r"\x00-/:-\x{10FFFF}";
const WORD: &str = "0-9A-Z_a-z";
const NO_WORD: &str = r"\x00-/:-@\[-\^`\{-\x{10FFFF}";
const BLANKS: &str = r"\t\n\x0B\f\r ";
const NO_BLANKS: &str = r"\x00-\x08\x0E-\x1F!-\x{10FFFF}";

/// The ranges of `\d` and its like: .NET reads them as ASCII in its ECMAScript mode.
fn ranges(letter: char) -> Option<&'static str> {
    Some(match letter {
        'd' => DIGITS,
        'D' => NO_DIGITS,
        'w' => WORD,
        'W' => NO_WORD,
        's' => BLANKS,
        'S' => NO_BLANKS,
        _ => return None,
    })
}

fn escape(chars: &mut Peekable<Chars<'_>>, out: &mut String) {
    let Some(next) = chars.next() else { return out.push('\\') };
    if let Some(ranges) = ranges(next) {
        let _ = write!(out, "[{ranges}]");
    } else if !escape_of_character(next, chars, out) {
        out.push('\\');
        out.push(next);
    }
}

/// An escape that stands for one character, in a class or outside. False: it is another one.
fn escape_of_character(next: char, chars: &mut Peekable<Chars<'_>>, out: &mut String) -> bool {
    match next {
        'x' | 'u' => {
            let length = if next == 'x' { 2 } else { 4 };
            let digits: String = chars.clone().take(length).collect();
            if digits.len() != length || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return false;
            }
            chars.nth(length - 1);
            let _ = write!(out, r"\x{{{digits}}}");
        }
        'c' => match chars.peek().copied().filter(char::is_ascii_alphabetic) {
            Some(letter) => {
                chars.next();
                let _ = write!(out, r"\x{{{:02X}}}", u32::from(letter) % 32);
            }
            None => return false,
        },
        '0' => out.push_str(r"\x00"),
        'f' | 'n' | 'r' | 't' => {
            out.push('\\');
            out.push(next);
        }
        'v' => out.push_str(r"\x0B"),
        other if other.is_alphanumeric() || other == '_' => return false,
        other => literal(other, out),
    }
    true
}

/// A character that stands for itself, wherever it is.
fn literal(character: char, out: &mut String) {
    if character.is_ascii_punctuation() && !matches!(character, '<' | '>' | '/' | '"' | '\'' | '_') {
        out.push('\\');
    }
    out.push(character);
}

/// A class after its opening bracket: nested classes and set operations, which this crate knows, are plain characters.
fn class(chars: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('[');
    if chars.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    // Of .NET: a bracket that comes first closes nothing.
    if chars.next_if_eq(&']').is_some() {
        out.push_str(r"\]");
    }
    let mut after_ranges = false;
    let mut after_hyphen = false;
    while let Some(next) = chars.next() {
        let mut is_ranges = false;
        let mut is_hyphen = false;
        match next {
            ']' => {
                out.push(']');
                return;
            }
            '\\' => match chars.next() {
                Some('b') => out.push_str(r"\x08"),
                Some(letter) => match ranges(letter) {
                    Some(ranges) => {
                        out.push_str(ranges);
                        is_ranges = true;
                    }
                    None => {
                        if !escape_of_character(letter, chars, out) {
                            out.push('\\');
                            out.push(letter);
                        }
                    }
                },
                None => out.push('\\'),
            },
            '-' => {
                let mut ahead = chars.clone();
                let before_ranges = ahead.next() == Some('\\') && ahead.next().and_then(ranges).is_some();
                // Beside `\w` it is no range.
                if after_ranges || before_ranges || after_hyphen {
                    out.push_str(r"\-");
                } else {
                    out.push('-');
                    is_hyphen = true;
                }
            }
            '[' | '&' | '~' => literal(next, out),
            other => out.push(other),
        }
        (after_ranges, after_hyphen) = (is_ranges, is_hyphen);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], other: &[&str]) {
        let regex = compile(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        for text in matching {
            assert!(regex.is_match(*text).unwrap(), "{pattern} ({}) and {text:?}", translated(pattern));
        }
        for text in other {
            assert!(!regex.is_match(*text).unwrap(), "{pattern} ({}) and {text:?}", translated(pattern));
        }
    }

    #[test]
    fn classes_are_ecmascripts() {
        check(r"^[\w.-]+$", &["a.b-c"], &["é", "a/b", "a,b"]);
        check(r"^[.-\w]+$", &[".-a"], &["/"]);
        check(r"^[[a&&b~]+$", &["[a&b~"], &["c"]);
        check(r"^[^\]\s]+$", &["a"], &["]", "a b"]);
        check(r"^[]a]+$", &["]a"], &["b"]);
        check(r"^[\S\s]+$", &["a b\u{e9}"], &[]);
        check(r"^[\W]+$", &["-\u{e9}[{`@"], &["a", "_", "Z", "0"]);
        check(r"^[\D]$", &["a", "/", ":"], &["0", "9"]);
        check(r"^[+--]$", &["+", ",", "-"], &["."]);
        check(r"^[\b]$", &["\u{8}"], &["b"]);
    }

    #[test]
    fn escapes_and_braces_are_ecmascripts() {
        check(r"^\d+$", &["42"], &["\u{664}"]);
        check(r"^\s$", &[" ", "\u{b}"], &["\u{a0}"]);
        check(r"^\/\<\>\-\:\ $", &["/<>-: "], &[]);
        check(r"^\x41\u0042\cI\0$", &["AB\t\0"], &[]);
        check(r"^a{2}$", &["aa"], &["a{2}"]);
        check(r"^a{2,}b{1,2}$", &["aaab"], &["ab"]);
        check(r"^{a}{,2}]$", &["{a}{,2}]"], &[]);
        check(r"^(?<n>a)\1\k<n>$", &["aaa"], &["ab"]);
        check(r"^(?!warning)(.*)$", &["error"], &["warning: x"]);
        check("", &["", "x"], &[]);
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for pattern in ["(", "a**", "[a", r"\", "(?<=a+)b(", "(a{1000}){1000}"] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn time_is_bounded() {
        let text = "a".repeat(10_000);
        assert!(!compile("^(a+)+$").unwrap().is_match(&format!("{text}b")).unwrap());
        // With a backreference there is no other way than to try them all, and it gives up.
        assert!(compile(r"^(?:(a+)\1?)+c$").unwrap().is_match(&format!("{text}b")).is_err());
    }
}
