use sluice_model::Event;
use sluice_plan::{Dialect, Plan};

use crate::{NotRun, Selection};

/// GitHub, "Skipping workflow runs": anywhere in the message.
const GITHUB: [&str; 5] = ["[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]"];
/// GitHub, the same: a trailer, with or without a space.
const GITHUB_TRAILER: &str = "skip-checks:true";
/// CircleCI, "Skip and cancel jobs and workflows": within the first 250 characters.
const CIRCLECI: [&str; 2] = ["[skip ci]", "[ci skip]"];
const CIRCLECI_READS: usize = 250;

impl Selection {
    /// Leaves out what the message of the pushed commit asks to skip, as each service does.
    pub fn skip_as_asked(&mut self, event: Event, message: &str) {
        let (skipped, plans) = std::mem::take(&mut self.plans)
            .into_iter()
            .map(|plan| (word(plan.dialect, event, message), plan))
            .partition::<Vec<_>, _>(|(word, _)| word.is_some());
        self.plans = plans.into_iter().map(|(_, plan)| plan).collect();
        self.not_run.extend(skipped.into_iter().filter_map(|(word, plan)| Some(not_run(plan, word?))));
    }
}

fn not_run(plan: Plan, word: &str) -> NotRun {
    let reason = format!("the commit's message says `{word}`");
    NotRun { file: plan.file, workflow: plan.workflow, job: None, reason }
}

/// The word by which a message asks that nothing of a dialect runs for an event.
fn word(dialect: Dialect, event: Event, message: &str) -> Option<&'static str> {
    let lower = message.to_lowercase();
    match (dialect, event) {
        (Dialect::Github, Event::Push | Event::PullRequest) => {
            let is_trailer = |line: &str| line.replace(' ', "") == GITHUB_TRAILER;
            let found = GITHUB.into_iter().find(|word| lower.contains(word));
            found.or_else(|| lower.lines().any(is_trailer).then_some(GITHUB_TRAILER))
        }
        (Dialect::Circleci, Event::Push) => {
            let read: String = lower.chars().take(CIRCLECI_READS).collect();
            CIRCLECI.into_iter().find(|word| read.contains(word))
        }
        (Dialect::Github | Dialect::Circleci, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_service_has_its_own_words() {
        let far = format!("{} [skip ci]", "x".repeat(250));
        let cases = [
            ("Release 2 [skip ci]", Event::Push, true, true),
            ("Release 2 [CI SKIP]", Event::Push, true, true),
            ("Release 2 [no ci]", Event::Push, true, false),
            ("Release 2\n\nmore [actions skip]", Event::PullRequest, true, false),
            ("Release 2\n\n\nskip-checks: true", Event::Push, true, false),
            (&far, Event::Push, true, false),
            ("Release 2 [skip ci]", Event::WorkflowDispatch, false, false),
            ("Skip ci no more; skip-checks: true it was", Event::Push, false, false),
        ];
        for (message, event, github, circleci) in cases {
            let found =
                [Dialect::Github, Dialect::Circleci].map(|dialect| word(dialect, event, message).is_some());
            assert_eq!(found, [github, circleci], "{message}");
        }
    }
}
