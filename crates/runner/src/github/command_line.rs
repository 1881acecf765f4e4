use sluice_wire::Level;

use super::commands::Effect;

/// A line that may be a workflow command, taken apart.
pub(super) struct Command {
    pub name: String,
    properties: Vec<(String, String)>,
    pub message: String,
}

impl Command {
    /// `::name key=value,key=value::message`, after blanks; or the older `##[name key=value;]message` anywhere.
    pub fn parse(line: &str) -> Option<Self> {
        let start = line.trim_start();
        if let Some(after) = start.strip_prefix("::") {
            let (head, message) = after.split_once("::")?;
            return Self::of(
                head,
                message,
                ',',
                &[("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")],
            );
        }
        let (_, after) = line.split_once("##[")?;
        let (head, message) = after.split_once(']')?;
        Self::of(
            head,
            message,
            ';',
            &[("%3B", ";"), ("%0D", "\r"), ("%0A", "\n"), ("%5D", "]"), ("%25", "%")],
        )
    }

    fn of(head: &str, message: &str, separator: char, escapes: &[(&str, &str)]) -> Option<Self> {
        let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
        if name.is_empty() || name.contains(char::is_whitespace) {
            return None;
        }
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=')?;
            (!value.is_empty()).then(|| (key.trim().to_owned(), unescape(value, escapes)))
        };
        let properties = properties.split(separator).filter_map(pair).collect();
        let message_escapes = [("%0D", "\r"), ("%0A", "\n"), ("%25", "%")];
        let message = unescape(message, if separator == ',' { &message_escapes } else { escapes });
        Some(Self { name: name.to_owned(), properties, message })
    }

    /// Without regard to small and capital letters.
    pub fn property(&self, key: &str) -> Option<String> {
        let found = self.properties.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
        found.map(|(_, value)| value.clone())
    }

    /// What `error` and its like ask for.
    pub fn annotation(&self, level: Level) -> Effect {
        Effect::Annotate {
            level,
            message: self.message.clone(),
            file: self.property("file"),
            line: self.line(),
        }
    }

    /// The first line that is meant. An end before it makes both mean nothing.
    fn line(&self) -> Option<u32> {
        let number = |name: &str| self.property(name).and_then(|line| line.parse::<u32>().ok());
        match (number("line"), number("endLine")) {
            (Some(line), Some(end)) if end < line => None,
            (line, end) => line.or(end),
        }
    }
}

/// `%25` comes last, so that `%2525` is unescaped once.
fn unescape(text: &str, escapes: &[(&str, &str)]) -> String {
    escapes.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
