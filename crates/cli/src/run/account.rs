use std::time::Duration;

use sluice_model::{Conclusion, InstanceId};
use sluice_plan::Plan;
use sluice_server::local::LocalOutcome;
use sluice_wire::{TestCase, TestOutcome};

use super::job_args::command_line;
use super::look::{BOLD, DIM, GREEN, RED, dress, duration};
use super::record::{Ended, JobRecord, RunRecord, StepRecord};
use super::verdict;

/// How many lines of a job's summaries are shown; `--json` has them all.
const SUMMARY_LINES_SHOWN: usize = 60;
/// How many failed tests are named, before the log has to be read.
const TESTS_SHOWN: usize = 20;

/// What a person may do after a job has failed.
pub struct Next<'a> {
    /// The places of failed jobs are kept.
    pub keeps: bool,
    /// The command that runs one job of a plan again.
    pub again: &'a dyn Fn(&Plan, &InstanceId) -> String,
}

/// The command that opens a shell in a job's place.
pub fn shell(run: u64, job: &InstanceId) -> String {
    command_line(&["sluice", "shell", &run.to_string(), &job.to_string()].map(str::to_owned))
}

/// The account at the end: what failed, where, its last lines, how to look inside, and how to run it again.
pub fn print(runs: &[RunRecord], plans: &[Plan], outcomes: &[LocalOutcome], took: Duration, next: &Next<'_>) {
    for ((run, plan), outcome) in runs.iter().zip(plans).zip(outcomes) {
        for (id, ended) in run.ended.iter().filter(|(_, ended)| ended.conclusion == Conclusion::Failure) {
            explain(run, plan, id, ended);
            tests(outcome.failed_tests.get(id).map_or(&[][..], Vec::as_slice));
            let again = (next.again)(plan, id);
            // A job without a step that failed had no place to look into.
            if run.jobs.get(id).is_some_and(JobRecord::has_failed_step) {
                let inside =
                    if next.keeps { shell(run.number, id) } else { format!("{again} --break-on-failure") };
                anstream::println!("  {DIM}look inside:{DIM:#} {inside}");
            }
            anstream::println!("  {DIM}again:{DIM:#} {again}");
        }
    }
    if runs.iter().flat_map(|run| run.ended.values()).any(|ended| ended.conclusion == Conclusion::Failure) {
        anstream::println!();
    }
    runs.iter().for_each(summaries);
    for ((outcome, plan), run) in outcomes.iter().zip(plans).zip(runs) {
        anstream::println!("{} {DIM}after {}{DIM:#}", verdict_line(outcome, plan, run), duration(took));
    }
}

/// What steps wrote for people to read.
fn summaries(run: &RunRecord) {
    for (id, job) in &run.jobs {
        let lines: Vec<&str> = job.summaries.iter().flat_map(|text| text.trim().lines()).collect();
        if lines.is_empty() {
            continue;
        }
        anstream::println!("{BOLD}{}{BOLD:#} {DIM}summary{DIM:#}", run.name_of(id));
        for line in lines.iter().take(SUMMARY_LINES_SHOWN) {
            anstream::println!("  {line}");
        }
        if let Some(more) = lines.len().checked_sub(SUMMARY_LINES_SHOWN).filter(|more| *more > 0) {
            anstream::println!("  {DIM}and {more} more lines{DIM:#}");
        }
        anstream::println!();
    }
}

fn verdict_line(outcome: &LocalOutcome, plan: &Plan, run: &RunRecord) -> String {
    let name = format!("{BOLD}{}{BOLD:#}", plan.workflow);
    let line = match verdict(outcome) {
        Some(Conclusion::Success) => format!("{GREEN}✓{GREEN:#} {name} passed"),
        Some(Conclusion::Skipped) => format!("– {name} skipped: no job had anything to do"),
        Some(Conclusion::Failure) => format!("{RED}✕{RED:#} {name} failed"),
        Some(Conclusion::Cancelled) => format!("⊘ {name} cancelled"),
        None => format!("⏸ {name} waits"),
    };
    if outcome.conclusion.is_some() {
        return line;
    }
    let gates: Vec<_> = run.gates.values().map(|gate| format!("`{gate}`")).collect();
    format!("{line}; not approved: {} (--approve all opens every gate)", gates.join(", "))
}

fn explain(run: &RunRecord, plan: &Plan, id: &InstanceId, ended: &Ended) {
    let title = format!("{}: {}", plan.workflow, run.name_of(id));
    anstream::println!();
    let job = run.jobs.get(id);
    let steps = job.into_iter().flat_map(|job| job.steps.values());
    let failed: Vec<&StepRecord> = steps.filter(|step| step.failed).collect();
    let problem = ended.problem.as_ref().filter(|problem| !job.is_some_and(|job| job.says(problem)));
    if let Some(problem) = problem {
        anstream::println!("{RED}✕ {title}: {problem}{RED:#}");
    }
    for (index, step) in failed.iter().enumerate() {
        let how = step.exit_code.map_or(String::new(), |code| format!(" with exit code {code}"));
        if index == 0 && problem.is_none() {
            anstream::println!("{RED}✕ {title}: step \"{}\" failed{how}{RED:#}", step.name);
        } else {
            anstream::println!("  {RED}step \"{}\" failed{how}{RED:#}", step.name);
        }
        for line in step.tail.iter().filter_map(|line| dress(line)) {
            anstream::println!("    {line}");
        }
    }
    if failed.is_empty() && problem.is_none() {
        anstream::println!("{RED}✕ {title} failed{RED:#}");
    }
}

fn tests(failed: &[TestCase]) {
    if failed.is_empty() {
        return;
    }
    anstream::println!("  failed tests:");
    for test in failed.iter().take(TESTS_SHOWN) {
        let TestOutcome::Failed { message } = &test.outcome else { continue };
        let took = duration(Duration::from_millis(test.duration_ms));
        let place = test.file.as_ref().map_or(String::new(), |file| format!("{file}, "));
        let suite = if test.suite.is_empty() { String::new() } else { format!("{} ", test.suite) };
        let first = message.lines().next().unwrap_or_default();
        anstream::println!("    {RED}✕{RED:#} {suite}{} {DIM}({place}{took}){DIM:#}: {first}", test.name);
    }
    if failed.len() > TESTS_SHOWN {
        anstream::println!("    and {} more", failed.len() - TESTS_SHOWN);
    }
}
