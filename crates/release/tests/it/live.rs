//! A repository that a test drives: releases by run number, people by name, the world's answers one by one.

use std::collections::BTreeMap;

use sluice_model::{
    Digest, EnvironmentName, PromotionId, ReleaseId, RunId, ServiceName, Timestamp, UserName,
};
use sluice_release::{
    ApprovalSubject, Approver, Command, Config, Effect, Event, PromotionState, Proposer, PushedImage,
    RecordRelease, Refused, State, apply, board, decide, fold, parse,
};

/// dev by itself, uat by qa, production by two release managers who did not cause the release.
pub const CHAIN: &str = r#"
release: { on: { branches: [master], tags: ["version*"] } }
services:
  api: { image: shop/api, env: { LEVEL: { default: info, one_of: [info, warn] }, KEY: { secret: true } } }
  web: { image: shop/web, depends_on: [api] }
environments:
  dev: {}
  uat: { approve: { by: [qa, "@linus"] } }
  production: { approve: { by: [managers], count: 2, not_author: true } }
"#;

pub fn config(text: &str) -> Config {
    let parsed = parse("sluice.yaml", text);
    parsed.config.unwrap_or_else(|| panic!("{:?}", parsed.diagnostics))
}

pub fn digest(seed: u64) -> Digest {
    format!("sha256:{seed:064x}").parse().expect("a digest")
}

pub fn environment(name: &str) -> EnvironmentName {
    EnvironmentName::new(name)
}

/// `grace` is a manager, `alan` too, `ada` is the author and a manager, `quinn` is qa, `eve` is nobody.
pub fn person(name: &str) -> Approver {
    let groups: &[&str] = match name {
        "grace" | "alan" | "ada" => &["managers"],
        "quinn" => &["qa"],
        _ => &[],
    };
    Approver {
        name: UserName::new(name),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        can_write: name != "eve",
    }
}

/// What run `run` pushed: images of its own.
pub fn pushed(config: &Config, run: u64) -> RecordRelease {
    let image =
        |service: u64| PushedImage { digest: digest(run * 10 + service), tag: None, version_label: None };
    RecordRelease {
        run: Some(RunId(run)),
        commit: format!("{run:040x}").parse().expect("a commit"),
        git_ref: format!("refs/tags/version{run}"),
        subject: format!("Change {run}"),
        author: UserName::new("ada"),
        images: (0..).zip(&config.services).map(|(n, service)| (service.name.clone(), image(n))).collect(),
        services: config.services.clone(),
    }
}

pub struct Live {
    pub state: State,
    pub log: Vec<Event>,
    pub effects: Vec<Effect>,
    pub now: Timestamp,
    pub config: Config,
}

impl Live {
    pub fn empty(text: &str) -> Self {
        let now = Timestamp(1_763_424_000_000);
        let (state, log, effects) = (State::default(), Vec::new(), Vec::new());
        Self { state, log, effects, now, config: config(text) }
    }

    pub fn new(text: &str) -> Self {
        let mut live = Self::empty(text);
        live.policy(text);
        live
    }

    pub fn chain() -> Self {
        Self::new(CHAIN)
    }

    pub fn policy(&mut self, text: &str) {
        self.tell(Command::ChangePolicy { config: Box::new(config(text)) });
    }

    pub fn try_tell(&mut self, command: Command) -> Result<usize, Refused> {
        let events = decide(&self.state, self.now, command)?;
        for event in &events {
            self.effects.extend(apply(&mut self.state, event));
        }
        let many = events.len();
        self.log.extend(events);
        Ok(many)
    }

    #[track_caller]
    pub fn tell(&mut self, command: Command) -> usize {
        self.try_tell(command).unwrap_or_else(|refused| panic!("{refused}"))
    }

    pub fn refused(&mut self, command: Command) -> String {
        match self.try_tell(command) {
            Ok(events) => panic!("it was taken, with {events} events"),
            Err(refused) => refused.to_string(),
        }
    }

    pub fn record(&mut self, run: u64) -> ReleaseId {
        self.tell(Command::RecordRelease(Box::new(pushed(&self.config, run))));
        self.state.release_of_run(RunId(run)).expect("the release is there").id
    }

    /// What is on its way into the environment.
    #[track_caller]
    pub fn rolling(&self, name: &str) -> PromotionId {
        let place = self.state.environment(&environment(name)).expect("the environment is known");
        place.rolling_out.unwrap_or_else(|| panic!("nothing is on its way into {name}: {}", self.line()))
    }

    #[track_caller]
    pub fn waiting(&self, name: &str) -> PromotionId {
        let place = self.state.environment(&environment(name)).expect("the environment is known");
        *place.waiting.last().unwrap_or_else(|| panic!("nothing waits for {name}: {}", self.line()))
    }

    /// The rollout into the environment succeeds, and what it started is what it should be.
    #[track_caller]
    pub fn succeed(&mut self, name: &str) {
        let promotion = self.rolling(name);
        self.tell(Command::RolloutSucceeded { promotion });
        self.tell(Command::VerificationSucceeded { promotion });
    }

    #[track_caller]
    pub fn fail_verification(&mut self, name: &str) {
        let promotion = self.rolling(name);
        self.tell(Command::RolloutSucceeded { promotion });
        self.tell(Command::VerificationFailed { promotion, reason: "says version 0".into() });
    }

    pub fn approve(&self, name: &str, by: &str) -> Command {
        Command::Approve { subject: ApprovalSubject::Promotion(self.waiting(name)), by: person(by) }
    }

    pub fn in_run(run: u64, name: &str) -> ApprovalSubject {
        ApprovalSubject::Run { run: RunId(run), environment: environment(name), author: UserName::new("ada") }
    }

    pub fn propose(&self, run: u64, name: &str, by: Proposer) -> Command {
        let release = self.state.release_of_run(RunId(run)).expect("a release").id;
        Command::Propose { release, environment: environment(name), by }
    }

    pub fn by_hand() -> Proposer {
        Proposer::Person(UserName::new("grace"))
    }

    pub fn roll_back(name: &str) -> Command {
        Command::Rollback { environment: environment(name), to: None, by: person("quinn") }
    }

    /// Takes the release into uat, and to production's gate.
    #[track_caller]
    pub fn reach_uat(&mut self) {
        self.succeed("dev");
        self.tell(self.approve("uat", "quinn"));
        self.succeed("uat");
    }

    /// The same, where uat's gate was opened in the run.
    #[track_caller]
    pub fn reach_uat_by_run(&mut self) {
        self.succeed("dev");
        self.succeed("uat");
    }

    #[track_caller]
    pub fn reach_production(&mut self) {
        self.reach_uat();
        self.tell(self.approve("production", "grace"));
        self.tell(self.approve("production", "alan"));
        self.succeed("production");
    }

    /// `dev: version2 | uat: version1, gated version2 (waits for qa or @linus, 0 of 1)`.
    pub fn line(&self) -> String {
        let version = |release: ReleaseId| self.state.release(release).expect("a release").version.as_str();
        let mut places = Vec::new();
        for place in board(&self.state, self.now).environments {
            let mut words = Vec::new();
            if let Some(live) = &place.live {
                let drift = if live.drift.is_some() { " (drifted)" } else { "" };
                words.push(format!("{}{drift}", version(live.release)));
            }
            if let Some(id) = place.rolling_out {
                let promotion = self.state.promotion(id).expect("a promotion");
                words.push(format!("{} {}", promotion.state.word(), version(promotion.release)));
            }
            for waiting in &place.waiting {
                let waits: Vec<String> = waiting.waits.iter().map(ToString::to_string).collect();
                let state = self.state.promotion(waiting.promotion).expect("a promotion").state.word();
                words.push(format!("{state} {} ({})", version(waiting.release), waits.join("; ")));
            }
            if place.hold.is_some() {
                words.push("held".to_owned());
            }
            places.push(format!("{}: {}", place.name, words.join(", ")));
        }
        places.join(" | ")
    }

    #[track_caller]
    pub fn shows(&self, line: &str) {
        assert_eq!(self.line(), line);
        assert_eq!(replay(&self.log), self.state, "the log, read back, gives another state");
    }

    /// The state of the newest promotion of the run's release into the environment.
    pub fn word(&self, run: u64, name: &str) -> &'static str {
        let release = self.state.release_of_run(RunId(run)).expect("a release").id;
        self.state.promotion_of(release, &environment(name)).expect("a promotion").state.word()
    }

    pub fn reason(&self, id: PromotionId) -> &str {
        match &self.state.promotion(id).expect("a promotion").state {
            PromotionState::Failed { reason, .. } => reason,
            other => panic!("it is {other:?}"),
        }
    }
}

pub fn replay(log: &[Event]) -> State {
    let mut state = State::default();
    for event in log {
        let text = serde_json::to_string(event).expect("an event is JSON");
        fold(&mut state, &serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}")));
    }
    state
}

pub fn images(digests: &[(&str, u64)]) -> BTreeMap<ServiceName, PushedImage> {
    let image = |seed: u64| PushedImage { digest: digest(seed), tag: None, version_label: None };
    digests.iter().map(|(service, seed)| (ServiceName::new(*service), image(*seed))).collect()
}
