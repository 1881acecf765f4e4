use sluice_model::JobId;

use crate::Event;
use crate::calls::CallState;
use crate::concurrency::planned;
use crate::context::Contexts;
use crate::draft::Draft;

/// Calls of reusable workflows in a decision: they begin with the first of their jobs, and end with the last.
impl Draft {
    /// Whether all calls that the job is in are open for it. Those whose turn has come begin.
    pub(crate) fn enter_calls(&mut self, job: usize) -> Result<bool, String> {
        let calls = self.run().map_or(&[][..], |run| run.fixed.calls.around(job)).to_vec();
        for (depth, &call) in calls.iter().enumerate() {
            let is_waiting =
                |draft: &Self| draft.run().is_some_and(|run| run.calls[call] == CallState::Waiting);
            if is_waiting(self) {
                self.begin_call(call, &calls[..depth], job)?;
            }
            if !self.run().is_some_and(|run| run.calls[call].has_begun()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// `around` are the calls that this one is in, `job` is the one of its jobs that is about to start.
    fn begin_call(&mut self, call: usize, around: &[usize], job: usize) -> Result<(), String> {
        let Some(run) = self.run() else { return Ok(()) };
        if !run.has_turn(call, job)? {
            return Ok(());
        }
        let called = &run.plan().calls[call];
        let id = called.id.clone();
        let contexts = Contexts::of_job(run, job);
        let group = called.concurrency.as_ref().map(|group| planned(run, group, &contexts)).transpose()?;
        let deadlock = group
            .as_ref()
            .and_then(|group| Some((run.holder_around(around, &group.key)?, &group.name)))
            .map(|(holder, group)| {
                format!("{holder} holds the group `{group}` that the call `{id}` waits for: neither could ever end")
            });
        match deadlock {
            Some(reason) => self.stop_call(&id, &reason),
            None => self.push(Event::CallStarted { at: self.now(), call: id, group }),
        }
        Ok(())
    }

    pub(crate) fn admit_call(&mut self, call: JobId) {
        let jobs = self.jobs_of_call(&call);
        self.push(Event::CallAdmitted { at: self.now(), call });
        jobs.into_iter().for_each(|job| self.due(job));
    }

    /// Stops what of the call has not ended. A call that never began leaves no job to go on.
    pub(crate) fn stop_call(&mut self, call: &JobId, reason: &str) {
        let Some(run) = self.run() else { return };
        let Some(index) = run.fixed.calls.index(call) else { return };
        let force = !run.calls[index].has_begun();
        let (at, call, jobs) = (self.now(), call.clone(), self.jobs_of_call(call));
        self.push(Event::CallStopped { at, call, reason: reason.to_owned(), force });
        for job in jobs {
            self.stop_job(job, reason);
            self.due(job);
        }
    }

    /// When `job` was the last of a combination of a call, the next begins, or the others stop with it.
    pub(crate) fn conclude_calls(&mut self, job: usize) {
        let calls = self.run().map_or(&[][..], |run| run.fixed.calls.around(job)).to_vec();
        for call in calls {
            let Some(run) = self.run().filter(|run| run.call_has_ended(call)) else { continue };
            let stops = run.call_has_failed(call) && run.fails_fast(call, job);
            let values = run.plan().calls[call].combination.as_ref().map(|failed| failed.values.clone());
            let reason = format!("the combination ({}) failed (fail-fast)", values.unwrap_or_default());
            for other in run.siblings(call) {
                let Some(run) = self.run() else { return };
                let (state, id) = (&run.calls[other], run.plan().calls[other].id.clone());
                if stops && !state.is_stopped() && !run.call_has_ended(other) {
                    self.stop_call(&id, &reason);
                } else if *state == CallState::Waiting {
                    self.jobs_of_call(&id).into_iter().for_each(|job| self.due(job));
                }
            }
        }
    }

    fn jobs_of_call(&self, call: &JobId) -> Vec<usize> {
        let Some(run) = self.run() else { return Vec::new() };
        run.fixed.calls.index(call).map(|call| run.fixed.calls.jobs(call).to_vec()).unwrap_or_default()
    }
}
