use super::LogLine;

/// What a line is to its reader. The letter is what the script calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// Begins a group that folds.
    Group,
    /// Ends it; not shown.
    EndGroup,
    Error,
    Warning,
    Notice,
    Debug,
    /// A command that a step runs.
    Command,
    /// The runner's own words.
    Runner,
}

impl Kind {
    pub(super) fn letter(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Group => "g",
            Self::EndGroup => "x",
            Self::Error => "e",
            Self::Warning => "w",
            Self::Notice => "n",
            Self::Debug => "d",
            Self::Command => "c",
            Self::Runner => "r",
        }
    }

    /// Said before the text, so that the colour is not alone.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Error => "Error: ",
            Self::Warning => "Warning: ",
            Self::Notice => "Notice: ",
            Self::Debug => "Debug: ",
            Self::Command => "$ ",
            Self::Plain | Self::Group | Self::EndGroup | Self::Runner => "",
        }
    }
}

/// The workflow commands that shape a log, in the spelling of a step (`::group::`) and of a stored log (`##[group]`).
const COMMANDS: &[(&str, Kind)] = &[
    ("group", Kind::Group),
    ("endgroup", Kind::EndGroup),
    ("error", Kind::Error),
    ("warning", Kind::Warning),
    ("notice", Kind::Notice),
    ("debug", Kind::Debug),
    ("command", Kind::Command),
];

/// The line's kind, and its text without the command.
pub(super) fn read(line: &LogLine) -> (Kind, String) {
    if let Some(rest) = line.text.strip_prefix("##[")
        && let Some((name, text)) = rest.split_once(']')
        && let Some(kind) = kind_of(name)
    {
        return (kind, text.to_owned());
    }
    if let Some(rest) = line.text.strip_prefix("::")
        && let Some((command, text)) = rest.split_once("::")
    {
        let (name, properties) = command.split_once(' ').unwrap_or((command, ""));
        if let Some(kind) = kind_of(name) {
            return (kind, format!("{}{}", place(properties), unescaped(text)));
        }
    }
    if let Some(text) = line.text.strip_prefix("[command]") {
        return (Kind::Command, text.to_owned());
    }
    let kind = if line.stream == super::LogStream::Runner { Kind::Runner } else { Kind::Plain };
    (kind, line.text.clone())
}

fn kind_of(name: &str) -> Option<Kind> {
    COMMANDS.iter().find(|(command, _)| command.eq_ignore_ascii_case(name)).map(|&(_, kind)| kind)
}

/// `file=src/main.rs,line=3` as `src/main.rs:3: `.
fn place(properties: &str) -> String {
    let value = |name: &str| {
        properties
            .split(',')
            .find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
            .map(unescaped)
    };
    match (value("file"), value("line")) {
        (Some(file), Some(line)) => format!("{file}:{line}: "),
        (Some(file), None) => format!("{file}: "),
        _ => String::new(),
    }
}

/// The escapes of a workflow command's text. A newline becomes a space: the line stays one line.
fn unescaped(text: &str) -> String {
    text.replace("%0D", "").replace("%0A", " ").replace("%3A", ":").replace("%2C", ",").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use sluice_model::Timestamp;

    use super::super::LogStream;
    use super::*;

    #[test]
    fn a_line_is_read_once() {
        for (text, kind, rest) in [
            ("hello", Kind::Plain, "hello"),
            ("::group::Install", Kind::Group, "Install"),
            ("##[endgroup]", Kind::EndGroup, ""),
            ("::error file=a.rs,line=3::100%25 wrong%0Areally", Kind::Error, "a.rs:3: 100% wrong really"),
            ("::set-output name=x::y", Kind::Plain, "::set-output name=x::y"),
            ("[command]/usr/bin/git fetch", Kind::Command, "/usr/bin/git fetch"),
            ("::", Kind::Plain, "::"),
            ("##[", Kind::Plain, "##["),
        ] {
            let line =
                LogLine { step: 1, stream: LogStream::Stdout, at: Timestamp(0), text: text.to_owned() };
            assert_eq!(read(&line), (kind, rest.to_owned()), "{text}");
        }
    }
}
