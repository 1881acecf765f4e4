//! Numbers as GitHub's runner reads and writes them.

/// A text as a number: blank is 0; decimal with sign, fraction and exponent; `0x`, `0o`; `Infinity`; NaN otherwise.
pub(crate) fn parse(text: &str) -> f64 {
    let text = text.trim();
    if text.is_empty() {
        return 0.0;
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    match text {
        "Infinity" | "+Infinity" => return f64::INFINITY,
        "-Infinity" => return f64::NEG_INFINITY,
        _ => {}
    }
    // Rust also reads `inf`, `nan` and `infinity`, which are no numbers here.
    let is_decimal = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    if is_decimal { text.parse().unwrap_or(f64::NAN) } else { f64::NAN }
}

fn radix(digits: &str, radix: u32) -> f64 {
    if digits.is_empty() {
        return f64::NAN;
    }
    let mut number = 0.0;
    for digit in digits.chars() {
        match digit.to_digit(radix) {
            Some(value) => number = number * f64::from(radix) + f64::from(value),
            None => return f64::NAN,
        }
    }
    number
}

/// .NET's `G15`: up to 15 significant digits, no trailing zeros, an exponent below 1e-4 and from 1e15 on.
pub(crate) fn format(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if number == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{number:.14e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let digits = digits.trim_end_matches('0');
    if !(-4..15).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{first}{point}{rest}E{exponent_sign}{:02}", exponent.unsigned_abs());
    }
    if exponent < 0 {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        return format!("{sign}{digits}{}", "0".repeat(whole - digits.len()));
    }
    format!("{sign}{}.{}", &digits[..whole], &digits[whole..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_dotnet_writes_them() {
        for (number, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (120.0, "120"),
            (0.012, "0.012"),
            (0.1 + 0.2, "0.3"),
            (123_456.789, "123456.789"),
            (0.000_01, "1E-05"),
            (0.000_12, "0.00012"),
            (1e15, "1E+15"),
            (123_456_789_012_345_680.0, "1.23456789012346E+17"),
            (999_999_999_999_999.0, "999999999999999"),
            (1e300, "1E+300"),
            (f64::INFINITY, "Infinity"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(format(number), text);
        }
    }

    #[test]
    fn texts_are_read_as_numbers() {
        for (text, number) in [
            ("", 0.0),
            ("  ", 0.0),
            (" 0xfF ", 255.0),
            ("0o17", 15.0),
            ("+1.2e2", 120.0),
            (".5", 0.5),
            ("1.", 1.0),
            ("-Infinity", f64::NEG_INFINITY),
        ] {
            assert_eq!(parse(text), number, "{text}");
        }
        for text in ["a", "inf", "nan", "NaN", "0x", "0o8", "1_000", "1e", "--1", "0b1", "-0x1"] {
            assert!(parse(text).is_nan(), "{text}");
        }
    }
}
