/// Why a command file is refused, as the log says it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileCommandError {
    #[error("Invalid format '{line}'. {reason}")]
    Format { line: String, reason: &'static str },
    #[error("Invalid value. Matching delimiter not found '{delimiter}'")]
    NoDelimiter { delimiter: String },
    /// The file ends within a line that is not the delimiter.
    #[error("Invalid value. EOF marker missing new line. Matching delimiter not found '{delimiter}'")]
    Unterminated { delimiter: String },
}

/// Reads what a step wrote to GITHUB_ENV, GITHUB_OUTPUT or GITHUB_STATE: `NAME=value` lines, and
///
/// ```text
/// NAME<<DELIMITER
/// lines
/// DELIMITER
/// ```
///
/// (GitHub, "Workflow commands: environment files".) Pairs come in the file's order; a later one of a name wins.
pub fn parse_file_commands(text: &str) -> Result<Vec<(String, String)>, FileCommandError> {
    let mut pairs = Vec::new();
    let mut rest = text;
    while let Some((line, end)) = next_line(&mut rest) {
        if line.is_empty() {
            continue;
        }
        let refuse = |reason| FileCommandError::Format { line: line.to_owned(), reason };
        let (equals, heredoc) = (line.find('='), line.find("<<"));
        match (equals, heredoc) {
            (equals, Some(heredoc)) if equals.is_none_or(|equals| heredoc < equals) => {
                let (name, delimiter) = (&line[..heredoc], &line[heredoc + 2..]);
                if name.is_empty() || delimiter.is_empty() {
                    return Err(refuse("Name must not be empty and delimiter must not be empty"));
                }
                pairs.push((name.to_owned(), heredoc_value(&mut rest, delimiter, end)?));
            }
            (Some(0), _) => return Err(refuse("Name must not be empty")),
            (Some(equals), _) => pairs.push((line[..equals].to_owned(), line[equals + 1..].to_owned())),
            (None, _) => return Err(refuse("Write NAME=value, or NAME<<DELIMITER")),
        }
    }
    Ok(pairs)
}

/// Everything up to the line that is the delimiter, without the last newline.
fn heredoc_value(rest: &mut &str, delimiter: &str, header_end: &str) -> Result<String, FileCommandError> {
    let start = *rest;
    let mut last_end = header_end;
    let mut length = 0;
    loop {
        let before = start.len() - rest.len();
        match next_line(rest) {
            Some((line, _)) if line == delimiter => return Ok(start[..length].to_owned()),
            Some((line, end)) => {
                length = before + line.len();
                last_end = end;
            }
            None if last_end.is_empty() => {
                return Err(FileCommandError::Unterminated { delimiter: delimiter.to_owned() });
            }
            None => return Err(FileCommandError::NoDelimiter { delimiter: delimiter.to_owned() }),
        }
    }
}

/// The next line and its ending (`\r\n`, `\n`, or nothing at the end of the file).
fn next_line<'a>(rest: &mut &'a str) -> Option<(&'a str, &'a str)> {
    if rest.is_empty() {
        return None;
    }
    let Some(newline) = rest.find('\n') else { return Some((std::mem::take(rest), "")) };
    let line = &rest[..newline];
    let (line, end) = match line.strip_suffix('\r') {
        Some(line) => (line, &rest[newline - 1..=newline]),
        None => (line, &rest[newline..=newline]),
    };
    *rest = &rest[newline + 1..];
    Some((line, end))
}

/// Whether a step may set the variable for later steps; GitHub keeps NODE_OPTIONS from it.
pub fn may_be_set(name: &str) -> bool {
    !name.eq_ignore_ascii_case("NODE_OPTIONS")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse_file_commands(text).unwrap()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn both_forms_are_read() {
        assert_eq!(pairs("A=1\n\nB==x=\r\nC="), [pair("A", "1"), pair("B", "=x="), pair("C", "")]);
        assert_eq!(pairs("A<<E\nx\n\ny\n\nE\nB<<=E\nb\n=E"), [pair("A", "x\n\ny\n"), pair("B", "b")]);
        assert_eq!(pairs("A<<E\nE\n"), [pair("A", "")]);
        assert_eq!(pairs("A<<E\r\nx\r\ny\r\nE\r\n"), [pair("A", "x\r\ny")]);
        assert_eq!(pairs(""), []);
    }

    #[test]
    fn what_is_neither_is_refused() {
        for (text, part) in [
            ("no sign", "Invalid format 'no sign'"),
            ("=x", "Name must not be empty"),
            ("<<E\nE\n", "Name must not be empty"),
            ("A<<\nx\n", "delimiter must not be empty"),
            ("A<<E\nx\n", "Matching delimiter not found 'E'"),
            ("A<<E\nx", "EOF marker missing new line"),
        ] {
            let error = parse_file_commands(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text:?} gave {error}");
        }
    }

    #[test]
    fn the_runners_own_cases_hold() {
        let Some(folder) = std::env::var_os("SLUICE_CONFORMANCE") else {
            println!("skipped: SLUICE_CONFORMANCE is not set");
            return;
        };
        let file = std::path::Path::new(&folder).join("github/file-commands.json");
        let cases: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let mut failures = Vec::new();
        for case in &cases {
            // One case stands for both line endings, which it spells `newline`.
            let newlines = match case["newline"].as_str().unwrap() {
                "newline: newline" => vec!["\n", "\r\n"],
                one => vec![one],
            };
            if let Some(why) = newlines.into_iter().find_map(|newline| check(case, newline).err()) {
                failures.push(format!("{}: {why}", case["test"].as_str().unwrap_or_default()));
            }
        }
        // scripts/conformance.sh collects these lines.
        println!("conformance: github/file-commands {} {} 0", cases.len() - failures.len(), failures.len());
        for failure in &failures {
            println!("conformance failure: github/file-commands: {failure}");
        }
        assert!(failures.is_empty() && !cases.is_empty(), "{} cases fail", failures.len());
    }

    fn check(case: &serde_json::Value, newline: &str) -> Result<(), String> {
        let lines: Vec<&str> =
            case["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        let text = lines.join(newline);
        let holds = match parse_file_commands(&text) {
            Ok(pairs) => {
                let is_env = case["file_command"] == "GITHUB_ENV";
                let kept: Vec<_> = pairs.iter().filter(|(name, _)| !is_env || may_be_set(name)).collect();
                let wanted = |name: &str| Some(case["expect"][name].as_str()?.replace("{newline}", newline));
                case["throws"].is_null()
                    && kept.len() == case["expect"].as_object().unwrap().len()
                    && kept.iter().all(|(name, value)| wanted(name).as_deref() == Some(value))
            }
            Err(ref error) => {
                let error = error.to_string();
                let parts = case["message_contains"].as_array().unwrap();
                !case["throws"].is_null() && parts.iter().all(|part| error.contains(part.as_str().unwrap()))
            }
        };
        if holds { Ok(()) } else { Err(format!("{case} gave {:?}", parse_file_commands(&text))) }
    }
}
