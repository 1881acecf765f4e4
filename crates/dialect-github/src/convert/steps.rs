use std::collections::HashSet;

use sluice_plan::{Action, ActionReference, Background, RunScript, Step, StepCondition, UsesAction};

use super::Converter;
use super::value::{late_bool, late_number};
use crate::ids::{Ids, base_of_uses};
use crate::token::{Content, Token};

/// What the steps of one job have named so far.
#[derive(Default)]
struct Scope {
    ids: Ids,
    known: HashSet<String>,
}

impl Converter<'_> {
    pub(crate) fn steps(&mut self, token: &Token) -> Vec<Step> {
        let mut scope = Scope::default();
        let mut steps = self.listed_steps(token, &mut scope);
        // Ids that the file gives are taken first, wherever they stand.
        name_steps(&mut steps, &mut scope.ids);
        steps
    }

    fn listed_steps(&mut self, token: &Token, scope: &mut Scope) -> Vec<Step> {
        token.items().unwrap_or_default().iter().filter_map(|step| self.step(step, scope)).collect()
    }

    fn step(&mut self, token: &Token, scope: &mut Scope) -> Option<Step> {
        let id = token.get("id");
        if let Some(id) = id {
            self.take_id(id, scope);
        }
        let condition = self.condition(token.get("if"), self.step_if);
        let action = self.action(token, scope)?;
        let is_background = matches!(token.get("background").map(|t| &t.content), Some(Content::Bool(true)));
        Some(Step {
            id: id.map(Token::to_text).unwrap_or_default(),
            name: token.get("name").map(Token::to_template),
            at: self.at(token.span),
            condition: StepCondition::Expression(condition),
            env: token.get("env").map(|env| self.env(env)).unwrap_or_default(),
            continue_on_error: token.get("continue-on-error").and_then(late_bool),
            timeout_minutes: token.get("timeout-minutes").and_then(late_number),
            background: if is_background { Background::Joined } else { Background::No },
            action,
        })
    }

    fn take_id(&mut self, id: &Token, scope: &mut Scope) {
        match scope.ids.add(&id.to_text()) {
            Ok(()) => {
                scope.known.insert(id.to_text());
            }
            Err(message) => self.error("github/id", id.span, message),
        }
    }

    fn action(&mut self, token: &Token, scope: &mut Scope) -> Option<Action> {
        if let Some(script) = token.get("run") {
            return Some(Action::Run(RunScript {
                script: script.to_template(),
                shell: token.get("shell").map(Token::to_template),
                working_directory: token.get("working-directory").map(Token::to_template),
                no_output_timeout_s: None,
                reruns: None,
            }));
        }
        if let Some(uses) = token.get("uses") {
            let with = token.get("with").map(|with| self.named(with, "`with`")).unwrap_or_default();
            return Some(Action::Uses(UsesAction { action: self.reference(uses)?, with }));
        }
        if let Some(wait) = token.get("wait") {
            let targets = wait.items().unwrap_or(std::slice::from_ref(wait));
            targets.iter().for_each(|target| self.check_target(target, token, scope));
            return Some(Action::Wait { steps: targets.iter().map(Token::to_text).collect() });
        }
        if let Some(wait_all) = token.get("wait-all") {
            if matches!(wait_all.content, Content::Bool(false)) {
                let message = "The value of 'wait-all' must be true or omitted";
                self.error("github/step", wait_all.span, message);
            }
            return Some(Action::WaitAll);
        }
        if let Some(cancel) = token.get("cancel") {
            self.check_target(cancel, token, scope);
            return Some(Action::Cancel { steps: vec![cancel.to_text()] });
        }
        let parallel = token.get("parallel")?;
        Some(Action::Parallel { steps: self.listed_steps(parallel, scope) })
    }

    /// The id that a `wait` or a `cancel` names must be that of an earlier step.
    fn check_target(&mut self, target: &Token, step: &Token, scope: &Scope) {
        let name = target.to_text();
        let own = step.get("id").and_then(Token::as_text);
        if name.starts_with("__") {
            let message = format!("The identifier '{name}' is invalid. IDs starting with '__' are reserved.");
            self.error("github/id", target.span, message);
        } else if own.is_some_and(|own| own.eq_ignore_ascii_case(&name)) {
            self.error("github/step", target.span, format!("Step '{name}' cannot reference itself"));
        } else if !scope.known.contains(&name) {
            self.error("github/step", target.span, format!("Step references unknown step ID '{name}'"));
        }
    }

    fn reference(&mut self, uses: &Token) -> Option<ActionReference> {
        let text = uses.to_text();
        if let Some(image) = text.strip_prefix("docker://") {
            return Some(ActionReference::Docker { image: image.to_owned() });
        }
        if text.starts_with("./") || text.starts_with(".\\") {
            return Some(ActionReference::Local { path: text });
        }
        let parts: Vec<&str> = text.split('@').collect();
        if let [path, git_ref] = parts.as_slice()
            && !git_ref.is_empty()
        {
            let mut segments = path.split(['/', '\\']).filter(|segment| !segment.is_empty());
            if let (Some(owner), Some(name)) = (segments.next(), segments.next()) {
                return Some(ActionReference::Repository {
                    owner: owner.to_owned(),
                    name: name.to_owned(),
                    path: segments.collect::<Vec<_>>().join("/"),
                    git_ref: (*git_ref).to_owned(),
                });
            }
        }
        let message = format!("Expected format {{org}}/{{repo}}[/path]@ref. Actual '{text}'");
        self.error("github/uses", uses.span, message);
        None
    }
}

/// Gives every step without an id the one that GitHub makes up: `__run`, `__actions_checkout_2`.
fn name_steps(steps: &mut [Step], ids: &mut Ids) {
    for step in steps {
        if step.id.is_empty() {
            let base = match &step.action {
                Action::Uses(uses) => base_of_uses(&uses.action.to_string()),
                Action::Wait { .. } => "wait".to_owned(),
                Action::WaitAll => "wait-all".to_owned(),
                Action::Cancel { .. } => "cancel".to_owned(),
                Action::Parallel { .. } => "parallel".to_owned(),
                _ => "run".to_owned(),
            };
            step.id = ids.make(&base).unwrap_or_default();
        }
        if let Action::Parallel { steps } = &mut step.action {
            name_steps(steps, ids);
        }
    }
}
