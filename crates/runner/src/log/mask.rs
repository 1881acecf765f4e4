use std::borrow::Cow;
use std::collections::BTreeSet;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// What stands in place of a secret.
const MASK: &[u8] = b"***";
/// Pieces of a secret (a line of it, an encoded form) that are shorter than this would mask ordinary text.
const SHORTEST_PIECE: usize = 4;
/// An encoded form has to be this long to be told from ordinary text.
const SHORTEST_ENCODED: usize = 8;

/// Replaces secrets, and the forms that they are found in, by `***`.
///
/// Forms: the secret, each of its lines, base64 at any of three offsets, percent-encoded in the ways that languages do it,
/// and escaped for JSON, XML, HTML, a shell and an expression of GitHub's. A secret's line breaks stay.
#[derive(Default)]
pub struct Masker {
    patterns: BTreeSet<Vec<u8>>,
    matcher: Option<AhoCorasick>,
    longest: usize,
}

impl Masker {
    /// The same masker with more secrets.
    pub fn with<'a>(&self, secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut patterns = self.patterns.clone();
        for secret in secrets {
            add_forms(secret, &mut patterns);
        }
        let longest = patterns.iter().map(Vec::len).max().unwrap_or(0);
        let matcher = match patterns.is_empty() {
            true => None,
            // Building fails only beyond two thousand million states, which the limits on secrets rule out.
            false => AhoCorasick::builder().match_kind(MatchKind::Standard).build(&patterns).ok(),
        };
        Self { patterns, matcher, longest }
    }

    pub fn mask<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(matcher) = self.matcher.as_ref().filter(|matcher| matcher.is_match(text)) else {
            return Cow::Borrowed(text);
        };
        let mut masked = Vec::with_capacity(text.len());
        let mut end_of_last = 0;
        for (start, end) in merged(matcher, text) {
            masked.extend_from_slice(&text[end_of_last..start]);
            for (number, line) in text[start..end].split(|byte| *byte == b'\n').enumerate() {
                if number > 0 {
                    masked.push(b'\n');
                }
                if !line.is_empty() {
                    masked.extend_from_slice(MASK);
                }
            }
            end_of_last = end;
        }
        masked.extend_from_slice(&text[end_of_last..]);
        Cow::Owned(masked)
    }

    pub fn mask_text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.mask(text.as_bytes())).into_owned()
    }

    /// A text to be kept and compared, each secret in it replaced by its digest: the same for the same secret and salt.
    pub fn digest_text(&self, text: &str, salt: &[u8]) -> String {
        let Some(matcher) = self.matcher.as_ref().filter(|matcher| matcher.is_match(text)) else {
            return text.to_owned();
        };
        let bytes = text.as_bytes();
        let (mut digested, mut end_of_last) = (Vec::with_capacity(text.len()), 0);
        for (start, end) in merged(matcher, bytes) {
            digested.extend_from_slice(&bytes[end_of_last..start]);
            let digest = Sha256::new().chain_update(salt).chain_update(&bytes[start..end]).finalize();
            let short: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            digested.extend_from_slice(format!("secret-{short}").as_bytes());
            end_of_last = end;
        }
        digested.extend_from_slice(&bytes[end_of_last..]);
        String::from_utf8_lossy(&digested).into_owned()
    }

    /// Whether `text` holds a secret.
    pub fn reveals(&self, text: &str) -> bool {
        self.matcher.as_ref().is_some_and(|matcher| matcher.is_match(text))
    }

    /// How much of a text that goes on later can be masked now, so that no secret is cut in two.
    pub fn safe_length(&self, text: &[u8]) -> usize {
        let Some(matcher) = &self.matcher else { return text.len() };
        let cut = text.len().saturating_sub(self.longest.saturating_sub(1));
        let spanning = merged(matcher, text).into_iter().find(|(start, end)| *start < cut && *end > cut);
        spanning.map_or(cut, |(start, _)| start)
    }
}

/// The places of secrets, those that overlap or touch as one.
fn merged(matcher: &AhoCorasick, text: &[u8]) -> Vec<(usize, usize)> {
    let mut places: Vec<(usize, usize)> = Vec::new();
    let mut found: Vec<(usize, usize)> =
        matcher.find_overlapping_iter(text).map(|found| (found.start(), found.end())).collect();
    found.sort_unstable();
    for (start, end) in found {
        match places.last_mut() {
            Some(last) if start < last.1 => last.1 = last.1.max(end),
            _ => places.push((start, end)),
        }
    }
    places
}

fn add_forms(secret: &str, patterns: &mut BTreeSet<Vec<u8>>) {
    let trimmed = secret.trim();
    if trimmed.is_empty() {
        return;
    }
    patterns.insert(trimmed.as_bytes().to_vec());
    add_encoded_forms(trimmed, patterns);
    for line in trimmed.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_PIECE) {
        if patterns.insert(line.as_bytes().to_vec()) {
            add_encoded_forms(line, patterns);
        }
    }
}

fn add_encoded_forms(trimmed: &str, patterns: &mut BTreeSet<Vec<u8>>) {
    let json = serde_json::Value::from(trimmed).to_string();
    let json = &json[1..json.len() - 1];
    let mut encoded = vec![json.to_owned(), in_ascii(json), json.replace('/', "\\/")];
    for unescaped in UNESCAPED {
        let percent = percent_encoded(trimmed, unescaped);
        encoded.extend([lower_hex(&percent), percent.replace("%20", "+"), percent]);
    }
    for entities in ENTITIES {
        let escape = |character: char| match entities.iter().find(|(of, _)| *of == character) {
            Some((_, entity)) => (*entity).to_owned(),
            None => character.to_string(),
        };
        encoded.push(trimmed.chars().map(escape).collect());
    }
    encoded.extend([
        trimmed.replace('\'', "''"),
        trimmed.replace('\'', "'\\''"),
        trimmed.replace('"', "\\\""),
    ]);
    // Inside a longer text, base64 depends on where in a group of three bytes the secret begins.
    let bytes = trimmed.as_bytes();
    for skip in 0..bytes.len().min(3) {
        let whole_groups = (bytes.len() - skip) / 3 * 3;
        let aligned = &bytes[skip..skip + whole_groups];
        encoded.push(STANDARD_NO_PAD.encode(aligned));
        encoded.push(URL_SAFE_NO_PAD.encode(aligned));
    }
    // Alone, its last group shows too.
    encoded.push(STANDARD_NO_PAD.encode(bytes));
    encoded.push(URL_SAFE_NO_PAD.encode(bytes));
    patterns
        .extend(encoded.into_iter().filter(|form| form.len() >= SHORTEST_ENCODED).map(String::into_bytes));
}

/// What stays as it is beside letters, digits and `-_.~`: nothing (RFC 3986), Python's `quote`, JavaScript's
/// `encodeURIComponent` and `encodeURI`.
const UNESCAPED: [&str; 4] = ["", "/", "!*'()", "!*'();,/?:@&=+$#"];

/// XML's own (as GitHub's runner masks it), and HTML's.
const ENTITIES: [&[(char, &str)]; 3] = [
    &[('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&apos;")],
    &[('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&#x27;")],
    &[('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&#34;"), ('\'', "&#39;")],
];

fn percent_encoded(text: &str, unescaped: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte))
            }
            other if unescaped.as_bytes().contains(&other) => encoded.push(char::from(other)),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

/// `%2F` becomes `%2f`.
fn lower_hex(percent_encoded: &str) -> String {
    let mut parts = percent_encoded.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        lower.push('%');
        lower.push_str(&digits.to_ascii_lowercase());
        lower.push_str(rest);
    }
    lower
}

/// JSON without a character beyond ASCII, as many writers make it.
fn in_ascii(json: &str) -> String {
    let mut ascii = String::with_capacity(json.len());
    for unit in json.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => ascii.push(char::from(byte)),
            _ => ascii.push_str(&format!("\\u{unit:04x}")),
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(secrets: &[&str], text: &str) -> String {
        Masker::default().with(secrets.iter().copied()).mask_text(text)
    }

    #[test]
    fn secrets_are_hidden_in_every_form() {
        let secret = "p@ss word/1";
        for form in [
            "p@ss word/1".to_owned(),
            "p%40ss%20word%2F1".to_owned(),
            "p%40ss+word%2F1".to_owned(),
            STANDARD_NO_PAD.encode(secret),
        ] {
            assert_eq!(masked(&[secret], &format!("<{form}>")), "<***>");
        }
        for before in ["", "x", "xy", "xyz"] {
            let inside = STANDARD_NO_PAD.encode(format!("{before}{secret}-tail"));
            assert!(masked(&[secret], &inside).contains("***"), "{before}: {inside}");
        }
        assert_eq!(masked(&["say \"hi\"\\now"], r#"{"k":"say \"hi\"\\now"}"#), r#"{"k":"***"}"#);
    }

    #[test]
    fn each_language_has_its_own_way_to_escape() {
        let secret = "it's <ü>/\"&\" (x)";
        for form in [
            "it%27s%20%3C%C3%BC%3E%2F%22%26%22%20%28x%29",
            "it%27s%20%3c%c3%bc%3e%2f%22%26%22%20%28x%29",
            "it%27s%20%3C%C3%BC%3E/%22%26%22%20%28x%29",
            "it's%20%3C%C3%BC%3E%2F%22%26%22%20(x)",
            "it's%20%3C%C3%BC%3E/%22&%22%20(x)",
            "it's &lt;ü&gt;/&quot;&amp;&quot; (x)".replace('\'', "&apos;").as_str(),
            "it&#x27;s &lt;ü&gt;/&quot;&amp;&quot; (x)",
            "it&#39;s &lt;ü&gt;/&#34;&amp;&#34; (x)",
            r#"it's <\u00fc>/\"&\" (x)"#,
            r#"it's <ü>\/\"&\" (x)"#,
            r#"it'\''s <ü>/"&" (x)"#,
            r#"it''s <ü>/"&" (x)"#,
        ] {
            assert_eq!(masked(&[secret], &format!("<{form}>")), "<***>", "{form}");
        }
    }

    #[test]
    fn a_kept_text_has_digests_for_secrets() {
        let masker = Masker::default().with(["abc-secret"]);
        let kept = masker.digest_text("v1-abc-secret-x", b"salt");
        assert!(kept.starts_with("v1-secret-") && kept.ends_with("-x") && !kept.contains("abc"), "{kept}");
        assert!(kept.starts_with(&masker.digest_text("v1-abc-secret-", b"salt")));
        assert_ne!(kept, masker.digest_text("v1-abc-secret-x", b"other"));
        assert_eq!(masker.digest_text("plain", b"salt"), "plain");
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(masked(&["first\n\nsecond"], "a first\n\nsecond\nb"), "a ***\n\n***\nb");
    }

    #[test]
    fn each_line_of_a_secret_is_hidden_alone() {
        let key = "-----BEGIN-----\nabcdefgh\n}\nijklmnop\n-----END-----\n";
        assert_eq!(masked(&[key], "x abcdefgh\n}\nijklmnop"), "x ***\n}\n***");
    }

    #[test]
    fn each_line_of_a_secret_is_hidden_in_every_form() {
        assert_eq!(
            masked(&["first line\n<second line>"], "&lt;second line&gt; %3Csecond%20line%3E"),
            "*** ***"
        );
    }

    #[test]
    fn overlapping_secrets_leave_nothing_over() {
        assert_eq!(masked(&["abcd", "cdef"], "xabcdefx"), "x***x");
        assert_eq!(masked(&["abcd", "abcdefgh"], "abcdefgh"), "***");
        assert_eq!(masked(&["", "  "], "a b"), "a b");
    }

    #[test]
    fn a_cut_never_goes_through_a_secret() {
        let masker = Masker::default().with(["secret-value"]);
        for text in
            ["xxxxsecret-va", "xxxxxxxxxxxxxsecret-valuexx", "secret-value", "plain text, long enough for it"]
        {
            let cut = masker.safe_length(text.as_bytes());
            let shown = masker.mask_text(&text[..cut]);
            assert!(!shown.contains("sec"), "{text} was cut to {shown}");
        }
        assert_eq!(Masker::default().safe_length(b"abc"), 3);
    }
}
