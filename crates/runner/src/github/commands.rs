use sluice_wire::Level;

use super::command_line::Command;
use super::file_commands::may_be_set;
use crate::log::LineVerdict;

/// What a step's commands on standard output ask for (GitHub, "Workflow commands").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    Mask(String),
    Annotate {
        level: Level,
        message: String,
        file: Option<String>,
        line: Option<u32>,
    },
    Output {
        name: String,
        value: String,
    },
    State {
        name: String,
        value: String,
    },
    /// Only with ACTIONS_ALLOW_UNSECURE_COMMANDS.
    Env {
        name: String,
        value: String,
    },
    /// The same.
    Path(String),
    /// Registers the problem matchers of a file.
    AddMatchers {
        file: String,
    },
    RemoveMatchers(Matchers),
    /// The command is not obeyed, which fails the step.
    Refuse {
        problem: String,
    },
}

/// Which problem matchers are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matchers {
    Of(String),
    InFile(String),
}

/// Reads the commands of one step.
#[derive(Debug, Default)]
pub struct Commands {
    /// `::stop-commands::TOKEN` was seen, and `::TOKEN::` not yet.
    stopped_by: Option<String>,
    /// `::debug::` lines are shown: the secret or variable ACTIONS_STEP_DEBUG is true.
    shows_debug: bool,
    /// `::echo::on` was seen: what is hidden otherwise is shown.
    echoes: bool,
    allowed: Allowed,
}

/// What a step's author allows, by variables of these names.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowed {
    /// ACTIONS_ALLOW_UNSECURE_COMMANDS: `set-env` and `add-path` are obeyed.
    pub unsecure_commands: bool,
    /// ACTIONS_ALLOW_UNSECURE_STOPCOMMAND_TOKENS: `stop-commands` takes any token.
    pub unsecure_tokens: bool,
}

/// What GitHub's runner knows as commands; none of them may be the token that ends `stop-commands`.
const COMMANDS: [&str; 16] = [
    "add-mask",
    "add-matcher",
    "add-path",
    "debug",
    "echo",
    "endgroup",
    "error",
    "group",
    "internal-set-repo-path",
    "notice",
    "remove-matcher",
    "save-state",
    "set-env",
    "set-output",
    "stop-commands",
    "warning",
];
/// A token that is longer is a secret.
const LONGEST_PLAIN_TOKEN: usize = 6;

impl Commands {
    /// Who asks for debug lines sees all commands.
    pub fn new(shows_debug: bool, allowed: Allowed) -> Self {
        Self { shows_debug, echoes: shows_debug, allowed, ..Self::default() }
    }

    /// What to show of a line that is a command, and what it asks for. None: the line is none.
    pub fn judge(&mut self, line: &str) -> Option<(LineVerdict, Option<Effect>)> {
        let command = Command::parse(line)?;
        if let Some(token) = &self.stopped_by {
            if !command.name.eq_ignore_ascii_case(token) {
                return None;
            }
            self.stopped_by = None;
            return Some((LineVerdict::Show, None));
        }
        let shown = |prefix: &str| LineVerdict::ShowAs(format!("{prefix}{}", command.message));
        let refuse = |reason: &str| {
            let problem = format!("Unable to process command '{}' successfully. {reason}", line.trim());
            (LineVerdict::ShowAs(format!("##[error]{problem}")), Some(Effect::Refuse { problem }))
        };
        let echoed =
            |text: String| LineVerdict::ShowAs(if self.echoes { format!("{line}\n{text}") } else { text });
        let echo = shown_or_hidden(if self.echoes { line } else { "" });
        let warn = |reason: &str| (LineVerdict::ShowAs(format!("##[warning]{reason}")), None);
        Some(match command.name.to_ascii_lowercase().as_str() {
            "add-mask" if command.message.trim().is_empty() => {
                warn("Can't add secret mask for empty string in ##[add-mask] command.")
            }
            "add-mask" => {
                let shown = if self.echoes { "::add-mask::***" } else { "" };
                (shown_or_hidden(shown), Some(Effect::Mask(command.message)))
            }
            "group" => (echoed(format!("##[group]{}", command.message)), None),
            "endgroup" => (echoed("##[endgroup]".to_owned()), None),
            "error" => (shown("##[error]"), Some(command.annotation(Level::Error))),
            "warning" => (shown("##[warning]"), Some(command.annotation(Level::Warning))),
            "notice" => (shown("##[notice]"), Some(command.annotation(Level::Notice))),
            "debug" if self.shows_debug => (shown("##[debug]"), None),
            "debug" => (LineVerdict::Hide, None),
            "echo" => {
                let is_on = command.message.trim();
                if !["on", "off"].iter().any(|word| is_on.eq_ignore_ascii_case(word)) {
                    return Some(refuse(&format!(
                        "Invalid echo command value. Possible values can be: 'on', 'off'. Current value is: '{}'.",
                        command.message
                    )));
                }
                let echo = if self.echoes { line } else { "" };
                self.echoes = is_on.eq_ignore_ascii_case("on");
                (shown_or_hidden(echo), None)
            }
            "stop-commands" if !self.may_stop(&command.message) => {
                let problem = "You cannot use a endToken that is an empty string, the string 'pause-logging', or another \
                               workflow command. ACTIONS_ALLOW_UNSECURE_STOPCOMMAND_TOKENS: true in `env` allows it"
                    .to_owned();
                (LineVerdict::ShowAs(format!("##[error]{problem}")), Some(Effect::Refuse { problem }))
            }
            "stop-commands" => {
                let token = command.message;
                self.stopped_by = Some(token.clone());
                let is_secret = token.chars().count() > LONGEST_PLAIN_TOKEN;
                (LineVerdict::Show, is_secret.then_some(Effect::Mask(token)))
            }
            // Deprecated by GitHub, and still obeyed.
            "set-output" => match command.property("name") {
                Some(name) => (echo, Some(Effect::Output { name, value: command.message })),
                None => refuse("Required field 'name' is missing in ##[set-output] command."),
            },
            "save-state" => match command.property("name") {
                Some(name) => (echo, Some(Effect::State { name, value: command.message })),
                None => refuse("Required field 'name' is missing in ##[save-state] command."),
            },
            "set-env" if self.allowed.unsecure_commands => match command.property("name") {
                // It is said, and the step goes on.
                Some(name) if !may_be_set(&name) => {
                    let message =
                        format!("Can't update {name} environment variable using ::set-env:: command.");
                    let shown = LineVerdict::ShowAs(format!("##[error]{message}"));
                    (shown, Some(Effect::Annotate { level: Level::Error, message, file: None, line: None }))
                }
                Some(name) => (echo, Some(Effect::Env { name, value: command.message })),
                None => refuse("Required field 'name' is missing in ##[set-env] command."),
            },
            "add-path" if self.allowed.unsecure_commands => match command.message.is_empty() {
                false => (echo, Some(Effect::Path(command.message))),
                true => refuse("path cannot be empty."),
            },
            name @ ("set-env" | "add-path") => {
                let file = if name == "set-env" { "GITHUB_ENV" } else { "GITHUB_PATH" };
                refuse(&format!(
                    "The `{name}` command is disabled, for any output could hold it; write to the file in ${file} \
                     (ACTIONS_ALLOW_UNSECURE_COMMANDS: true in `env` allows it)"
                ))
            }
            "add-matcher" if command.message.is_empty() => warn("File path must be specified."),
            "add-matcher" => (echo, Some(Effect::AddMatchers { file: command.message })),
            "remove-matcher" => match (command.property("owner"), command.message) {
                (Some(_), file) if !file.is_empty() => warn(
                    "Either specify an owner name or a file path in ##[remove-matcher] command. Both values cannot be set.",
                ),
                (Some(owner), _) => (echo, Some(Effect::RemoveMatchers(Matchers::Of(owner)))),
                (None, file) if file.is_empty() => warn(
                    "Either an owner name or a file path must be specified in ##[remove-matcher] command.",
                ),
                (None, file) => (echo, Some(Effect::RemoveMatchers(Matchers::InFile(file)))),
            },
            _ => return None,
        })
    }

    fn may_stop(&self, token: &str) -> bool {
        let is_free = !token.is_empty()
            && !token.eq_ignore_ascii_case("pause-logging")
            && !COMMANDS.iter().any(|command| command.eq_ignore_ascii_case(token));
        is_free || self.allowed.unsecure_tokens
    }
}

fn shown_or_hidden(text: &str) -> LineVerdict {
    if text.is_empty() { LineVerdict::Hide } else { LineVerdict::ShowAs(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(commands: &mut Commands, line: &str) -> String {
        match commands.judge(line).map(|(verdict, _)| verdict) {
            None | Some(LineVerdict::Show) => line.to_owned(),
            Some(LineVerdict::ShowAs(text)) => text,
            Some(LineVerdict::Hide) => String::new(),
        }
    }

    fn effect(line: &str) -> Option<Effect> {
        Commands::default().judge(line)?.1
    }

    #[test]
    fn commands_are_read() {
        assert_eq!(effect("  ::add-mask::s3cret"), Some(Effect::Mask("s3cret".to_owned())));
        assert_eq!(
            effect("::error file=src/a.rs,line=7,title=x::two%0Alines 100%25"),
            Some(Effect::Annotate {
                level: Level::Error,
                message: "two\nlines 100%".to_owned(),
                file: Some("src/a.rs".to_owned()),
                line: Some(7)
            })
        );
        let output = Effect::Output { name: "a".to_owned(), value: "b".to_owned() };
        assert_eq!(effect("::set-output name=a::b"), Some(output));
        assert_eq!(effect("a ::error::no command"), None);
        assert_eq!(effect("::unknown::x"), None);
        assert_eq!(shown(&mut Commands::default(), "::group::Build"), "##[group]Build");
        assert_eq!(shown(&mut Commands::default(), "::debug::x"), "");
        assert_eq!(shown(&mut Commands::new(true, Allowed::default()), "::debug::x"), "##[debug]x");
    }

    #[test]
    fn commands_are_shown_while_echo_is_on() {
        let mut commands = Commands::default();
        for (line, want) in [
            ("::add-mask::s3cret", ""),
            ("::set-output name=a::b", ""),
            ("::echo::ON", ""),
            ("::set-output name=a::b", "::set-output name=a::b"),
            ("::add-mask::s3cret", "::add-mask::***"),
            ("::echo::off", "::echo::off"),
            ("::set-output name=a::b", ""),
        ] {
            assert_eq!(shown(&mut commands, line), want, "{line}");
        }
        assert!(matches!(effect("::echo::perhaps"), Some(Effect::Refuse { .. })));
    }

    #[test]
    fn environment_by_standard_output_is_refused() {
        for line in ["::set-env name=A::b", "::add-path::/x", "##[set-env name=A;]b"] {
            let shown = shown(&mut Commands::default(), line);
            assert!(shown.starts_with("##[error]") && shown.contains("GITHUB_"), "{shown}");
            assert!(matches!(effect(line), Some(Effect::Refuse { .. })), "{line}");
        }
    }

    #[test]
    fn environment_by_standard_output_is_taken_where_it_is_allowed() {
        let allows = Allowed { unsecure_commands: true, ..Default::default() };
        let allowed = |line: &str| Commands::new(false, allows).judge(line).and_then(|(_, effect)| effect);
        let env = Effect::Env { name: "A".to_owned(), value: "b".to_owned() };
        assert_eq!(allowed("::set-env name=A::b"), Some(env));
        assert_eq!(allowed("::add-path::/x"), Some(Effect::Path("/x".to_owned())));
        assert!(matches!(allowed("::set-env name=NODE_OPTIONS::b"), Some(Effect::Annotate { .. })));
        for line in ["::set-env::b", "::add-path::"] {
            assert!(matches!(allowed(line), Some(Effect::Refuse { .. })), "{line}");
        }
    }

    #[test]
    fn problem_matchers_are_added_by_file_and_removed_by_file_or_owner() {
        let add = Effect::AddMatchers { file: "a.json".to_owned() };
        assert_eq!(effect("::add-matcher::a.json"), Some(add.clone()));
        assert_eq!(effect("##[add-matcher]a.json"), Some(add));
        let by_owner = Effect::RemoveMatchers(Matchers::Of("tsc".to_owned()));
        assert_eq!(effect("::remove-matcher owner=tsc::"), Some(by_owner));
        let by_file = Effect::RemoveMatchers(Matchers::InFile("a.json".to_owned()));
        assert_eq!(effect("::remove-matcher::a.json"), Some(by_file));
        for line in ["::add-matcher::", "::remove-matcher::", "::remove-matcher owner=tsc::a.json"] {
            assert_eq!(effect(line), None);
            assert!(shown(&mut Commands::default(), line).starts_with("##[warning]"), "{line}");
        }
    }

    #[test]
    fn the_token_that_ends_a_stop_is_no_command_and_a_secret_where_it_is_long() {
        for token in ["", "pause-logging", "Warning", "stop-commands"] {
            let effect = effect(&format!("::stop-commands::{token}"));
            assert!(matches!(effect, Some(Effect::Refuse { .. })), "{token}");
        }
        let allows = Allowed { unsecure_tokens: true, ..Default::default() };
        let allowed = Commands::new(false, allows).judge("::stop-commands::warning");
        assert!(matches!(allowed, Some((LineVerdict::Show, Some(Effect::Mask(_))))));
        assert_eq!(effect("::stop-commands::123456"), None);
        assert_eq!(effect("::stop-commands::1234567"), Some(Effect::Mask("1234567".to_owned())));
    }

    #[test]
    fn an_annotation_is_of_its_first_line() {
        for (properties, line) in [
            ("line=3,endLine=4", Some(3)),
            ("endLine=4", Some(4)),
            ("line=4,endLine=3", None),
            ("col=1", None),
        ] {
            let Some(Effect::Annotate { line: told, .. }) =
                effect(&format!("::error file=a,{properties}::x"))
            else {
                panic!("{properties}")
            };
            assert_eq!(told, line, "{properties}");
        }
    }

    #[test]
    fn commands_can_be_stopped_for_a_while() {
        let mut commands = Commands::default();
        for (line, want) in [
            ("::stop-commands::tok", "::stop-commands::tok"),
            ("::warning::x", "::warning::x"),
            ("::tok::", "::tok::"),
            ("::warning::x", "##[warning]x"),
        ] {
            assert_eq!(shown(&mut commands, line), want);
        }
    }
}
