use std::borrow::Cow;

use sluice_wire::{TestCase, TestOutcome};

use super::xml::{Token, Tokens, unescape};

/// The most test cases of one file.
const CASES_LIMIT: usize = 200_000;
/// The deepest nesting; JUnit needs four, and suites may be in suites.
const DEPTH_LIMIT: usize = 64;
/// The most of a failure's message that is kept, in characters.
const MESSAGE_LIMIT: usize = 4_000;

/// What one file of JUnit XML tells.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TestReport {
    pub cases: Vec<TestCase>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JUnitError {
    #[error("line {line}: {what}")]
    Syntax { line: usize, what: &'static str },
    #[error("there are more than {CASES_LIMIT} test cases")]
    TooMany,
    #[error("elements are nested more than {DEPTH_LIMIT} deep")]
    TooDeep,
}

/// Reads JUnit XML, as test tools of all languages write it: `testsuite` and `testcase` elements at any depth, with
/// `failure`, `error` and `skipped` in a case. Entities beyond XML's own five are not expanded.
///
/// A case without a file or class has that of its suite. A failure outside of any case (a suite that could not be set
/// up) is a failed case of its own.
pub fn parse_junit(content: &[u8]) -> Result<TestReport, JUnitError> {
    let text = decode(content);
    let mut tokens = Tokens::from(text.as_ref());
    let mut reader = Reader::default();
    while let Some(token) = tokens.next()? {
        let taken = match token {
            Token::Start { name, attributes, is_empty } => {
                reader.start(name, &attributes)?;
                if is_empty { reader.end(name) } else { Ok(()) }
            }
            Token::Text(text) => reader.text(&text),
            Token::End { name } => reader.end(name),
        };
        taken.map_err(|what| tokens.wrong(what))?;
    }
    match reader.open.is_empty() {
        true => Ok(reader.report),
        false => Err(JUnitError::Syntax { line: tokens.line(), what: "the file ends within an element" }),
    }
}

/// UTF-8, or UTF-16 with its mark, which some tools of Windows write. What is neither becomes replacement characters:
/// one strange byte in a message must not hide a report.
fn decode(content: &[u8]) -> Cow<'_, str> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]])).collect();
        Cow::Owned(String::from_utf16_lossy(&units))
    };
    match content {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => String::from_utf8_lossy(rest),
    }
}

#[derive(Default)]
struct Suite {
    name: String,
    file: Option<String>,
}

/// Where the reading stands.
#[derive(Default)]
struct Reader {
    report: TestReport,
    open: Vec<String>,
    suites: Vec<Suite>,
    case: Option<TestCase>,
    /// The message of a failure that is open, and what kind it says that it is.
    failure: Option<(String, String)>,
}

impl Reader {
    fn start(&mut self, name: &str, attributes: &[(&str, &str)]) -> Result<(), JUnitError> {
        if self.open.len() >= DEPTH_LIMIT {
            return Err(JUnitError::TooDeep);
        }
        let attribute = |key: &str| {
            let found = attributes.iter().find(|(name, _)| *name == key);
            found.map(|(_, value)| unescape(value)).filter(|value| !value.is_empty())
        };
        match name {
            "testsuite" => {
                let file =
                    attribute("file").or_else(|| self.suites.last().and_then(|outer| outer.file.clone()));
                self.suites.push(Suite { name: attribute("name").unwrap_or_default(), file });
            }
            "testcase" => {
                if self.report.cases.len() >= CASES_LIMIT {
                    return Err(JUnitError::TooMany);
                }
                let suite = self.suites.last();
                // GoogleTest says it of a disabled test in this way.
                let is_skipped = attribute("status").is_some_and(|status| status == "notrun");
                self.case = Some(TestCase {
                    suite: attribute("classname")
                        .or_else(|| suite.map(|suite| suite.name.clone()))
                        .unwrap_or_default(),
                    name: attribute("name").unwrap_or_default(),
                    file: attribute("file").or_else(|| suite.and_then(|suite| suite.file.clone())),
                    duration_ms: duration_ms(attribute("time").as_deref()),
                    outcome: if is_skipped { TestOutcome::Skipped } else { TestOutcome::Passed },
                });
            }
            "failure" | "error" => {
                let message = attribute("message").unwrap_or_default();
                self.failure = Some((message, attribute("type").unwrap_or_default()));
            }
            "skipped" => {
                if let Some(case) = &mut self.case {
                    case.outcome = TestOutcome::Skipped;
                }
            }
            _ => (),
        }
        self.open.push(name.to_owned());
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), &'static str> {
        if self.open.is_empty() && !text.trim().is_empty() {
            return Err("there is text outside of all elements");
        }
        if let Some((message, _)) = &mut self.failure {
            let text = unescape(text);
            if !text.trim().is_empty() && message.chars().count() < MESSAGE_LIMIT {
                if !message.is_empty() {
                    message.push('\n');
                }
                message.push_str(text.trim());
            }
        }
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), &'static str> {
        if self.open.pop().as_deref() != Some(name) {
            return Err("an element ends that did not begin here");
        }
        match name {
            "testsuite" => drop(self.suites.pop()),
            "testcase" => self.report.cases.extend(self.case.take()),
            "failure" | "error" => self.fail(),
            _ => (),
        }
        Ok(())
    }

    /// A case may fail in more than one way; the first is told.
    fn fail(&mut self) {
        let Some((message, kind)) = self.failure.take() else { return };
        let message = if message.is_empty() { kind } else { message };
        let outcome = TestOutcome::Failed { message: message.chars().take(MESSAGE_LIMIT).collect() };
        match (&mut self.case, self.suites.last()) {
            (Some(case), _) if !matches!(case.outcome, TestOutcome::Failed { .. }) => case.outcome = outcome,
            (None, Some(suite)) => self.report.cases.push(TestCase {
                suite: suite.name.clone(),
                name: suite.name.clone(),
                file: suite.file.clone(),
                duration_ms: 0,
                outcome,
            }),
            _ => (),
        }
    }
}

/// Seconds, with commas between thousands as some tools write them. What is no number is none.
fn duration_ms(time: Option<&str>) -> u64 {
    let seconds: f64 = time.and_then(|time| time.trim().replace(',', "").parse().ok()).unwrap_or(0.0);
    (seconds.clamp(0.0, 1e9) * 1e3).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_and_cases_are_read() {
        let xml = br#"<?xml version="1.0"?><!-- made by a tool --><testsuites>
            <testsuite name="api"><testcase name="a &lt;b&gt;" classname="api::tests" time="0.25" file="src/a.rs"/>
            <testcase name="c"><skipped/></testcase>
            <testcase name='d'><failure message="left != right">at &quot;x&quot;<![CDATA[ & <here> ]]></failure></testcase>
            <testcase name="e"><error>boom</error><system-out>noise</system-out></testcase>
            </testsuite></testsuites>"#;
        let cases = parse_junit(xml).unwrap().cases;
        assert_eq!(cases.len(), 4);
        assert_eq!(
            (cases[0].name.as_str(), cases[0].suite.as_str(), cases[0].duration_ms),
            ("a <b>", "api::tests", 250)
        );
        assert_eq!(cases[0].file.as_deref(), Some("src/a.rs"));
        assert_eq!((cases[1].suite.as_str(), &cases[1].outcome), ("api", &TestOutcome::Skipped));
        let message = "left != right\nat \"x\"\n& <here>".to_owned();
        assert_eq!(cases[2].outcome, TestOutcome::Failed { message });
        assert_eq!(cases[3].outcome, TestOutcome::Failed { message: "boom".to_owned() });
    }

    #[test]
    fn what_is_no_xml_or_too_much_is_refused() {
        for wrong in ["<a", "<a><b></a>", "<a>", "<a b=c/>", "<!-- ", "<!DOCTYPE a [<!ENTITY x \"y\">]><a/>"]
        {
            assert!(matches!(parse_junit(wrong.as_bytes()), Err(JUnitError::Syntax { .. })), "{wrong}");
        }
        assert!(matches!(parse_junit(b"\xff"), Err(JUnitError::Syntax { line: 1, .. })));
        assert!(matches!(parse_junit(b"no xml\n"), Err(JUnitError::Syntax { .. })));
        assert_eq!(parse_junit(b""), Ok(TestReport::default()));
        assert_eq!(parse_junit("<a>".repeat(DEPTH_LIMIT + 1).as_bytes()), Err(JUnitError::TooDeep));
        let many = format!("<s>{}</s>", "<testcase/>".repeat(CASES_LIMIT + 1));
        assert_eq!(parse_junit(many.as_bytes()), Err(JUnitError::TooMany));
    }

    fn read(xml: &str) -> Vec<String> {
        let cases = parse_junit(xml.as_bytes()).unwrap().cases;
        let line = |case: TestCase| {
            let file = case.file.unwrap_or_default();
            let outcome = match case.outcome {
                TestOutcome::Passed => "passed".to_owned(),
                TestOutcome::Skipped => "skipped".to_owned(),
                TestOutcome::Failed { message } => format!("failed: {message}"),
            };
            format!("{}|{}|{file}|{} ms|{outcome}", case.suite, case.name, case.duration_ms)
        };
        cases.into_iter().map(line).collect()
    }

    #[test]
    fn suites_in_suites_give_their_file_and_name() {
        // Jest, PHPUnit and RSpec each leave out another attribute.
        let xml = r#"<testsuites name="all"><testsuite name="outer" file="outer.py" time="9">
            <testsuite name="inner"><testcase name="a" time="1,234.5"/></testsuite>
            <testcase name="b" time="NaN" file="own.py" classname=""/><properties><property name="x" value="y"/></properties>
            </testsuite><testcase name="c"/></testsuites>"#;
        let want = ["inner|a|outer.py|1234500 ms|passed", "outer|b|own.py|0 ms|passed", "|c||0 ms|passed"];
        assert_eq!(read(xml), want);
    }

    #[test]
    fn a_failure_is_told_by_what_the_tool_says_of_it() {
        let xml = r#"<testsuite name="s">
            <testcase name="type only"><failure type="AssertionError"/></testcase>
            <testcase name="twice"><failure message="first"/><error message="second"/></testcase>
            <testcase name="rerun"><flakyFailure message="once"/><rerunFailure message="again"/></testcase>
            <testcase name="off" status="notrun"/>
            <testcase name="tag &gt; sign"><failure message="a > b">x</failure></testcase>
            <error message="set up"/></testsuite>"#;
        let want = [
            "s|type only||0 ms|failed: AssertionError",
            "s|twice||0 ms|failed: first",
            "s|rerun||0 ms|passed",
            "s|off||0 ms|skipped",
            "s|tag > sign||0 ms|failed: a > b\nx",
            "s|s||0 ms|failed: set up",
        ];
        assert_eq!(read(xml), want);
    }

    #[test]
    fn marks_and_encodings_of_other_systems_are_read() {
        let xml = "<testsuite><testcase name='\u{e9}'/></testsuite>";
        let utf8: Vec<u8> = [&b"\xef\xbb\xbf"[..], xml.as_bytes()].concat();
        let utf16: Vec<u8> =
            std::iter::once(0xfeff).chain(xml.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        for content in [utf8, utf16] {
            assert_eq!(parse_junit(&content).unwrap().cases[0].name, "\u{e9}");
        }
        let latin = b"<testsuite><testcase name='\xe9'/></testsuite>";
        assert_eq!(parse_junit(latin).unwrap().cases[0].name, "\u{fffd}");
    }
}
