/// A filter pattern of branches, tags or paths (GitHub, "Filter pattern cheat sheet").
///
/// `*` matches up to a `/`, `**` anything, `?` and `+` repeat what stands before them, `[a-z]` is one of a range, `\`
/// takes the meaning from what follows, and a leading `!` takes out what an earlier pattern put in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    source: String,
    is_negative: bool,
    program: Vec<Op>,
}

/// A step of the automaton; a text matches when a thread reaches the program's end with it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Op {
    /// One character of the set, then the next step.
    Take(Set),
    /// Both, at no cost.
    Split(usize, usize),
    Jump(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Set {
    Char(char),
    /// Ranges, ends included.
    Class(Vec<(char, char)>),
    NotSlash,
    Any,
}

impl Set {
    fn has(&self, c: char) -> bool {
        match self {
            Self::Char(wanted) => *wanted == c,
            Self::Class(ranges) => ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)),
            Self::NotSlash => c != '/',
            Self::Any => true,
        }
    }
}

/// Why a text is not a filter pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("the pattern is empty")]
    Empty,
    #[error("the pattern has {0} characters, and {max} are allowed", max = Pattern::MAX_LENGTH)]
    TooLong(usize),
    #[error("`{0}` repeats what stands before it, and nothing does")]
    NothingToRepeat(char),
    #[error("`[` is not closed")]
    UnclosedClass,
    #[error("the range `{0}-{1}` ends before it begins")]
    BackwardRange(char, char),
    #[error("`[]` matches nothing")]
    EmptyClass,
    #[error("nothing stands after `\\`")]
    NothingEscaped,
}

impl Pattern {
    /// Characters.
    pub const MAX_LENGTH: usize = 1000;

    pub fn parse(source: &str) -> Result<Self, PatternError> {
        let length = source.chars().count();
        if length > Self::MAX_LENGTH {
            return Err(PatternError::TooLong(length));
        }
        let (is_negative, rest) = match source.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, source),
        };
        if rest.is_empty() {
            return Err(PatternError::Empty);
        }
        Ok(Self { source: source.to_owned(), is_negative, program: compile(rest)? })
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it takes out what it matches.
    pub fn is_negative(&self) -> bool {
        self.is_negative
    }

    /// Whether the pattern, without its `!`, matches the whole of `input`. Time is at most the product of both lengths.
    pub fn is_match(&self, input: &str) -> bool {
        let mut threads = Threads::new(&self.program);
        threads.add(0);
        for c in input.chars() {
            threads.step(c);
        }
        threads.is_at_end()
    }
}

/// Whether `input` is in: the last pattern that matches it says so.
pub fn is_selected(patterns: &[Pattern], input: &str) -> bool {
    patterns.iter().rev().find(|pattern| pattern.is_match(input)).is_some_and(|pattern| !pattern.is_negative)
}

struct Threads<'p> {
    program: &'p [Op],
    /// Steps that take a character next, or the end; each once.
    active: Vec<usize>,
    is_active: Vec<bool>,
    pending: Vec<usize>,
}

impl<'p> Threads<'p> {
    fn new(program: &'p [Op]) -> Self {
        let is_active = vec![false; program.len() + 1];
        Self { program, active: Vec::new(), is_active, pending: Vec::new() }
    }

    fn add(&mut self, start: usize) {
        self.pending.push(start);
        while let Some(at) = self.pending.pop() {
            if std::mem::replace(&mut self.is_active[at], true) {
                continue;
            }
            self.active.push(at);
            match self.program.get(at) {
                Some(Op::Split(first, second)) => self.pending.extend([*first, *second]),
                Some(Op::Jump(target)) => self.pending.push(*target),
                Some(Op::Take(_)) | None => {}
            }
        }
    }

    fn step(&mut self, c: char) {
        self.is_active.fill(false);
        for at in std::mem::take(&mut self.active) {
            if let Some(Op::Take(set)) = self.program.get(at)
                && set.has(c)
            {
                self.add(at + 1);
            }
        }
    }

    fn is_at_end(&self) -> bool {
        self.is_active[self.program.len()]
    }
}

fn compile(pattern: &str) -> Result<Vec<Op>, PatternError> {
    let mut program = Vec::new();
    let mut chars = pattern.chars().peekable();
    // Where the character or class begins that `?` and `+` would repeat.
    let mut repeatable = None;
    let mut is_first = true;
    while let Some(c) = chars.next() {
        let start = program.len();
        match c {
            '*' if chars.next_if_eq(&'*').is_some() => {
                if chars.next_if_eq(&'/').is_some() {
                    // Nothing, or anything that ends with a slash.
                    program.push(Op::Split(start + 1, start + 5));
                    push_loop(&mut program, Set::Any);
                    program.push(Op::Take(Set::Char('/')));
                } else {
                    push_loop(&mut program, Set::Any);
                }
                repeatable = None;
            }
            '*' => {
                push_loop(&mut program, Set::NotSlash);
                repeatable = None;
            }
            '?' | '+' if is_first => return Err(PatternError::NothingToRepeat(c)),
            '?' | '+' => {
                // What `*` matched may be nothing and many already.
                if let Some(begin) = repeatable.take() {
                    repeat(&mut program, begin, c);
                }
            }
            '[' => {
                program.push(Op::Take(Set::Class(class(&mut chars)?)));
                repeatable = Some(start);
            }
            '\\' => {
                // No ref and no path holds a backslash, so that several of them mean no more than one.
                while chars.next_if_eq(&'\\').is_some() {}
                let escaped = chars.next().ok_or(PatternError::NothingEscaped)?;
                program.push(Op::Take(Set::Char(escaped)));
                repeatable = Some(start);
            }
            c => {
                program.push(Op::Take(Set::Char(c)));
                repeatable = Some(start);
            }
        }
        is_first = false;
    }
    Ok(program)
}

/// Any count of the set's characters.
fn push_loop(program: &mut Vec<Op>, set: Set) {
    let start = program.len();
    program.push(Op::Split(start + 1, start + 3));
    program.push(Op::Take(set));
    program.push(Op::Jump(start));
}

/// Makes the last step optional (`?`) or one that may come again (`+`).
fn repeat(program: &mut Vec<Op>, begin: usize, how: char) {
    if how == '+' {
        program.push(Op::Split(begin, program.len() + 1));
    } else if let Some(step) = program.pop() {
        program.push(Op::Split(begin + 1, begin + 2));
        program.push(step);
    }
}

fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Vec<(char, char)>, PatternError> {
    let mut ranges = Vec::new();
    loop {
        let first = match chars.next().ok_or(PatternError::UnclosedClass)? {
            ']' if ranges.is_empty() => return Err(PatternError::EmptyClass),
            ']' => return Ok(ranges),
            '\\' => chars.next().ok_or(PatternError::NothingEscaped)?,
            c => c,
        };
        if chars.next_if_eq(&'-').is_none() {
            ranges.push((first, first));
            continue;
        }
        match chars.next().ok_or(PatternError::UnclosedClass)? {
            // A dash before the end is a dash.
            ']' => {
                ranges.extend([(first, first), ('-', '-')]);
                return Ok(ranges);
            }
            last if last < first => return Err(PatternError::BackwardRange(first, last)),
            last => ranges.push((first, last)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let compiled = Pattern::parse(pattern).unwrap();
        for input in yes {
            assert!(compiled.is_match(input), "{pattern} did not match {input}");
        }
        for input in no {
            assert!(!compiled.is_match(input), "{pattern} matched {input}");
        }
    }

    #[test]
    fn the_cheat_sheet() {
        check("main", &["main"], &["mains", "a/main", ""]);
        check("feature/*", &["feature/my-branch", "feature/"], &["feature/a/b", "feature"]);
        check("feature/**", &["feature/a/b", "feature/"], &["feature"]);
        check("**feature", &["my-feature", "feature", "a/b-feature"], &["features"]);
        check("v2*", &["v2", "v2.0"], &["v2/x"]);
        check("v[12].[0-9]+.[0-9]+", &["v1.10.1", "v2.0.0"], &["v3.1.1", "v1..1", "v1.1."]);
        check("*.jsx?", &["page.js", "page.jsx"], &["page.jsxx", "a/page.js"]);
        check("**/docs/**", &["docs/a.md", "x/docs/a/b.txt"], &["xdocs/a.md"]);
        check("**/README.md", &["README.md", "a/b/README.md"], &["xREADME.md"]);
        check("**/*src/**", &["a/src/app.js", "my-src/code/js/app.js"], &["a/srcs"]);
        check("\\!a\\*", &["!a*"], &["!ab"]);
        check("[-a.]x", &["-x", ".x", "ax"], &["bx"]);
        check("a-[x-]", &["a--", "a-x"], &["a-y"]);
    }

    #[test]
    fn the_last_match_decides() {
        let patterns: Vec<_> = ["releases/**", "!releases/**-alpha", "releases/x-alpha"]
            .map(|p| Pattern::parse(p).unwrap())
            .into();
        assert!(is_selected(&patterns, "releases/10"));
        assert!(!is_selected(&patterns, "releases/beta/3-alpha"));
        assert!(is_selected(&patterns, "releases/x-alpha"));
        assert!(!is_selected(&patterns, "main"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for (pattern, error) in [
            ("", PatternError::Empty),
            ("!", PatternError::Empty),
            ("?x", PatternError::NothingToRepeat('?')),
            ("[a-", PatternError::UnclosedClass),
            ("[]", PatternError::EmptyClass),
            ("[9-0]", PatternError::BackwardRange('9', '0')),
            ("a\\", PatternError::NothingEscaped),
        ] {
            assert_eq!(Pattern::parse(pattern), Err(error), "{pattern}");
        }
        assert_eq!(Pattern::parse(&"x".repeat(1001)), Err(PatternError::TooLong(1001)));
    }

    #[test]
    fn a_hostile_pattern_is_no_slower_than_its_length() {
        let pattern = Pattern::parse(&"*?**/a+".repeat(140)).unwrap();
        assert!(!pattern.is_match(&"a/".repeat(2000)));
    }
}
