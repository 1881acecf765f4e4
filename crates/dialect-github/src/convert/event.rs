use super::{Converter, cron};
use crate::filter::Pattern;
use crate::token::{Content, Token};
use crate::trigger::{CallOutput, EventFilter, Input, InputKind, Patterns, Schedule, SecretInput};

impl Converter<'_> {
    pub(super) fn events(&mut self, on: &Token) -> Vec<EventFilter> {
        match &on.content {
            Content::Text(name) => vec![EventFilter::new(name, on.span)],
            Content::Sequence(items) => {
                let named = |item: &Token| Some(EventFilter::new(item.as_text()?, item.span));
                items.iter().filter_map(named).collect()
            }
            Content::Mapping(entries) => {
                entries.iter().filter_map(|(name, value)| self.event(name, value)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn event(&mut self, name: &Token, value: &Token) -> Option<EventFilter> {
        let mut event = EventFilter::new(name.as_text()?, name.span);
        match event.name.as_str() {
            "schedule" => event.schedules = self.schedules(value),
            "workflow_dispatch" => {
                event.inputs = value.get("inputs").map(|inputs| self.inputs(inputs)).unwrap_or_default();
                self.check_dispatch_keys(value);
            }
            "workflow_call" => {
                event.inputs = value.get("inputs").map(|inputs| self.inputs(inputs)).unwrap_or_default();
                event.secrets = value.get("secrets").map(secrets).unwrap_or_default();
                event.outputs = value.get("outputs").map(outputs).unwrap_or_default();
            }
            _ => {
                event.types = value.get("types").and_then(texts);
                event.branches = self.patterns(value, "branches", "branches-ignore");
                event.tags = self.patterns(value, "tags", "tags-ignore");
                event.paths = self.patterns(value, "paths", "paths-ignore");
                event.workflows = value.get("workflows").and_then(texts);
                event.names = value.get("names").and_then(texts);
                event.versions = value.get("versions").and_then(texts);
            }
        }
        Some(event)
    }

    /// GitHub ignores a key that it does not know here; a reader should still hear of it.
    fn check_dispatch_keys(&mut self, value: &Token) {
        for (key, _) in value.entries().unwrap_or_default() {
            if key.as_text() != Some("inputs") {
                let message =
                    format!("`{}` has no meaning in `workflow_dispatch` and is ignored", key.to_text());
                self.warning("github/ignored-key", key.span, message);
            }
        }
    }

    fn patterns(&mut self, event: &Token, include: &'static str, ignore: &'static str) -> Option<Patterns> {
        let given = |key| event.entry(key).filter(|(_, value)| !value.is_null());
        let (key, ignores, (_, value)) = match (given(include), given(ignore)) {
            (Some(_), Some((key, _))) => {
                let message =
                    format!("you may only define one of `{include}` and `{ignore}` for a single event");
                let help = format!("put what `{ignore}` names into `{include}`, each after a `!`");
                self.error_with_help("github/filter", key.span, message, &help);
                return None;
            }
            (Some(entry), None) => (include, false, entry),
            (None, Some(entry)) => (ignore, true, entry),
            (None, None) => {
                if let Some((key, _)) = event.entry(include).or_else(|| event.entry(ignore)) {
                    let message = format!("`{}` names no pattern and filters nothing", key.to_text());
                    let help = "name patterns, or remove the key";
                    self.warning_with_help("github/empty-filter", key.span, message, help);
                }
                return None;
            }
        };
        let tokens = value.items().unwrap_or(std::slice::from_ref(value));
        let mut patterns = Vec::with_capacity(tokens.len());
        for token in tokens {
            match Pattern::parse(&token.to_text()) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => {
                    let message =
                        format!("Invalid filter pattern '{}': {error}", shortened(&token.to_text()));
                    self.error("github/filter", token.span, message);
                }
            }
        }
        if !ignores && !patterns.is_empty() && patterns.iter().all(Pattern::is_negative) {
            let message = format!("`{key}` takes patterns out only, so that nothing is ever in");
            self.warning("github/filter", value.span, message);
        }
        Some(Patterns { key, ignores, patterns })
    }

    fn schedules(&mut self, value: &Token) -> Vec<Schedule> {
        let mut schedules = Vec::new();
        for item in value.items().unwrap_or_default() {
            let Some((_, cron)) = item.entry("cron") else { continue };
            let line = cron.to_text();
            if !cron::is_valid(&line) {
                let message =
                    "Invalid cron expression. Expected format: '* * * * *' (minute hour day month weekday)";
                self.error("github/cron", cron.span, message);
                continue;
            }
            if !cron::ever_runs(&line) {
                let message = format!("`{line}` never comes true: its months have no such day");
                self.warning("github/cron", cron.span, message);
            }
            let timezone = item.get("timezone");
            if let Some(zone) = timezone.filter(|zone| !is_zone_name(&zone.to_text())) {
                let message = format!("'{}' is no time zone", shortened(&zone.to_text()));
                let help = "use an IANA name such as `Europe/London`";
                self.error_with_help("github/cron", zone.span, message, help);
            }
            schedules.push(Schedule { cron: line, timezone: timezone.map(Token::to_text) });
        }
        schedules
    }

    fn inputs(&mut self, value: &Token) -> Vec<Input> {
        let mut inputs = Vec::new();
        for (name, spec) in value.entries().unwrap_or_default() {
            let kind = match spec.get("type").and_then(Token::as_text) {
                Some("boolean") => InputKind::Boolean,
                Some("number") => InputKind::Number,
                Some("choice") => InputKind::Choice,
                Some("environment") => InputKind::Environment,
                _ => InputKind::String,
            };
            let options = spec.get("options").and_then(texts);
            match (kind, &options) {
                (InputKind::Choice, None) => {
                    self.error("github/input", spec.span, "Missing 'options' for choice input");
                }
                (InputKind::Choice, Some(options)) if options.is_empty() => {
                    self.error("github/input", spec.span, "Missing 'options' for choice input");
                }
                (InputKind::Choice, Some(_)) | (_, None) => {}
                (_, Some(_)) => {
                    let message = "Input type is not 'choice', but 'options' is defined";
                    self.error("github/input", spec.span, message);
                }
            }
            inputs.push(Input {
                name: name.to_text(),
                span: name.span,
                kind,
                description: spec.get("description").map(Token::to_text),
                required: is_true(spec.get("required")),
                default: spec.get("default").map(Token::to_template),
                options: options.unwrap_or_default(),
            });
        }
        inputs
    }
}

fn secrets(value: &Token) -> Vec<SecretInput> {
    let secret = |(name, spec): &(Token, Token)| SecretInput {
        name: name.to_text(),
        required: is_true(spec.get("required")),
    };
    value.entries().unwrap_or_default().iter().map(secret).collect()
}

fn outputs(value: &Token) -> Vec<CallOutput> {
    let output = |(name, spec): &(Token, Token)| {
        Some(CallOutput { name: name.to_text(), value: spec.get("value")?.to_template() })
    };
    value.entries().unwrap_or_default().iter().filter_map(output).collect()
}

fn is_true(token: Option<&Token>) -> bool {
    matches!(token.map(|token| &token.content), Some(Content::Bool(true)))
}

/// One text or a list of them; None for nothing.
fn texts(token: &Token) -> Option<Vec<String>> {
    match &token.content {
        Content::Null => None,
        Content::Sequence(items) => Some(items.iter().map(Token::to_text).collect()),
        _ => Some(vec![token.to_text()]),
    }
}

/// The form of an IANA name. Whether the zone exists is for whoever has the database.
fn is_zone_name(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'))
    };
    name.len() <= 64 && name.split('/').count() <= 3 && name.split('/').all(is_part)
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}
