use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use sluice_model::{CommitSha, EnvironmentName, InstanceId, JobId, RepositoryName};
use sluice_wire::{EnvironmentStatus, RunDetail, RunState};

use super::backing::Backing;
use super::chaos::Keeper;
use super::load::{Load, Seen};
use super::people::People;
use super::room::Room;
use super::sample::Checkout;
use super::watch::{Arrival, Watcher, present};
use super::{Args, PRODUCTION, changes, evidence};
use crate::Exit;

/// The workflow of the sample that delivers.
const WORKFLOW: &str = "deliver";

/// The whole demo: a push, its approvals, production; with `--yes` a second version and a broken third.
pub async fn tell(room: &Room, backing: &Backing, args: &Args) -> anyhow::Result<Exit> {
    let keeper = Keeper::start(room, args.kills, args.seed).await?;
    let stage = Stage::set(room, backing).await?;
    let outcome = if args.yes { stage.everything(&keeper).await } else { stage.until_production().await };
    keeper.stop().await?;
    outcome
}

struct Stage<'a> {
    room: &'a Room,
    checkout: Checkout,
    repository: RepositoryName,
    people: People,
}

/// One version's way, for the account at the end.
struct Way {
    version: String,
    what: &'static str,
    seconds: f64,
    run: RunDetail,
}

impl<'a> Stage<'a> {
    async fn set(room: &'a Room, backing: &Backing) -> anyhow::Result<Self> {
        let admin = room.admin()?;
        let people = People::arrive(&admin).await?;
        let repository: RepositoryName = "acme/storefront".parse()?;
        let checkout = Checkout::of(&room.sample, room.checkout())?;
        backing.introduce(&checkout)?;
        changes::stay_on_this_machine(&checkout)?;
        let dana = &people.dana;
        checkout.set_remote(&format!(
            "http://{}:{}@{}/{repository}.git",
            dana.name,
            dana.token.expose(),
            room.listen
        ))?;
        room.clock.say(format!("a server at {} with its data in {}", room.url(), room.data().display()));
        Ok(Self { room, checkout, repository, people })
    }

    fn say(&self, line: impl AsRef<str>) {
        self.room.clock.say(line);
    }

    fn watcher(&self, leave: Option<&'static str>) -> Watcher<'_> {
        let client = &self.people.dana.client;
        Watcher { clock: self.room.clock, client, repository: &self.repository, people: &self.people, leave }
    }

    /// Commits, pushes, and follows the delivering run.
    async fn push(&self, message: &str, leave: Option<&'static str>) -> anyhow::Result<(CommitSha, Arrival)> {
        let commit = self.checkout.commit(message)?;
        self.say(format!("dana pushes {} \"{message}\"", commit.short()));
        self.push_until_taken().await?;
        let watcher = self.watcher(leave);
        let number = watcher.find(WORKFLOW, &commit).await?;
        self.say(format!("run {number}: {}/{}/runs/{number}", self.room.url(), self.repository));
        let arrival = watcher.follow(number).await?;
        Ok((commit, arrival))
    }

    /// A server that was killed in the middle of a push takes it a moment later.
    async fn push_until_taken(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match self.checkout.push() {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
            }
        }
    }

    /// The first version, up to the gate of production, which waits for whoever looks at it.
    async fn until_production(&self) -> anyhow::Result<Exit> {
        let (_, arrival) = self.push("Open the storefront", Some(PRODUCTION)).await?;
        let run = match arrival {
            Arrival::AtTheGate(run) => run,
            Arrival::Ended(run) => {
                self.explain(&run).await?;
                return Ok(Exit::Failed);
            }
        };
        self.say("staging is live; production waits for a release manager");
        let riley = &self.people.riley;
        println!();
        println!("  Look:     {}", riley.link.expose());
        println!("            then the board: {}/{}/board", self.room.url(), self.repository);
        println!("  Approve:  there, or: cd {}", self.checkout.path().display());
        println!("            SLUICE_TOKEN={} sluice approve {PRODUCTION}", riley.token.expose());
        println!("  End:      Ctrl-C; nothing is left behind");
        println!();
        let run = self.watcher(None).follow_to_the_end(run.run.number).await?;
        self.conclude_first(&run).await?;
        // Everything runs on until the person has seen enough.
        std::future::pending().await
    }

    async fn conclude_first(&self, run: &RunDetail) -> anyhow::Result<()> {
        if run.run.state == RunState::Success {
            let production = self.production().await?;
            for (service, address) in production.live.iter().flat_map(|live| &live.addresses) {
                self.say(format!("production/{service} answers at {address}"));
            }
        } else {
            self.explain(run).await?;
        }
        Ok(())
    }

    async fn everything(&self, keeper: &Keeper) -> anyhow::Result<Exit> {
        let mut ways = Vec::new();
        let first = self.deliver("first version", "Open the storefront").await?;
        let tested = evidence::tested(&self.people.dana.client, &self.repository, &first.run).await?;
        let delivered =
            evidence::delivered(self.room, &self.people.dana, &self.repository, &first.version).await?;
        ensure!(tested == delivered, "production runs {delivered:?}, but the browser tested {tested:?}");
        self.say(format!("production runs exactly what the browser tested: {}", evidence::in_short(&tested)));
        ways.push(first);

        let address = self.address_of("api").await?;
        self.say(format!("visitors ask {address} from here on"));
        let visitors = Load::start(&address)?;
        changes::improve(&self.checkout)?;
        ways.push(self.deliver("second version", "Greet more warmly").await?);

        changes::break_it(&self.checkout)?;
        let broken = self.break_and_take_back(&ways[1].version).await?;
        ways.push(broken);
        let seen = visitors.stop().await;
        self.account(&ways, &seen, keeper.kills());
        Ok(if seen.failed == 0 { Exit::Done } else { Exit::Failed })
    }

    /// One version, all the way to production.
    async fn deliver(&self, what: &'static str, message: &str) -> anyhow::Result<Way> {
        let begun = self.room.clock.seconds();
        let (commit, arrival) = self.push(message, None).await?;
        let Arrival::Ended(run) = arrival else { bail!("a gate that nobody was to leave was left") };
        if run.run.state != RunState::Success {
            self.explain(&run).await?;
            bail!("run {} ended as {}", run.run.number, run.run.state.as_str());
        }
        let live = self.production().await?.live.context("nothing is live in production")?;
        ensure!(live.commit == commit, "production says {}, expected {commit}", live.commit);
        self.say(format!("{} is live in production", live.version));
        Ok(Way { version: live.version, what, seconds: self.room.clock.seconds() - begun, run })
    }

    /// The broken version: gets into production, is found out there, and the version before serves again.
    async fn break_and_take_back(&self, before: &str) -> anyhow::Result<Way> {
        let begun = self.room.clock.seconds();
        let (_, arrival) = self.push("Count the visitors", None).await?;
        let Arrival::Ended(run) = arrival else { bail!("a gate that nobody was to leave was left") };
        ensure!(
            run.run.state == RunState::Failure,
            "the broken version's run ended as {}",
            run.run.state.as_str()
        );
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.production().await?.live.is_none_or(|live| live.version != before) {
            ensure!(
                Instant::now() < deadline,
                "the broken version was not taken back: {before} is not live again"
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let client = &self.people.dana.client;
        let job = InstanceId::new(JobId::new("deploy-production"), 0);
        let log = evidence::log(client, &self.repository, run.run.number, &job).await?;
        let last = log
            .lines()
            .rfind(|line| line.starts_with("production: "))
            .context("the deployment says no end")?;
        ensure!(last.contains('✕'), "the broken version's deployment did not fail: {last}");
        self.say(format!(
            "taken back; {before} serves again ({})",
            last.trim_start_matches("production: ✕ ")
        ));
        let version = self.checkout.version()?;
        Ok(Way { version, what: "broken version", seconds: self.room.clock.seconds() - begun, run })
    }

    async fn production(&self) -> anyhow::Result<EnvironmentStatus> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(list) = present(self.people.dana.client.environments(&self.repository).await)? {
                let name = EnvironmentName::new(PRODUCTION);
                let found = list.into_iter().find(|environment| environment.name == name);
                return found.context("the sample has no environment `production`");
            }
            if Instant::now() > deadline {
                bail!("the server has been away for 30 s");
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn address_of(&self, service: &str) -> anyhow::Result<String> {
        let production = self.production().await?;
        let mut addresses = production.live.iter().flat_map(|live| &live.addresses);
        let address =
            addresses.find(|(name, _)| name.as_str() == service).map(|(_, address)| address.clone());
        address.with_context(|| format!("production has no address of `{service}`"))
    }

    /// A run that failed: which job, and the end of its log.
    async fn explain(&self, run: &RunDetail) -> anyhow::Result<()> {
        for diagnostic in &run.diagnostics {
            println!("{diagnostic}");
        }
        for job in run.jobs.iter().filter(|job| job.state == sluice_wire::JobState::Failure) {
            println!("--- the end of the log of {}", job.name);
            let log =
                evidence::log(&self.people.dana.client, &self.repository, run.run.number, &job.instance)
                    .await?;
            let lines: Vec<_> = log.lines().collect();
            println!("{}", lines[lines.len().saturating_sub(40)..].join("\n"));
        }
        Ok(())
    }

    fn account(&self, ways: &[Way], seen: &Seen, kills: u32) {
        println!();
        for way in ways {
            let jobs = way.run.jobs.len();
            println!(
                "  {:<15} {:<16} {jobs} jobs, {:>5.1} s from push to end",
                way.what, way.version, way.seconds
            );
        }
        if kills > 0 {
            println!("  the server was killed {kills} times");
        }
        println!("  visitors        {} requests, {} failed", seen.requests, seen.failed);
        if let Some(failure) = &seen.first_failure {
            println!("  the first that failed: {failure}");
        }
        println!();
    }
}
