use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use sluice_model::Conclusion;
use sluice_plan::{Action, Background, Step};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::scope::{Effects, Finished, Scope};
use super::steps::{Steps, name_of};

/// Background steps that run at once; more wait for their turn. GitHub's limit.
const MOST_AT_ONCE: usize = 10;

/// A job's own steps by the indexes that its log knows them under. Those of a group come before the group's own, which
/// is that of the wait for them.
pub(super) fn numbered(list: &[Step]) -> Vec<(u32, &Step)> {
    fn members(step: &Step) -> &[Step] {
        match &step.action {
            Action::Parallel { steps } => steps,
            _ => &[],
        }
    }
    (1..).zip(list.iter().flat_map(|step| members(step).iter().chain([step]))).collect()
}

/// A job's own steps: one after the other, and beside them those in the background (GitHub, "Workflow syntax",
/// `jobs.<job_id>.steps[*].background`; `BackgroundStepCoordinator.cs` of actions/runner).
pub(super) async fn run_all(steps: &Steps<'_>, scope: &mut Scope, list: &[Step]) {
    let mut beside = Beside::new(steps);
    // As `numbered` counts.
    let mut index = 1;
    for step in list {
        steps.hear_cancel(scope);
        match &step.action {
            Action::Wait { steps: ids } => {
                let members = beside.named(ids);
                beside.wait(scope, index, step, &members).await;
            }
            Action::WaitAll => {
                let members = beside.unsettled();
                beside.wait(scope, index, step, &members).await;
            }
            Action::Cancel { steps: ids } => {
                let members = beside.named(ids);
                beside.cancel(scope, index, step, &members).await;
            }
            // A group is its members in the background, and a wait for them.
            Action::Parallel { steps: members } => {
                let first = index;
                for member in members {
                    beside.start(scope, index, member);
                    index += 1;
                }
                let members: Vec<u32> = (first..index).collect();
                beside.wait(scope, index, step, &members).await;
            }
            _ if step.background == Background::Joined => beside.start(scope, index, step),
            _ => {
                let finished = beside.while_running(steps.run_step(scope, index, step)).await;
                scope.settle(step, finished);
            }
        }
        index += 1;
    }
    beside.finish(scope).await;
}

/// The background steps of a job, by the index that the log knows them under.
struct Beside<'s> {
    steps: &'s Steps<'s>,
    slots: Arc<Semaphore>,
    running: FuturesUnordered<Running<'s>>,
    members: BTreeMap<u32, Member<'s>>,
}

type Running<'s> = Pin<Box<dyn Future<Output = (u32, Finished)> + Send + 's>>;

struct Member<'s> {
    step: &'s Step,
    name: String,
    cancel: CancellationToken,
    /// A `cancel` step names it, so that its being cancelled is nothing to the job.
    is_given_up: bool,
    state: State,
}

enum State {
    Running,
    /// What it did is nobody's to see yet.
    Ended(Finished),
    /// What it did has been taken, and how it ended.
    Settled(Conclusion),
}

impl<'s> Beside<'s> {
    fn new(steps: &'s Steps<'s>) -> Self {
        let slots = Arc::new(Semaphore::new(MOST_AT_ONCE));
        Self { steps, slots, running: FuturesUnordered::new(), members: BTreeMap::new() }
    }

    /// Begins a step as the job stands now, once there is a slot for it.
    fn start(&mut self, scope: &Scope, index: u32, step: &'s Step) {
        // Every background step ends with a cancel of the job, whatever its condition says.
        let cancel = self.steps.job.cancel.child_token();
        let name = name_of(&scope.contexts, step);
        let own = scope.in_background(cancel.clone());
        let (steps, slots, named, stopped) = (self.steps, self.slots.clone(), name.clone(), cancel.clone());
        self.running.push(Box::pin(async move {
            let slot = tokio::select! {
                biased;
                () = stopped.cancelled() => None,
                slot = slots.acquire_owned() => slot.ok(),
            };
            let finished = match slot {
                Some(_slot) => steps.run_step(&own, index, step).await,
                None => {
                    let cancelled = Conclusion::Cancelled;
                    steps.job.log.step_started(index, &named).await;
                    steps.job.log.step_finished(index, cancelled, cancelled, None).await;
                    Finished::of(cancelled, Effects::default())
                }
            };
            (index, finished)
        }));
        let member = Member { step, name, cancel, is_given_up: false, state: State::Running };
        self.members.insert(index, member);
    }

    /// Does something while the background steps go on.
    async fn while_running<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                Some(ended) = self.running.next(), if !self.running.is_empty() => self.ended(ended),
            }
        }
    }

    fn ended(&mut self, (index, finished): (u32, Finished)) {
        if let Some(member) = self.members.get_mut(&index) {
            member.state = State::Ended(finished);
        }
    }

    /// Those of the named steps that were begun in the background; the dialect knows that there are such steps.
    fn named(&self, ids: &[String]) -> Vec<u32> {
        let is_named = |member: &Member<'_>| ids.contains(&member.step.id);
        self.members.iter().filter(|(_, member)| is_named(member)).map(|(index, _)| *index).collect()
    }

    fn unsettled(&self) -> Vec<u32> {
        let unsettled = |member: &Member<'_>| !matches!(member.state, State::Settled(_));
        self.members.iter().filter(|(_, member)| unsettled(member)).map(|(index, _)| *index).collect()
    }

    /// A step that waits for others, and fails when one of them failed. It always runs.
    async fn wait(&mut self, scope: &mut Scope, index: u32, step: &Step, members: &[u32]) {
        let log = &self.steps.job.log;
        log.step_started(index, &name_of(&scope.contexts, step)).await;
        log.say(index, format!("Waiting for background step(s) to complete: {}", self.names(members))).await;
        self.settle(scope, members).await;
        let conclusions: Vec<Conclusion> =
            self.conclusions(members).map(|(_, conclusion)| conclusion).collect();
        let is_any = |wanted| conclusions.contains(&wanted);
        let outcome = match (is_any(Conclusion::Failure), is_any(Conclusion::Cancelled)) {
            (true, _) => Conclusion::Failure,
            (false, true) => Conclusion::Cancelled,
            (false, false) => Conclusion::Success,
        };
        self.report(index, "Finished waiting for background step(s).", members).await;
        self.end(scope, index, step, outcome).await;
    }

    /// A step that ends others, as a cancel of the job would. It always runs.
    async fn cancel(&mut self, scope: &mut Scope, index: u32, step: &Step, members: &[u32]) {
        let log = &self.steps.job.log;
        log.step_started(index, &name_of(&scope.contexts, step)).await;
        log.say(index, format!("Cancelling background step(s): {}", self.names(members))).await;
        for member in members {
            if let Some(member) = self.members.get_mut(member) {
                member.is_given_up = true;
                member.cancel.cancel();
            }
        }
        self.settle(scope, members).await;
        self.report(index, "Finished cancelling background step(s).", members).await;
        self.end(scope, index, step, Conclusion::Success).await;
    }

    /// The wait for all that are left, after the last step and before what actions left to do: only now what failed
    /// without a wait fails the job.
    async fn finish(mut self, scope: &mut Scope) {
        let left = self.unsettled();
        self.settle(scope, &left).await;
        self.steps.hear_cancel(scope);
        let all: Vec<u32> = self.members.keys().copied().collect();
        for (member, conclusion) in self.conclusions(&all) {
            let is_expected = member.is_given_up && conclusion == Conclusion::Cancelled;
            if matches!(conclusion, Conclusion::Failure | Conclusion::Cancelled) && !is_expected {
                scope.contexts.worsen(conclusion);
            }
        }
    }

    /// Waits until these have ended, and takes what they did.
    async fn settle(&mut self, scope: &mut Scope, members: &[u32]) {
        let is_running = |of: &Self| {
            members
                .iter()
                .filter_map(|index| of.members.get(index))
                .any(|one| matches!(one.state, State::Running))
        };
        while is_running(self)
            && let Some(ended) = self.running.next().await
        {
            self.ended(ended);
        }
        for index in members {
            let Some(member) = self.members.get_mut(index) else { continue };
            if let State::Ended(finished) = &mut member.state {
                let finished = std::mem::replace(finished, Finished::failed());
                member.state = State::Settled(finished.conclusion);
                scope.settle_quietly(member.step, finished);
            }
        }
    }

    fn conclusions(&self, members: &[u32]) -> impl Iterator<Item = (&Member<'s>, Conclusion)> {
        let members = members.iter().filter_map(|index| self.members.get(index));
        members.filter_map(|member| match &member.state {
            State::Settled(conclusion) => Some((member, *conclusion)),
            State::Running | State::Ended(_) => None,
        })
    }

    fn names(&self, members: &[u32]) -> String {
        let names = members.iter().filter_map(|index| self.members.get(index));
        let names: Vec<&str> = names.map(|member| member.name.as_str()).collect();
        if names.is_empty() { "(none)".to_owned() } else { names.join(", ") }
    }

    async fn report(&mut self, index: u32, summary: &str, members: &[u32]) {
        let mut text = summary.to_owned();
        for (member, conclusion) in self.conclusions(members) {
            text.push_str(&format!("\n  {}: {}", member.name, conclusion.as_str()));
        }
        self.steps.job.log.say(index, text).await;
    }

    async fn end(&mut self, scope: &mut Scope, index: u32, step: &Step, outcome: Conclusion) {
        let goes_on = scope.contexts.late_bool(step.continue_on_error.as_ref()).unwrap_or(false);
        let mut finished = Finished::of(outcome, Effects::default());
        if outcome == Conclusion::Failure && goes_on {
            finished.conclusion = Conclusion::Success;
        }
        let conclusion = finished.conclusion;
        self.steps.job.log.step_finished(index, outcome, conclusion, None).await;
        scope.settle_quietly(step, finished);
        if conclusion == Conclusion::Failure {
            scope.contexts.worsen(conclusion);
        }
    }
}
