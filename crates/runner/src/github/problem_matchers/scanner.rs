use std::borrow::Cow;
use std::sync::Arc;

use sluice_wire::Level;

use super::Matcher;
use super::matcher::{Part, Parts};

/// Longer lines are not looked at.
const LONGEST_LINE_BYTES: usize = 16 << 10;

/// Scans the lines of one step with the job's matchers, the newest first.
#[derive(Debug, Default)]
pub struct Scanner {
    running: Vec<Running>,
}

#[derive(Debug)]
struct Running {
    matcher: Arc<Matcher>,
    /// Of each pattern but the last: what it and those before it found in the lines just passed.
    state: Vec<Option<Parts>>,
}

/// What a line was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub level: Level,
    pub message: String,
    /// As the tool names it.
    pub file: Option<String>,
    /// The file beside which `file` is.
    pub from_path: Option<String>,
    pub line: Option<u32>,
    /// The line without its colours.
    pub text: String,
}

impl Scanner {
    /// Takes the matchers of the job as they are now. What has begun to match goes on.
    pub fn follow(&mut self, matchers: &[Arc<Matcher>]) {
        let mut before = std::mem::take(&mut self.running);
        self.running = matchers
            .iter()
            .map(|matcher| match before.iter().position(|known| Arc::ptr_eq(&known.matcher, matcher)) {
                Some(known) => before.swap_remove(known),
                None => Running::new(matcher.clone()),
            })
            .collect();
    }

    /// Looks at a line. Matchers whose patterns take too long for it are dropped, and named in `dropped`.
    pub fn scan(&mut self, line: &str, dropped: &mut Vec<String>) -> Option<Found> {
        if line.len() > LONGEST_LINE_BYTES {
            return None;
        }
        let line = without_colours(line);
        let mut index = 0;
        while index < self.running.len() {
            match self.running[index].look(&line) {
                Ok(None) => index += 1,
                Ok(Some(parts)) => {
                    for (other, running) in self.running.iter_mut().enumerate() {
                        if other != index {
                            running.reset();
                        }
                    }
                    let found = found(&parts, self.running[index].matcher.severity.as_deref(), &line);
                    if found.is_some() {
                        return found;
                    }
                    index += 1;
                }
                Err(reason) => {
                    let owner = self.running.remove(index).matcher.owner.clone();
                    dropped
                        .push(format!("Removing issue matcher '{owner}'. Matcher failed. Error: {reason}"));
                }
            }
        }
        None
    }
}

impl Running {
    fn new(matcher: Arc<Matcher>) -> Self {
        let mut new = Self { matcher, state: Vec::new() };
        new.reset();
        new
    }

    fn reset(&mut self) {
        self.state = vec![None; self.matcher.patterns.len() - 1];
    }

    /// All patterns see the line, the last one first, so that no line counts twice (`IssueMatcher.Match` of GitHub's
    /// runner). Some: the last one matches.
    fn look(&mut self, line: &str) -> Result<Option<Parts>, String> {
        let matcher = self.matcher.clone();
        let last = matcher.patterns.len() - 1;
        for (index, pattern) in matcher.patterns.iter().enumerate().rev() {
            let before = match index {
                0 => Parts::new(),
                _ => match self.state[index - 1].clone() {
                    Some(parts) => parts,
                    None => continue,
                },
            };
            let parts = pattern.parts(line, &before)?;
            if index < last {
                self.state[index] = parts;
            } else if parts.is_some() {
                self.reset();
                if pattern.loops {
                    self.state[index - 1] = Some(before);
                }
                return Ok(parts);
            } else if last > 0 {
                self.state[index - 1] = None;
            }
        }
        Ok(None)
    }
}

/// None: nothing that can be shown, for it has no message, or a severity that GitHub does not know.
fn found(parts: &Parts, default_severity: Option<&str>, line: &str) -> Option<Found> {
    let part = |part: Part| parts.get(&part).filter(|text| !text.trim().is_empty()).cloned();
    let message = part(Part::Message)?;
    let severity = parts.get(&Part::Severity).map(String::as_str).filter(|severity| !severity.is_empty());
    let level = match severity.or(default_severity).unwrap_or("error").to_ascii_lowercase().as_str() {
        "error" => Level::Error,
        "warning" => Level::Warning,
        "notice" => Level::Notice,
        _ => return None,
    };
    let number = parts.get(&Part::Line).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    Some(Found {
        level,
        message: message.trim().to_owned(),
        file: part(Part::File),
        from_path: part(Part::FromPath),
        line: number.and_then(|text| text.parse().ok()),
        text: line.to_owned(),
    })
}

/// Without the codes by which a terminal colours text (`ESC [ … m`).
fn without_colours(line: &str) -> Cow<'_, str> {
    if !line.contains("\u{1b}[") {
        return Cow::Borrowed(line);
    }
    let mut pieces = line.split("\u{1b}[");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let rest = piece.trim_start_matches(|next: char| next.is_ascii_digit() || next == ';');
        plain.push_str(rest.strip_prefix('m').unwrap_or(rest));
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanner(files: &[&str]) -> Scanner {
        let mut matchers = Vec::new();
        for file in files {
            matchers.extend(Matcher::read_file(file).unwrap().into_iter().map(Arc::new));
        }
        let mut scanner = Scanner::default();
        scanner.follow(&matchers);
        scanner
    }

    /// Level, file, line and message of every line that is found to be something.
    fn scan(scanner: &mut Scanner, text: &str) -> Vec<String> {
        let mut dropped = Vec::new();
        let shown = |found: Found| {
            let line = found.line.map_or("-".to_owned(), |line| line.to_string());
            format!("{:?} {}:{line} {}", found.level, found.file.unwrap_or_default(), found.message)
        };
        let found = text.lines().filter_map(|line| scanner.scan(line, &mut dropped)).map(shown).collect();
        assert_eq!(dropped, [""; 0]);
        found
    }

    const TSC: &str = r#"{"problemMatcher": [{"owner": "tsc", "pattern": [{
        "regexp": "^(?:\\s+\\d+\\>)?([^\\s].*)\\((\\d+),(\\d+)\\)\\s*:\\s+(error|warning|info)\\s+(\\w{1,2}\\d+)\\s*:\\s*(.*)$",
        "file": 1, "line": 2, "column": 3, "severity": 4, "code": 5, "message": 6}]}]}"#;
    const ESLINT: &str = r#"{"problemMatcher": [{"owner": "eslint-stylish", "pattern": [
        {"regexp": "^([^\\s].*)$", "file": 1},
        {"regexp": "^\\s+(\\d+):(\\d+)\\s+(error|warning|info)\\s+(.*)\\s\\s+(.*)$",
         "line": 1, "column": 2, "severity": 3, "message": 4, "code": 5, "loop": true}]}]}"#;
    const PYTHON: &str = r#"{"problemMatcher": [{"owner": "python", "pattern": [
        {"regexp": "^\\s*File\\s\\\"(.*)\\\",\\sline\\s(\\d+),\\sin\\s(.*)$", "file": 1, "line": 2},
        {"regexp": "^\\s*raise\\s(.*)\\(\\'(.*)\\'\\)$", "message": 2}]}]}"#;

    #[test]
    fn one_line_matches() {
        let mut scanner = scanner(&[TSC]);
        let text = "ok\nsrc/a.ts(3,5): error TS2322: Type 'a' is not b\nb.ts(1,1): info TS1: nothing\nb.ts(9,1): warning TS9: w";
        assert_eq!(scan(&mut scanner, text), ["Error src/a.ts:3 Type 'a' is not b", "Warning b.ts:9 w"]);
    }

    #[test]
    fn the_last_of_several_patterns_may_loop() {
        let mut scanner = scanner(&[ESLINT]);
        let text = "test.js\n  1:0   error  Missing \"use strict\" statement                 strict\n  5:10  warning  'addOne' is defined but never used             no-unused-vars\n\n  6:1  error  alone  x\nother.js\n  7:1  error  b  y";
        assert_eq!(
            scan(&mut scanner, text),
            [
                "Error test.js:1 Missing \"use strict\" statement",
                "Warning test.js:5 'addOne' is defined but never used",
                "Error other.js:7 b",
            ]
        );
    }

    #[test]
    fn several_patterns_without_a_loop_begin_anew() {
        let mut scanner = scanner(&[PYTHON]);
        let text = "  File \"a.py\", line 4, in <module>\n    raise Exception('one')\n    raise Exception('two')\n  File \"b.py\", line 5, in f\nbetween\n    raise Exception('three')";
        assert_eq!(scan(&mut scanner, text), ["Error a.py:4 one"]);
    }

    #[test]
    fn the_default_severity_and_others() {
        let file = r#"{"problemMatcher": [
            {"owner": "w", "severity": "Warning", "pattern": [{"regexp": "^(\\w*)!(.*)$", "severity": 1, "message": 2}]},
            {"owner": "late", "pattern": [{"regexp": "^(fatal)!(.*)$", "message": 2}]}]}"#;
        let mut scanner = scanner(&[file]);
        let text = "!a\nNOTICE!b\nerror! \nerror!c\nfatal!d";
        assert_eq!(scan(&mut scanner, text), ["Warning :- a", "Notice :- b", "Error :- c", "Error :- d"]);
    }

    #[test]
    fn colours_and_lines_beyond_numbers_are_no_hindrance() {
        let mut scanner = scanner(&[TSC]);
        let line = "\u{1b}[1;31msrc/a.ts(99999999999,5)\u{1b}[0m: error TS1: x\u{1b}[m";
        let mut dropped = Vec::new();
        let found = scanner.scan(line, &mut dropped).unwrap();
        assert_eq!((found.line, found.text.as_str()), (None, "src/a.ts(99999999999,5): error TS1: x"));
    }

    #[test]
    fn a_matcher_that_takes_too_long_is_dropped() {
        let slow = r#"{"problemMatcher": [{"owner": "slow", "pattern": [{"regexp": "^(?:(a+)\\1?)+c$", "message": 0}]}]}"#;
        let mut scanner = scanner(&[slow, TSC]);
        let mut dropped = Vec::new();
        let line = format!("{}b", "a".repeat(10_000));
        assert_eq!(scanner.scan(&line, &mut dropped), None);
        assert!(dropped[0].starts_with("Removing issue matcher 'slow'"), "{dropped:?}");
        assert_eq!(scanner.running.len(), 1);
        let long = format!("a.ts(1,1): error TS1: {}", "x".repeat(LONGEST_LINE_BYTES));
        assert_eq!(scanner.scan(&long, &mut dropped), None);
    }

    #[test]
    fn a_step_that_runs_sees_what_is_added_and_removed() {
        let one = |file: &str| Arc::new(Matcher::read_file(file).unwrap().remove(0));
        let (eslint, tsc) = (one(ESLINT), one(TSC));
        let mut scanner = Scanner::default();
        scanner.follow(std::slice::from_ref(&eslint));
        assert_eq!(scan(&mut scanner, "a.js"), [""; 0]);
        scanner.follow(&[tsc, eslint]);
        assert_eq!(scan(&mut scanner, "  1:0  error  kept  x"), ["Error a.js:1 kept"]);
        scanner.follow(&[]);
        assert!(scanner.running.is_empty());
    }
}
