use sluice_plan::Executor;

use crate::place::Place;
use crate::session::SessionError;

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

    /// GitHub's default: `bash` where there is one, and `sh` in a container that the job asks for.
    ///
    /// (GitHub, "Workflow syntax", `jobs.<job_id>.steps[*].shell` and `jobs.<job_id>.container`.)
    pub async fn default_of(place: &Place, executor: &Executor) -> Result<Self, SessionError> {
        let asks_for_container = matches!(executor, Executor::Labels { container: Some(_), .. });
        let has_bash = !asks_for_container && place.find_program("bash").await?.is_some();
        Ok(Self::new(if has_bash { "bash -e {0}" } else { "sh -e {0}" }, "sh"))
    }

    /// `shell:` as it is written.
    pub fn of(shell: &str) -> Result<Self, String> {
        match shell.trim() {
            "bash" => Ok(Self::new("bash --noprofile --norc -e -o pipefail {0}", "sh")),
            "sh" => Ok(Self::new("sh -e {0}", "sh")),
            "python" => Ok(Self::new("python {0}", "py")),
            "pwsh" => Ok(Self::custom("pwsh -command \". '{0}'\"")),
            "cmd" | "powershell" => Err(format!("the shell `{shell}` is of Windows, and this is none")),
            custom if custom.contains("{0}") => Ok(Self::custom(custom)),
            other => Err(format!(
                "Invalid shell option. Shell must be a valid built-in (bash, sh, python, pwsh) or a format string containing \
                 '{{0}}', and this is `{other}`"
            )),
        }
    }

    /// A command of the author's own. What its script is called, and what is put around it, follows from its first word
    /// (actions/runner, `ScriptHandlerHelpers.cs`).
    fn custom(command: &str) -> Self {
        let program = command.split(' ').next().unwrap_or_default();
        let shell = Self::new(
            command,
            match program.to_ascii_lowercase().as_str() {
                "bash" | "sh" => "sh",
                "python" => "py",
                "pwsh" | "powershell" => "ps1",
                "cmd" => "cmd",
                _ => "",
            },
        );
        match program {
            "pwsh" | "powershell" => Self {
                before: "$ErrorActionPreference = 'stop'\n",
                after: "\nif ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }",
                ..shell
            },
            _ => shell,
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
    use super::{Shell, words};

    #[test]
    fn a_command_of_the_authors_own_has_the_extension_of_its_program() {
        for (shell, extension) in [
            ("bash -l {0}", "sh"),
            ("pwsh -NoProfile -File {0}", "ps1"),
            ("python -u {0}", "py"),
            ("perl {0}", ""),
        ] {
            assert_eq!(Shell::of(shell).unwrap().extension, extension, "{shell}");
        }
        assert!(Shell::of("pwsh -File {0}").unwrap().content("x").contains("LASTEXITCODE"));
        assert_eq!(Shell::of("pwsh").unwrap().argv("a"), ["pwsh", "-command", ". 'a'"]);
        assert!(Shell::of("zsh").unwrap_err().contains("Invalid shell option"));
    }

    #[test]
    fn words_in_double_quotes_stay_together() {
        assert_eq!(words("perl  {0}"), ["perl", "{0}"]);
        assert_eq!(words(r#"bash -c "echo 'a b'; . {0}""#), ["bash", "-c", "echo 'a b'; . {0}"]);
        assert_eq!(words(r#"x "" a"b c"d \"e"#), ["x", "", "ab cd", "\"e"]);
        assert_eq!(words(r#"x "open end"#), ["x", "open end"]);
    }
}
