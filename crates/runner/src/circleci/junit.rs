use sluice_wire::{TestCase, TestOutcome};

/// The most test cases of one file.
const CASES_LIMIT: usize = 200_000;
/// The deepest nesting; JUnit needs four.
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
    #[error("this is not text in UTF-8")]
    NotText,
    #[error("line {line}: {what}")]
    Syntax { line: usize, what: &'static str },
    #[error("there are more than {CASES_LIMIT} test cases")]
    TooMany,
    #[error("elements are nested more than {DEPTH_LIMIT} deep")]
    TooDeep,
}

/// Reads JUnit XML, as test tools of all languages write it: `testsuite` and `testcase` elements at any depth, with
/// `failure`, `error` and `skipped` in a case. Entities beyond XML's own five are not expanded.
pub fn parse_junit(content: &[u8]) -> Result<TestReport, JUnitError> {
    let text = std::str::from_utf8(content).map_err(|_| JUnitError::NotText)?;
    let mut tokens = Tokens { text, at: 0 };
    let mut report = TestReport::default();
    let mut suites: Vec<String> = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    let mut case: Option<TestCase> = None;
    let mut failure: Option<String> = None;
    while let Some(token) = tokens.next()? {
        match token {
            Token::Start { name, attributes, is_empty } => {
                if open.len() >= DEPTH_LIMIT {
                    return Err(JUnitError::TooDeep);
                }
                let attribute = |key: &str| {
                    let found = attributes.iter().find(|(name, _)| *name == key);
                    found.map(|(_, value)| unescape(value))
                };
                match name {
                    "testsuite" => suites.push(attribute("name").unwrap_or_default()),
                    "testcase" => {
                        if report.cases.len() >= CASES_LIMIT {
                            return Err(JUnitError::TooMany);
                        }
                        let suite = attribute("classname").or_else(|| suites.last().cloned());
                        let seconds: f64 =
                            attribute("time").and_then(|time| time.parse().ok()).unwrap_or(0.0);
                        case = Some(TestCase {
                            suite: suite.unwrap_or_default(),
                            name: attribute("name").unwrap_or_default(),
                            file: attribute("file"),
                            duration_ms: (seconds.clamp(0.0, 1e9) * 1e3) as u64,
                            outcome: TestOutcome::Passed,
                        });
                    }
                    "failure" | "error" => failure = Some(attribute("message").unwrap_or_default()),
                    "skipped" => {
                        if let Some(case) = &mut case {
                            case.outcome = TestOutcome::Skipped;
                        }
                    }
                    _ => (),
                }
                open.push(name);
                if is_empty {
                    end(&mut open, name, &mut report, &mut suites, &mut case, &mut failure)
                        .map_err(|what| tokens.wrong(what))?;
                }
            }
            Token::Text(text) => {
                if let Some(message) = &mut failure {
                    let text = unescape(&text);
                    if !text.trim().is_empty() && message.chars().count() < MESSAGE_LIMIT {
                        if !message.is_empty() {
                            message.push('\n');
                        }
                        message.push_str(text.trim());
                    }
                }
            }
            Token::End { name } => {
                end(&mut open, name, &mut report, &mut suites, &mut case, &mut failure)
                    .map_err(|what| tokens.wrong(what))?;
            }
        }
    }
    match open.is_empty() {
        true => Ok(report),
        false => Err(JUnitError::Syntax { line: tokens.line(), what: "the file ends within an element" }),
    }
}

fn end(
    open: &mut Vec<&str>,
    name: &str,
    report: &mut TestReport,
    suites: &mut Vec<String>,
    case: &mut Option<TestCase>,
    failure: &mut Option<String>,
) -> Result<(), &'static str> {
    if open.pop() != Some(name) {
        return Err("an element ends that did not begin here");
    }
    match name {
        "testsuite" => drop(suites.pop()),
        "testcase" => report.cases.extend(case.take()),
        "failure" | "error" => {
            if let (Some(case), Some(message)) = (case.as_mut(), failure.take()) {
                let message = message.chars().take(MESSAGE_LIMIT).collect();
                case.outcome = TestOutcome::Failed { message };
            }
        }
        _ => (),
    }
    Ok(())
}

enum Token<'a> {
    Start { name: &'a str, attributes: Vec<(&'a str, &'a str)>, is_empty: bool },
    End { name: &'a str },
    Text(std::borrow::Cow<'a, str>),
}

struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    fn line(&self) -> usize {
        self.text[..self.at].matches('\n').count() + 1
    }

    fn wrong(&self, what: &'static str) -> JUnitError {
        JUnitError::Syntax { line: self.line(), what }
    }

    fn next(&mut self) -> Result<Option<Token<'a>>, JUnitError> {
        loop {
            let rest = &self.text[self.at..];
            if rest.is_empty() {
                return Ok(None);
            }
            if let Some(after) = rest.strip_prefix("<!--") {
                self.skip(after, "-->", "a comment does not end")?;
            } else if let Some(after) = rest.strip_prefix("<![CDATA[") {
                let text = self.skip(after, "]]>", "a CDATA section does not end")?;
                // Kept from being unescaped: an ampersand in it is one.
                return Ok(Some(Token::Text(text.replace('&', "&amp;").into())));
            } else if let Some(after) = rest.strip_prefix("<?") {
                self.skip(after, "?>", "an instruction does not end")?;
            } else if let Some(after) = rest.strip_prefix("<!") {
                let declaration = self.skip(after, ">", "a declaration does not end")?;
                if declaration.contains('[') {
                    return Err(self.wrong("a document type with declarations of its own is not read"));
                }
            } else if let Some(after) = rest.strip_prefix("</") {
                let name = self.skip(after, ">", "a tag does not end")?;
                return Ok(Some(Token::End { name: name.trim() }));
            } else if let Some(after) = rest.strip_prefix('<') {
                return self.start(after).map(Some);
            } else {
                let length = rest.find('<').unwrap_or(rest.len());
                self.at += length;
                return Ok(Some(Token::Text(rest[..length].into())));
            }
        }
    }

    /// What stands before `end`; goes on behind it. `after` is the rest of the text from a little further on.
    fn skip(&mut self, after: &'a str, end: &str, problem: &'static str) -> Result<&'a str, JUnitError> {
        let length = after.find(end).ok_or_else(|| self.wrong(problem))?;
        self.at = self.text.len() - after.len() + length + end.len();
        Ok(&after[..length])
    }

    fn start(&mut self, after: &'a str) -> Result<Token<'a>, JUnitError> {
        let length = after.find(|c: char| c.is_whitespace() || c == '>' || c == '/').unwrap_or(after.len());
        let name = &after[..length];
        let mut rest = &after[length..];
        let mut attributes = Vec::new();
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix("/>") {
                self.at = self.text.len() - after.len();
                return Ok(Token::Start { name, attributes, is_empty: true });
            }
            if let Some(after) = rest.strip_prefix('>') {
                self.at = self.text.len() - after.len();
                return Ok(Token::Start { name, attributes, is_empty: false });
            }
            let wrong = "a tag is not written as XML asks for";
            let (key, after) = rest.split_once('=').ok_or_else(|| self.wrong(wrong))?;
            let after = after.trim_start();
            let quote =
                after.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or_else(|| self.wrong(wrong))?;
            let (value, after) = after[1..].split_once(quote).ok_or_else(|| self.wrong(wrong))?;
            attributes.push((key.trim(), value));
            rest = after;
        }
    }
}

fn unescape(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let Some((entity, behind)) = after.split_once(';').filter(|(entity, _)| entity.len() <= 10) else {
            plain.push('&');
            rest = after;
            continue;
        };
        let number = entity.strip_prefix('#').and_then(|digits| match digits.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => digits.parse().ok(),
        });
        match (entity, number.and_then(char::from_u32)) {
            ("lt", _) => plain.push('<'),
            ("gt", _) => plain.push('>'),
            ("amp", _) => plain.push('&'),
            ("quot", _) => plain.push('"'),
            ("apos", _) => plain.push('\''),
            (_, Some(character)) => plain.push(character),
            (other, None) => plain.push_str(&format!("&{other};")),
        }
        rest = behind;
    }
    plain.push_str(rest);
    plain
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
        assert_eq!(parse_junit(b"\xff"), Err(JUnitError::NotText));
        assert_eq!(parse_junit("<a>".repeat(DEPTH_LIMIT + 1).as_bytes()), Err(JUnitError::TooDeep));
        let many = format!("<s>{}</s>", "<testcase/>".repeat(CASES_LIMIT + 1));
        assert_eq!(parse_junit(many.as_bytes()), Err(JUnitError::TooMany));
    }
}
