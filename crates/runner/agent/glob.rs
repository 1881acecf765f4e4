/// How far a pattern goes with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Match {
    No,
    /// Something below the path may match.
    Below,
    /// The path matches, or a folder above it does.
    Whole,
}

/// Patterns in order; one with a `!` in front takes out again what those before it took.
pub struct Choice(Vec<(bool, Pattern)>);

impl Choice {
    pub fn new(patterns: &[Vec<u8>]) -> Self {
        let pattern = |text: &Vec<u8>| match text.strip_prefix(b"!") {
            Some(taken_out) => (false, Pattern::new(taken_out)),
            None => (true, Pattern::new(text)),
        };
        Self(patterns.iter().map(pattern).collect())
    }

    pub fn matches(&self, path: &[u8]) -> Match {
        self.0.iter().fold(Match::No, |so_far, (takes, pattern)| match (takes, pattern.matches(path)) {
            (true, matched) => so_far.max(matched),
            (false, Match::Whole) => Match::No,
            (false, Match::Below | Match::No) => so_far,
        })
    }
}

/// A relative path with `*`, `?` and `[…]` inside a component and `**` for any number of components.
pub struct Pattern(Vec<Vec<u8>>);

impl Pattern {
    pub fn new(pattern: &[u8]) -> Self {
        let components = pattern.split(|byte| *byte == b'/');
        Self(components.filter(|part| !part.is_empty() && *part != b".").map(<[u8]>::to_vec).collect())
    }

    pub fn matches(&self, path: &[u8]) -> Match {
        let components: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        go_along(&self.0, &components)
    }
}

fn go_along(pattern: &[Vec<u8>], path: &[&[u8]]) -> Match {
    let Some((first, rest)) = pattern.split_first() else { return Match::Whole };
    if first == b"**" {
        // Any folder below may begin the rest.
        return (0..=path.len()).map(|skip| go_along(rest, &path[skip..])).max().unwrap_or(Match::No).max(Match::Below);
    }
    match path.split_first() {
        None => Match::Below,
        Some((name, below)) if component_matches(first, name) => go_along(rest, below),
        Some(_) => Match::No,
    }
}

/// One component of a path: `*`, `?` and `[…]`.
pub fn component_matches(pattern: &[u8], name: &[u8]) -> bool {
    // Where the last `*` stood, and how much of the name it had taken: one retry point is enough for a linear walk.
    let (mut p, mut n, mut retry) = (0, 0, None);
    while n < name.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, n));
                p += 1;
                continue;
            }
            Some(b'?') => Some(p + 1),
            Some(b'[') => class_matches(&pattern[p..], name[n]).and_then(|(hit, length)| hit.then_some(p + length)),
            Some(byte) if *byte == name[n] => Some(p + 1),
            _ => None,
        };
        match (step, retry) {
            (Some(next), _) => (p, n) = (next, n + 1),
            (None, Some((star, taken))) => {
                retry = Some((star, taken + 1));
                (p, n) = (star + 1, taken + 1);
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Whether a `[…]` at the start of `pattern` takes `byte`, and how long it is. None where it is not closed.
fn class_matches(pattern: &[u8], byte: u8) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let start = if negated { 2 } else { 1 };
    let end = start + 1 + pattern.get(start + 1..)?.iter().position(|byte| *byte == b']')?;
    let (mut hit, mut at) = (false, start);
    while at < end {
        if at + 2 < end && pattern[at + 1] == b'-' {
            hit |= (pattern[at]..=pattern[at + 2]).contains(&byte);
            at += 3;
        } else {
            hit |= pattern[at] == byte;
            at += 1;
        }
    }
    Some((hit != negated, end + 1))
}
