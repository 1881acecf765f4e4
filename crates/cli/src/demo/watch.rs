use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::bail;
use sluice_model::{CommitSha, InstanceId, JobId, RepositoryName};
use sluice_wire::{Client, ClientError, Decision, JobState, RunDetail, RunQuery, RunState};

use super::PRODUCTION;
use super::clock::Clock;
use super::people::People;

/// No run of the sample takes this long unless something hangs.
const RUN_WITHIN: Duration = Duration::from_secs(1200);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Follows one run, says what changes, and opens the gates that it may open.
pub struct Watcher<'a> {
    pub clock: Clock,
    pub client: &'a Client,
    pub repository: &'a RepositoryName,
    pub people: &'a People,
    /// The environment whose gate is left to the person who looks at the demo.
    pub leave: Option<&'a str>,
}

/// Where a watched run came to.
pub enum Arrival {
    Ended(RunDetail),
    /// All that is left to do is the gate that was left.
    AtTheGate(RunDetail),
}

impl Watcher<'_> {
    /// The run of this workflow for this commit, once the server has made it.
    pub async fn find(&self, workflow: &str, commit: &CommitSha) -> anyhow::Result<u64> {
        let query = RunQuery { branch: None, sha: Some(commit.to_string()), limit: Some(10) };
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let runs = present(self.client.runs(self.repository, &query).await)?.unwrap_or_default();
            if let Some(run) = runs.iter().find(|run| run.workflow == workflow) {
                return Ok(run.number);
            }
            if Instant::now() > deadline {
                bail!("the push of {} made no run of `{workflow}` within a minute", commit.short());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    pub async fn follow(&self, number: u64) -> anyhow::Result<Arrival> {
        let mut told = BTreeMap::new();
        let mut asked = BTreeSet::new();
        let deadline = Instant::now() + RUN_WITHIN;
        loop {
            if let Some(run) = present(self.client.run(self.repository, number).await)? {
                self.tell(&run, &mut told);
                if run.run.state.is_ended() {
                    return Ok(Arrival::Ended(run));
                }
                if run.run.state == RunState::Waiting && self.open_gates(&run, &mut asked).await? {
                    return Ok(Arrival::AtTheGate(run));
                }
            }
            if Instant::now() > deadline {
                bail!("run {number} has not ended within {} minutes", RUN_WITHIN.as_secs() / 60);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The same, past the gate that was left: somebody else opens it, or not.
    pub async fn follow_to_the_end(&self, number: u64) -> anyhow::Result<RunDetail> {
        let mut told = BTreeMap::new();
        loop {
            if let Some(run) = present(self.client.run(self.repository, number).await)? {
                if told.is_empty() {
                    // What has ended was told before.
                    told =
                        run.jobs.iter().map(|job| (job.instance.clone(), (job.state, job.attempt))).collect();
                }
                self.tell(&run, &mut told);
                if run.run.state.is_ended() {
                    return Ok(run);
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Says what is new of each job.
    fn tell(&self, run: &RunDetail, told: &mut BTreeMap<InstanceId, (JobState, u32)>) {
        for job in &run.jobs {
            let now = (job.state, job.attempt);
            if told.insert(job.instance.clone(), now) == Some(now) {
                continue;
            }
            let seconds = match (job.started, job.ended) {
                (Some(started), Some(ended)) => {
                    format!(" in {:.1} s", ended.since_ms(started) as f64 / 1000.0)
                }
                _ => String::new(),
            };
            let line = match job.state {
                JobState::Running => format!("  ◐ {}", job.name),
                JobState::Success => format!("  ✓ {}{seconds}", job.name),
                JobState::Failure => {
                    format!("  ✕ {}{seconds} {}", job.name, job.problem.as_deref().unwrap_or_default())
                }
                JobState::Cancelled => format!("  ⊘ {}", job.name),
                JobState::Gated | JobState::Waiting | JobState::Queued | JobState::Skipped => continue,
            };
            self.clock.say(line.trim_end());
        }
    }

    /// Opens what waits; true when nothing but the gate that is left waits.
    async fn open_gates(&self, run: &RunDetail, asked: &mut BTreeSet<String>) -> anyhow::Result<bool> {
        let mut only_the_left_one = !run.run.waiting.is_empty();
        for waiting in &run.run.waiting {
            let environment = waiting.environment.as_deref().unwrap_or_default();
            if self.leave == Some(environment) {
                continue;
            }
            only_the_left_one = false;
            if environment == PRODUCTION && !asked.contains(&waiting.gate) {
                self.refuse_the_author(run.run.number, &waiting.job).await?;
            }
            let person = self.people.in_charge_of(environment);
            let approval = Decision { approve: true, comment: None };
            match person.client.decide_gate(self.repository, run.run.number, &waiting.job, &approval).await {
                Ok(_) => {
                    if asked.insert(waiting.gate.clone()) {
                        self.clock.say(format!("  ⏸ {} approves for {environment}", person.name));
                    }
                }
                Err(error) if error.is_passing() => {}
                // Somebody was faster, or the answer to an earlier word was lost.
                Err(ClientError::Refused { status: 409, .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(only_the_left_one)
    }

    /// Whoever may not approve is told so: dana pushed the change, and is no release manager.
    async fn refuse_the_author(&self, number: u64, gate: &JobId) -> anyhow::Result<()> {
        let dana = &self.people.dana;
        let approval = Decision { approve: true, comment: None };
        match dana.client.decide_gate(self.repository, number, gate, &approval).await {
            Err(ClientError::Refused { status: 403, message }) => {
                self.clock.say(format!("  {} may not approve: {message}", dana.name));
                Ok(())
            }
            Err(error) if error.is_passing() => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => bail!("{} approved for {PRODUCTION}, which only release managers may", dana.name),
        }
    }
}

/// A server that is away for a moment is no error here.
pub fn present<T>(answer: Result<T, ClientError>) -> anyhow::Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_passing() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
