//! The steps of a job: built-in ones stay, calls of commands become the commands' steps.

use sluice_source::{Diagnostic, Entry, Kind, Node, Style, did_you_mean_text};

use crate::expander::{Expander, MOST_STEPS};
use crate::parameter::Call;
use crate::scope::{Element, ScopeId};
use crate::substitute::{Argument, Names};
use crate::template::{Part, parse};

/// CircleCI configuration reference, "steps". `deploy` is deprecated and means `run`.
pub(crate) const BUILT_IN: [&str; 11] = [
    "run",
    "checkout",
    "setup_remote_docker",
    "save_cache",
    "restore_cache",
    "deploy",
    "store_artifacts",
    "store_test_results",
    "persist_to_workspace",
    "attach_workspace",
    "add_ssh_keys",
];

/// Commands that call commands, at most this deep.
const DEEPEST_CALL: usize = 50;

impl Expander<'_> {
    /// Appends the steps that a list of steps comes to.
    pub(crate) fn expand_steps(
        &mut self,
        steps: &Node,
        names: &Names<'_>,
        into: &mut Vec<Node>,
    ) -> Option<()> {
        if let Some(argument) = self.whole_argument(steps, names) {
            return match argument? {
                Argument::Steps(steps) => self.splice(steps, into),
                Argument::Value(value) if value.items().is_some_and(<[Node]>::is_empty) => Some(()),
                _ => {
                    let message = "`steps` takes a parameter of type `steps`";
                    self.report.error("steps", steps.place(), message);
                    None
                }
            };
        }
        let Some(items) = steps.items() else {
            if steps.is_null() {
                return Some(());
            }
            let message = format!("`steps` is a list, and this is {}", steps.describe());
            self.report.error("steps", steps.place(), message);
            return None;
        };
        let mut is_good = true;
        for item in items {
            if self.is_exhausted() {
                return None;
            }
            is_good &= self.expand_step(item, names, into).is_some();
        }
        is_good.then_some(())
    }

    fn splice(&mut self, steps: Vec<Node>, into: &mut Vec<Node>) -> Option<()> {
        for step in steps {
            self.emit(step, into)?;
        }
        Some(())
    }

    fn emit(&mut self, step: Node, into: &mut Vec<Node>) -> Option<()> {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            let message = format!("the jobs of this config have more than {MOST_STEPS} steps");
            self.report.error("too-large", step.place(), message);
            return None;
        }
        into.push(step);
        Some(())
    }

    fn expand_step(&mut self, step: &Node, names: &Names<'_>, into: &mut Vec<Node>) -> Option<()> {
        match &step.kind {
            Kind::Scalar(_) => {
                let named = self.substitute(step, names)?;
                let name = named.text().unwrap_or_default().to_owned();
                self.expand_named(&name, &named, None, names, into)
            }
            Kind::Mapping(entries) => {
                let entries = entries.clone();
                match entries.as_slice() {
                    [entry] => self.expand_entry(entry, names, into),
                    _ => {
                        self.refuse_many_keys(step, &entries);
                        None
                    }
                }
            }
            Kind::Sequence(_) => {
                let error = self
                    .report
                    .new_error(
                        "steps",
                        step.place(),
                        "a step is a name or a map with one key, and this is a list",
                    )
                    .with_help("remove one `-`");
                self.report.push(error);
                None
            }
        }
    }

    fn refuse_many_keys(&mut self, step: &Node, entries: &[Entry]) {
        let keys: Vec<&str> = entries.iter().filter_map(|entry| entry.key.text()).collect();
        let message = format!("a step is a map with one key, and this one has `{}`", keys.join("`, `"));
        let mut error = self.report.new_error("steps", step.place(), message);
        if entries.first().is_some_and(|first| first.value.is_null()) && entries.len() > 1 {
            error.help.push(format!("indent what belongs to `{}` below it", keys.first().unwrap_or(&"")));
        }
        self.report.push(error);
    }

    fn expand_entry(&mut self, entry: &Entry, names: &Names<'_>, into: &mut Vec<Node>) -> Option<()> {
        let key = self.substitute(&entry.key, names)?;
        let Some(name) = key.text().map(str::to_owned) else {
            self.report.error("steps", key.place(), "a step's key is its name");
            return None;
        };
        let is_condition = matches!(name.as_str(), "when" | "unless") && self.is_reusable;
        if is_condition {
            return self.expand_condition(&name, &entry.value, names, into);
        }
        if name == "steps" && self.is_reusable {
            return self.expand_steps(&entry.value, names, into);
        }
        self.expand_named(&name, &key, Some(&entry.value), names, into)
    }

    fn expand_condition(
        &mut self,
        name: &str,
        body: &Node,
        names: &Names<'_>,
        into: &mut Vec<Node>,
    ) -> Option<()> {
        let (Some(condition), Some(steps)) = (body.get("condition"), body.get("steps")) else {
            let message = format!("a `{name}` step is a map with `condition` and `steps`");
            self.report.error("steps", body.place(), message);
            return None;
        };
        let condition = self.substitute(condition, names)?;
        if self.holds(&condition)? == (name == "when") {
            self.expand_steps(steps, names, into)
        } else {
            Some(())
        }
    }

    /// A command, or else a built-in step: a command may bear a built-in step's name, and means that step within itself.
    fn expand_named(
        &mut self,
        name: &str,
        key: &Node,
        value: Option<&Node>,
        names: &Names<'_>,
        into: &mut Vec<Node>,
    ) -> Option<()> {
        let is_built_in = BUILT_IN.contains(&name);
        let is_inside_itself = is_built_in && self.calls.contains(&call_key(names.scope, name));
        if is_built_in && (is_inside_itself || !self.scopes.has_command(names.scope, name)) {
            let step = self.built_in(name, key, value, names)?;
            return self.emit(step, into);
        }
        match self.find(names.scope, Element::Command, name, key.place()) {
            Some((definition, scope)) => {
                self.call_command(name, key, value, &definition.value, scope, names, into)
            }
            None => {
                // What the arguments hold is still checked.
                value.and_then(|value| self.substitute(value, names));
                None
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one call site, and each is a different thing")]
    fn call_command(
        &mut self,
        name: &str,
        key: &Node,
        value: Option<&Node>,
        definition: &Node,
        scope: ScopeId,
        names: &Names<'_>,
        into: &mut Vec<Node>,
    ) -> Option<()> {
        let local_name = name.rsplit('/').next().unwrap_or(name);
        let call_key = call_key(scope, local_name);
        if self.calls.contains(&call_key) || self.calls.len() >= DEEPEST_CALL {
            let chain: Vec<&str> = self
                .calls
                .iter()
                .chain([&call_key])
                .filter_map(|call| call.split_once(' '))
                .map(|(_, n)| n)
                .collect();
            let message = format!("the command `{name}` calls itself: {}", chain.join(" → "));
            self.report.error("recursive-command", key.place(), message);
            return None;
        }
        // A command may be no more than the name of another one.
        if let Some(other) = definition.text().filter(|_| !definition.is_null()) {
            let (other, callee) = (other.to_owned(), Names { scope, ..*names });
            self.calls.push(call_key);
            let done = self.expand_named(&other, key, value, &callee, into);
            self.calls.pop();
            return done;
        }
        let arguments = match value.map(|value| &value.kind) {
            Some(Kind::Mapping(entries)) => entries.clone(),
            _ if value.is_none_or(Node::is_null) => Default::default(),
            _ => {
                let value = value.unwrap_or(key);
                let message =
                    format!("the arguments of `{name}` are a map, and this is {}", value.describe());
                self.report.error("wrong-type", value.place(), message);
                return None;
            }
        };
        let call = Call {
            element: Element::Command,
            name,
            definition,
            scope,
            arguments: &arguments,
            place: key.place(),
        };
        let bound = self.bind(&call, names)?;
        let Some(steps) = definition.get("steps") else {
            self.report.error("steps", definition.place(), format!("the command `{name}` has no `steps`"));
            return None;
        };
        self.calls.push(call_key);
        let inside = Names { scope, parameters: Some(&bound), matrix: None };
        let done = self.expand_steps(steps, &inside, into);
        self.calls.pop();
        done
    }

    fn built_in(&mut self, name: &str, key: &Node, value: Option<&Node>, names: &Names<'_>) -> Option<Node> {
        let Some(value) = value else {
            if matches!(name, "checkout" | "setup_remote_docker" | "add_ssh_keys") {
                return Some(key.clone());
            }
            self.report.error(
                "steps",
                key.place(),
                format!("the step `{name}` needs a map of what it is to do"),
            );
            return None;
        };
        if matches!(name, "run" | "deploy") {
            self.warn_untrusted(value);
        }
        let mut value = self.substitute(value, names)?;
        if matches!(name, "run" | "deploy") {
            value = self.run_body(name, key, value)?;
        }
        Some(Node::mapping(vec![Entry { key: key.clone(), value }], key.span))
    }

    /// `run: make` is `run: {command: make}`.
    fn run_body(&mut self, name: &str, key: &Node, value: Node) -> Option<Node> {
        match &value.kind {
            Kind::Scalar(_) if !value.is_null() => {
                let command = Node::scalar("command", Style::Plain, value.span);
                let span = value.span;
                Some(Node::mapping(vec![Entry { key: command, value }], span))
            }
            Kind::Mapping(entries)
                if value.get("command").is_some_and(|command| command.as_scalar().is_some()) =>
            {
                self.warn_run_keys(name, entries);
                Some(value)
            }
            _ => {
                let error = self
                    .report
                    .new_error(
                        "run",
                        key.place(),
                        format!("a `{name}` step is a command, or a map with `command`"),
                    )
                    .with_help("indent `command` below `run`");
                self.report.push(error);
                None
            }
        }
    }

    /// Text that a stranger chose, put into a shell's program.
    fn warn_untrusted(&mut self, body: &Node) {
        let Some(command) = body.get("command").or(Some(body)).filter(|_| self.is_reusable) else { return };
        for part in command.text().and_then(|text| parse(text).ok()).unwrap_or_default() {
            let Part::Value(name) = part else { continue };
            let Some((_, instead)) = UNTRUSTED.iter().find(|(untrusted, _)| is_named(&name, untrusted))
            else {
                continue;
            };
            let message = format!(
                "`<< {name} >>` becomes part of this command, and whoever names it can run commands here"
            );
            let location = self.report.location(command.place());
            let warning =
                Diagnostic::warning("circleci/untrusted-in-run", location, command.place().length(), message);
            self.report.push(warning.with_help(*instead));
        }
    }

    fn warn_run_keys(&mut self, name: &str, entries: &[Entry]) {
        for entry in entries {
            let key = entry.key.text().unwrap_or_default();
            if !RUN_KEYS.contains(&key) {
                let near =
                    did_you_mean_text(key, RUN_KEYS).map(|near| format!("; {near}")).unwrap_or_default();
                let message = format!("`{key}` is no key of `{name}`, and does nothing{near}");
                self.report.warn("unknown-key", entry.key.place(), message);
            }
        }
    }
}

/// CircleCI configuration reference, "run".
const RUN_KEYS: [&str; 10] = [
    "command",
    "name",
    "shell",
    "environment",
    "background",
    "working_directory",
    "no_output_timeout",
    "when",
    "max_auto_reruns",
    "auto_rerun_delay",
];

/// Pipeline values that a stranger can choose, by their names (a final dot: all below), and what to do about each.
const UNTRUSTED: [(&str, &str); 5] = [
    ("pipeline.git.branch", "write \"$CIRCLE_BRANCH\" in its place"),
    ("pipeline.git.tag", "write \"$CIRCLE_TAG\" in its place"),
    ("pipeline.event.github.pull_request.title", PASS_BY_ENVIRONMENT),
    ("pipeline.event.github.pull_request.head.ref", PASS_BY_ENVIRONMENT),
    ("pipeline.trigger_parameters.", PASS_BY_ENVIRONMENT),
];

const PASS_BY_ENVIRONMENT: &str =
    "give it to a variable under `environment` of the step, and write \"$VARIABLE\" here";

/// A command by the scope that it is defined in, for the list of calls.
fn call_key(scope: ScopeId, name: &str) -> String {
    format!("{scope:?} {name}")
}

/// A whole name, or the beginning of one where it ends with a dot.
fn is_named(name: &str, untrusted: &str) -> bool {
    name == untrusted || (untrusted.ends_with('.') && name.starts_with(untrusted))
}
