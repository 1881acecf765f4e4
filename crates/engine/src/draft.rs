use std::collections::{BTreeMap, VecDeque};

use sluice_model::{Conclusion, InstanceId, Timestamp};
use sluice_plan::Work;

use crate::calls::Stop;
use crate::concurrency::planned;
use crate::condition::{starts, stop_of, survives_cancel, would_start};
use crate::context::Contexts;
use crate::expand::{Start, expand};
use crate::{Event, InstanceState, JobState, Refused, Run, RunStatus, State, fold};

/// A decision in the making: the state as it will be, and the events that lead there.
pub(crate) struct Draft {
    state: State,
    now: Timestamp,
    events: Vec<Event>,
    due: VecDeque<usize>,
}

/// Where an instance stands in the state.
pub(crate) struct Place<'a> {
    /// The job's position in the plan.
    pub(crate) job: usize,
    pub(crate) instance: &'a crate::Instance,
}

pub(crate) fn place<'a>(state: &'a State, id: &InstanceId) -> Result<Place<'a>, Refused> {
    let run = state.run().ok_or(Refused::NoRun)?;
    let unknown = || Refused::UnknownInstance { run: run.id(), instance: id.clone() };
    let job = run.fixed.graph.index(&id.job).ok_or_else(unknown)?;
    let instance = run.instance(id).ok_or_else(unknown)?;
    Ok(Place { job, instance })
}

impl Draft {
    pub(crate) fn of(state: &State, now: Timestamp) -> Self {
        Self { state: state.clone(), now, events: Vec::new(), due: VecDeque::new() }
    }

    pub(crate) fn push(&mut self, event: Event) {
        fold(&mut self.state, &event);
        self.events.push(event);
    }

    /// The run as the draft has it.
    pub(crate) fn run(&self) -> Option<&Run> {
        self.state.run()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The job has to be looked at before the decision is complete.
    pub(crate) fn due(&mut self, job: usize) {
        self.due.push_back(job);
    }

    pub(crate) fn due_all(&mut self) {
        let jobs = self.state.run().map_or(0, |run| run.jobs.len());
        self.due.extend(0..jobs);
    }

    /// Positions of the jobs, as the draft has them, for which `is_wanted` holds.
    pub(crate) fn jobs_where(&self, is_wanted: impl Fn(&Run, usize) -> bool) -> Vec<usize> {
        let Some(run) = self.state.run() else { return Vec::new() };
        (0..run.jobs.len()).filter(|&job| is_wanted(run, job)).collect()
    }

    /// Follows everything that the pushed events lead to: jobs start, are skipped, end; the run ends.
    pub(crate) fn settle(mut self) -> Vec<Event> {
        while let Some(job) = self.due.pop_front() {
            self.settle_job(job);
        }
        if let Some(conclusion) = self.state.run().and_then(conclusion_of_run) {
            self.push(Event::RunEnded { at: self.now, conclusion });
        }
        self.events
    }

    fn settle_job(&mut self, job: usize) {
        let Some(run) = self.state.run() else { return };
        match &run.jobs[job].state {
            JobState::Waiting if matches!(run.status, RunStatus::Queued { .. }) => {}
            JobState::Waiting => self.start(job),
            JobState::Active { .. } => self.advance(job),
            JobState::Ended { .. } => {}
        }
    }

    fn start(&mut self, job: usize) {
        let Some(run) = self.state.run() else { return };
        if stop_of(run, job) == Some(Stop::Forced) {
            let why = run.call_stop(job).map(|(_, reason)| reason.to_owned());
            return self.end_job(job, Conclusion::Cancelled, BTreeMap::new(), why);
        }
        if !run.fixed.graph.needs(job).iter().all(|&need| run.jobs[need].state.is_ended()) {
            return;
        }
        match starts(run, job) {
            Ok(true) => match self.enter_calls(job) {
                Ok(true) => self.start_instances(job),
                // It is looked at again when its call is open, or stops.
                Ok(false) => {}
                Err(problem) => self.end_job(job, Conclusion::Failure, BTreeMap::new(), Some(problem)),
            },
            Ok(false) => match run.call_stop(job) {
                Some((_, reason)) if would_start(run, job) => {
                    let reason = Some(reason.to_owned());
                    self.end_job(job, Conclusion::Cancelled, BTreeMap::new(), reason);
                }
                _ => self.end_job(job, Conclusion::Skipped, BTreeMap::new(), None),
            },
            Err(problem) => self.end_job(job, Conclusion::Failure, BTreeMap::new(), Some(problem)),
        }
    }

    fn start_instances(&mut self, job: usize) {
        let Some(run) = self.state.run() else { return };
        match expand(run, job) {
            Ok(Start { instances, fail_fast, max_parallel }) => {
                let id = run.plan().jobs[job].id.clone();
                self.push(Event::JobStarted { at: self.now, job: id, instances, fail_fast, max_parallel });
                self.advance(job);
            }
            Err(problem) => self.end_job(job, Conclusion::Failure, BTreeMap::new(), Some(problem)),
        }
    }

    /// Takes an active job as far as it goes without news from outside.
    fn advance(&mut self, job: usize) {
        self.fail_fast(job);
        self.fill_slots(job);
        self.conclude(job);
    }

    fn fail_fast(&mut self, job: usize) {
        let Some(run) = self.state.run() else { return };
        let record = &run.jobs[job];
        let JobState::Active { fail_fast: true, .. } = record.state else { return };
        let failed = record.instances.iter().any(|instance| {
            !instance.plan.continue_on_error
                && matches!(instance.state, InstanceState::Ended { conclusion: Conclusion::Failure, .. })
        });
        if failed {
            self.stop_instances(job, "another job of the matrix failed (fail-fast)");
        }
    }

    /// Ends what no agent has, and asks the agents to stop the rest.
    pub(crate) fn stop_instances(&mut self, job: usize, reason: &str) {
        for id in self.instance_ids(job) {
            self.end_or_stop(id, Conclusion::Cancelled, reason);
        }
    }

    /// [`Draft::stop_instances`] of one instance alone, for its concurrency group. `skip`: it counts as skipped.
    pub(crate) fn stop_instance(&mut self, id: InstanceId, reason: &str, skip: bool) {
        let job = self.state.run().and_then(|run| run.fixed.graph.index(&id.job));
        self.end_or_stop(id, if skip { Conclusion::Skipped } else { Conclusion::Cancelled }, reason);
        self.due.extend(job);
    }

    fn end_or_stop(&mut self, id: InstanceId, conclusion: Conclusion, reason: &str) {
        match self.instance_state(&id) {
            Some(
                InstanceState::Held
                | InstanceState::Queued { .. }
                | InstanceState::Gated { .. }
                | InstanceState::Offered { .. },
            ) => self.end_instance(id, conclusion, Some(reason.to_owned())),
            Some(InstanceState::Leased { cancel_requested: false, .. }) => {
                self.push(Event::JobCancelRequested {
                    at: self.now,
                    instance: id,
                    reason: reason.to_owned(),
                });
            }
            Some(InstanceState::Leased { .. } | InstanceState::Ended { .. }) | None => {}
        }
    }

    /// Cancels the run by `event`, as GitHub does: a job whose condition still holds for a cancelled run (`always()`,
    /// `cancelled()`) goes on or starts when its turn comes; every other one stops.
    pub(crate) fn cancel_run(&mut self, event: Event, reason: &str) {
        self.push(event);
        let jobs = self.run().map_or(0, |run| run.jobs.len());
        (0..jobs).for_each(|job| self.stop_job(job, reason));
        self.due_all();
    }

    /// Stops a job that is under way, unless its condition holds for a cancelled run.
    pub(crate) fn stop_job(&mut self, job: usize, reason: &str) {
        let Some(run) = self.run() else { return };
        if matches!(run.jobs[job].state, JobState::Active { .. }) && !survives_cancel(run, job) {
            self.stop_instances(job, reason);
        }
    }

    /// The run asks for its concurrency group, where it has one, before anything of it starts.
    pub(crate) fn queue_run(&mut self) {
        let Some(run) = self.state.run() else { return };
        let Some(concurrency) = &run.plan().concurrency else { return };
        match planned(run, concurrency, &Contexts::of_run(run)) {
            Ok(group) => self.push(Event::RunQueued { at: self.now, group }),
            Err(problem) => {
                for job in self.jobs_where(|run, job| !run.jobs[job].state.is_ended()) {
                    self.end_job(job, Conclusion::Failure, BTreeMap::new(), Some(problem.clone()));
                }
            }
        }
    }

    fn fill_slots(&mut self, job: usize) {
        let Some(run) = self.state.run() else { return };
        let record = &run.jobs[job];
        let JobState::Active { max_parallel, .. } = record.state else { return };
        let limit = max_parallel.map_or(usize::MAX, |most| most.max(1) as usize);
        let mut under_way = record.instances.iter().filter(|instance| instance.state.is_under_way()).count();
        for id in self.instance_ids(job) {
            if under_way >= limit {
                break;
            }
            if matches!(self.instance_state(&id), Some(InstanceState::Held)) {
                self.begin(id.clone());
                under_way += usize::from(self.instance_state(&id).is_some_and(InstanceState::is_under_way));
            }
        }
    }

    /// A held instance's turn: its concurrency group first, then its gate, then an agent, or the end where there is
    /// nothing to run. GitHub has this order: a job that waits for the approval of its environment holds its group.
    fn begin(&mut self, id: InstanceId) {
        let Some(run) = self.state.run() else { return };
        let (Some((job, _)), Some(instance)) = (run.job(&id.job), run.instance(&id)) else { return };
        if let (Some(group), None) = (&instance.plan.group, &instance.group) {
            let around = run.fixed.graph.index(&id.job).map_or(&[][..], |job| run.fixed.calls.around(job));
            return match run.holder_around(around, &group.key) {
                None => self.push(Event::JobQueued { at: self.now, instance: id }),
                Some(holder) => {
                    let problem = format!(
                        "{holder} holds the group `{}` that this job waits for: neither could ever end",
                        group.name
                    );
                    self.end_instance(id, Conclusion::Cancelled, Some(problem));
                }
            };
        }
        let gate_is_open = instance.gate.as_ref().is_some_and(|gate| gate.opened.is_some());
        match (&instance.plan.gate, &job.work) {
            (Some(gate), _) if !gate_is_open => {
                let (name, gate) = (gate.name.clone(), gate.kind);
                self.push(Event::GateWaiting { at: self.now, instance: id, name, gate });
            }
            (_, Work::Steps(_)) => {
                let attempt = instance.attempt + 1;
                self.push(Event::JobOffered { at: self.now, instance: id, attempt });
            }
            (_, Work::Approval | Work::Nothing) => self.end_instance(id, Conclusion::Success, None),
            (_, Work::Refused(why)) => {
                let problem = why.message.clone();
                self.end_instance(id, Conclusion::Failure, Some(problem));
            }
            (_, Work::Call(call)) => {
                let problem = format!("the reusable workflow `{}` was not resolved", call.workflow);
                self.end_instance(id, Conclusion::Failure, Some(problem));
            }
        }
    }

    fn conclude(&mut self, job: usize) {
        let Some(run) = self.state.run() else { return };
        let record = &run.jobs[job];
        if !matches!(record.state, JobState::Active { .. }) {
            return;
        }
        let mut conclusions = Vec::with_capacity(record.instances.len());
        let mut outputs = BTreeMap::new();
        let mut problem = None;
        for instance in &record.instances {
            let InstanceState::Ended { conclusion, outputs: own, problem: why, .. } = &instance.state else {
                return;
            };
            conclusions.push(match conclusion {
                Conclusion::Failure if instance.plan.continue_on_error => Conclusion::Success,
                other => *other,
            });
            // Of a matrix, the last combination that gives an output a value decides it.
            outputs.extend(
                own.iter()
                    .filter(|(key, value)| !value.is_empty() || !outputs.contains_key(*key))
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect::<Vec<_>>(),
            );
            if *conclusion == Conclusion::Failure {
                problem = problem.or_else(|| why.clone());
            }
        }
        self.end_job(job, worst(conclusions), outputs, problem);
    }

    fn end_job(
        &mut self,
        job: usize,
        conclusion: Conclusion,
        outputs: BTreeMap<String, String>,
        problem: Option<String>,
    ) {
        let Some(run) = self.state.run() else { return };
        let id = run.plan().jobs[job].id.clone();
        let dependents = run.fixed.graph.dependents(job).to_vec();
        self.push(Event::JobEnded { at: self.now, job: id, conclusion, outputs, problem });
        self.due.extend(dependents);
        self.conclude_calls(job);
    }

    pub(crate) fn end_instance(
        &mut self,
        instance: InstanceId,
        conclusion: Conclusion,
        problem: Option<String>,
    ) {
        self.push(Event::InstanceEnded {
            at: self.now,
            instance,
            conclusion,
            outputs: BTreeMap::new(),
            problem,
        });
    }

    /// A lost lease is offered again, unless the job was to stop anyway.
    pub(crate) fn after_lost_lease(&mut self, id: InstanceId, cancel_requested: bool, most: u32) {
        let Some(run) = self.state.run() else { return };
        let (Some(job), Some(instance)) = (run.fixed.graph.index(&id.job), run.instance(&id)) else { return };
        if cancel_requested || !survives_cancel(run, job) {
            self.end_instance(id, Conclusion::Cancelled, None);
        } else if instance.lost_leases >= most {
            let problem = format!(
                "its agent was lost {most} times; see the agent's log, then rerun the job with `sluice rerun`"
            );
            self.end_instance(id, Conclusion::Failure, Some(problem));
        }
        self.due(job);
    }

    fn instance_ids(&self, job: usize) -> Vec<InstanceId> {
        let Some(run) = self.state.run() else { return Vec::new() };
        let id = &run.plan().jobs[job].id;
        (0u32..).zip(&run.jobs[job].instances).map(|(index, _)| InstanceId::new(id.clone(), index)).collect()
    }

    fn instance_state(&self, id: &InstanceId) -> Option<&InstanceState> {
        self.state.run()?.instance(id).map(|instance| &instance.state)
    }
}

/// None while a job is open, and where the run has ended already.
fn conclusion_of_run(run: &Run) -> Option<Conclusion> {
    if run.open_jobs > 0 {
        return None;
    }
    match run.status {
        RunStatus::Ended { .. } => None,
        RunStatus::Cancelling { .. } => Some(Conclusion::Cancelled),
        RunStatus::Queued { .. } | RunStatus::Running => {
            Some(worst(run.jobs.iter().filter_map(|record| record.state.conclusion())))
        }
    }
}

/// A failure outweighs a cancellation, that a success, and that a skip.
fn worst(conclusions: impl IntoIterator<Item = Conclusion>) -> Conclusion {
    let weight = |conclusion: &Conclusion| match conclusion {
        Conclusion::Failure => 3,
        Conclusion::Cancelled => 2,
        Conclusion::Success => 1,
        Conclusion::Skipped => 0,
    };
    conclusions.into_iter().max_by_key(weight).unwrap_or(Conclusion::Skipped)
}
