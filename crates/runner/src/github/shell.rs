use crate::session::{Session, SessionError};

/// How a script is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shell {
    /// Program and arguments, `{0}` standing for the script's path.
    pub argv: Vec<String>,
    pub extension: &'static str,
    /// Put before and after the script.
    before: &'static str,
    after: &'static str,
}

impl Shell {
    fn new(command: &str, extension: &'static str) -> Self {
        Self { argv: words(command), extension, before: "", after: "" }
    }

    /// GitHub's default, where there is `bash`, and where there is none.
    ///
    /// (GitHub, "Workflow syntax", `jobs.<job_id>.steps[*].shell`.)
    pub async fn default_of(session: &Session) -> Result<Self, SessionError> {
        let has_bash = session.find_program("bash").await?.is_some();
        Ok(Self::new(if has_bash { "bash -e {0}" } else { "sh -e {0}" }, "sh"))
    }

    /// `shell:` as it is written.
    pub fn of(shell: &str) -> Result<Self, String> {
        match shell.trim() {
            "bash" => Ok(Self::new("bash --noprofile --norc -eo pipefail {0}", "sh")),
            "sh" => Ok(Self::new("sh -e {0}", "sh")),
            "python" => Ok(Self::new("python {0}", "py")),
            "pwsh" => Ok(Self {
                argv: vec!["pwsh".to_owned(), "-command".to_owned(), ". '{0}'".to_owned()],
                extension: "ps1",
                before: "$ErrorActionPreference = 'stop'\n",
                after: "\nif ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }",
            }),
            "cmd" | "powershell" => Err(format!("the shell `{shell}` is of Windows, and this is none")),
            custom if custom.contains("{0}") => Ok(Self::new(custom, "")),
            other => Err(format!(
                "the shell `{other}` is not known: write bash, sh, python or pwsh, or a command with {{0}} for the script"
            )),
        }
    }

    pub fn argv(&self, script: &str) -> Vec<String> {
        self.argv.iter().map(|word| word.replace("{0}", script)).collect()
    }

    /// What the script's file holds.
    pub fn content(&self, script: &str) -> String {
        format!("{}{script}{}", self.before, self.after)
    }

    /// As the log shows it: `/usr/bin/bash -e {0}`.
    pub fn shown(&self) -> String {
        self.argv.join(" ")
    }
}

/// Words apart by blanks; what stands between double quotes is one, as .NET takes an argument list apart for GitHub's
/// runner. A backslash keeps a quote from ending it.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), None::<String>, false);
    let mut characters = command.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            '\\' if characters.peek() == Some(&'"') => word.get_or_insert_default().extend(characters.next()),
            blank if blank.is_whitespace() && !is_quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_in_double_quotes_stay_together() {
        assert_eq!(words("perl  {0}"), ["perl", "{0}"]);
        assert_eq!(words(r#"bash -c "echo 'a b'; . {0}""#), ["bash", "-c", "echo 'a b'; . {0}"]);
        assert_eq!(words(r#"x "" a"b c"d \"e"#), ["x", "", "ab cd", "\"e"]);
        assert_eq!(words(r#"x "open end"#), ["x", "open end"]);
    }
}
