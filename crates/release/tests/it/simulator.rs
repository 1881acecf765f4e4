//! Random releases, people and faults: what no single test would think of.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sluice_model::{EnvironmentName, PromotionId, ReleaseId, RunId, Timestamp, UserName};
use sluice_release::{
    ApprovalSubject, Command, Config, Effect, Event, Origin, PromotionKind, PromotionState, Proposer,
    Release, State, board, decide, effects, fold, waits,
};
use sluice_testkit::{Random, simulate};

use crate::live::{CHAIN, config, environment, person, pushed, replay};

const WORLDS: u64 = 400;
const STEPS: usize = 250;
const PEOPLE: [&str; 7] = ["grace", "alan", "ada", "quinn", "linus", "eve", "bob"];

#[test]
fn a_hundred_thousand_random_steps() {
    assert!(WORLDS as usize * STEPS >= 100_000);
    let policies = policies();
    simulate(WORLDS, |random| {
        let mut world = World::new(&policies);
        for _ in 0..STEPS {
            world.step(random);
        }
        world.finish(random);
        world.check_replay(random);
    });
}

/// What the default branch may say, in one world after the other.
fn policies() -> Vec<Config> {
    [
        CHAIN.to_owned(),
        CHAIN.replace("count: 2", "count: 1"),
        CHAIN.replace("not_author: true", "not_author: false"),
        CHAIN.replace("[qa, \"@linus\"]", "[managers]"),
        CHAIN.replace("dev: {}", "dev: { approve: {} }").replace("uat: {", "uat: { soak: 20m,"),
        CHAIN.replace(
            "dev: {}",
            "dev: { freeze: [{ from: \"Tue 01:00\", to: \"Tue 05:00\" }], env: { LEVEL: warn } }",
        ),
        CHAIN.replace("  uat: { approve: { by: [qa, \"@linus\"] } }\n", ""),
    ]
    .iter()
    .map(|text| config(text))
    .collect()
}

struct World<'a> {
    policies: &'a [Config],
    state: State,
    log: Vec<Event>,
    now: Timestamp,
    runs: u64,
    outbox: Vec<Effect>,
    mail: Vec<Command>,
    /// By the log alone: who said yes to what, whose gate opened, what was live where, what a release was.
    approvals: HashMap<PromotionId, BTreeSet<UserName>>,
    run_approvals: HashMap<(RunId, EnvironmentName), BTreeSet<UserName>>,
    opened: HashSet<PromotionId>,
    was_live: HashMap<EnvironmentName, Vec<PromotionId>>,
    rolling: HashMap<EnvironmentName, PromotionId>,
    releases: BTreeMap<ReleaseId, Release>,
    moments: BTreeMap<usize, State>,
}

impl<'a> World<'a> {
    fn new(policies: &'a [Config]) -> Self {
        Self {
            policies,
            state: State::default(),
            log: Vec::new(),
            now: Timestamp(1_763_424_000_000),
            runs: 0,
            outbox: Vec::new(),
            mail: vec![Command::ChangePolicy { config: Box::new(policies[0].clone()) }],
            approvals: HashMap::new(),
            run_approvals: HashMap::new(),
            opened: HashSet::new(),
            was_live: HashMap::new(),
            rolling: HashMap::new(),
            releases: BTreeMap::new(),
            moments: BTreeMap::new(),
        }
    }

    fn step(&mut self, random: &mut Random) {
        match random.below(100) {
            0..25 => self.perform(random),
            25..55 => self.deliver(random),
            55..67 => self.decide_gates(random),
            67..75 => self.record(random),
            75..80 => {
                self.now = self.now.plus_ms(random.below(40 * 60_000) as i64);
                self.mail.push(Command::Tick);
            }
            80..82 => {
                random.take(&mut self.mail);
            }
            82..83 => self.restart(),
            83..88 => self.drift(random),
            88..91 => self.roll_back(random),
            91..93 => {
                let policy = random.pick(self.policies).expect("a policy").clone();
                self.mail.push(Command::ChangePolicy { config: Box::new(policy) });
            }
            93..97 => self.propose(random),
            97..98 => {
                let by = person(random.pick(&PEOPLE).expect("a person"));
                self.mail.push(Command::Resume { environment: any_environment(random), by });
            }
            _ => self.nonsense(random),
        }
    }

    fn tell(&mut self, random: &mut Random, command: Command) {
        let Ok(events) = decide(&self.state, self.now, command) else { return };
        for event in events {
            self.check_before(&event);
            fold(&mut self.state, &event);
            self.outbox.extend(effects(&self.state, &event));
            self.log.push(event);
            if random.chance(5) {
                self.moments.insert(self.log.len(), self.state.clone());
            }
        }
        self.check_state();
        if random.chance(20) {
            self.check_board();
        }
    }

    fn check_before(&mut self, event: &Event) {
        match event {
            Event::ReleaseRecorded { release, .. } => {
                assert!(
                    self.state.release_by_version(&release.version).is_none(),
                    "a version was given twice"
                );
                self.releases.insert(release.id, (**release).clone());
            }
            Event::PromotionProposed { promotion, release, environment, how, by, .. } => {
                self.check_proposal(*release, environment, how, by);
                let run = self.releases[release].run();
                if *how == PromotionKind::Forward {
                    let carried = run.and_then(|run| self.run_approvals.remove(&(run, environment.clone())));
                    self.approvals.insert(*promotion, carried.unwrap_or_default());
                }
            }
            Event::PromotionApproved { promotion, approval, .. } => {
                self.approvals.entry(*promotion).or_default().insert(approval.by.clone());
            }
            Event::RunApproved { run, environment, approval, .. } => {
                let people = self.run_approvals.entry((*run, environment.clone())).or_default();
                people.insert(approval.by.clone());
            }
            Event::GateOpened { promotion, .. } => {
                self.check_opening(*promotion);
                self.opened.insert(*promotion);
            }
            Event::RolloutStarted { promotion, .. } => {
                let found = self.state.promotion(*promotion).expect("a promotion");
                assert!(
                    found.kind != PromotionKind::Forward || self.opened.contains(promotion),
                    "no gate opened"
                );
                let before = self.rolling.insert(found.environment.clone(), *promotion);
                assert_eq!(before, None, "two rollouts at once in {}", found.environment);
            }
            Event::TrafficSwitched { promotion, .. } => {
                let found = self.state.promotion(*promotion).expect("a promotion");
                assert_eq!(self.rolling.get(&found.environment), Some(promotion));
            }
            Event::PromotionLive { promotion, .. } => {
                let found = self.state.promotion(*promotion).expect("a promotion");
                assert!(matches!(found.state, PromotionState::Verifying { .. }), "live without verification");
                assert_eq!(self.rolling.remove(&found.environment), Some(*promotion));
                self.was_live.entry(found.environment.clone()).or_default().push(*promotion);
            }
            Event::PromotionFailed { promotion, .. } => {
                let found = self.state.promotion(*promotion).expect("a promotion");
                if self.rolling.get(&found.environment) == Some(promotion) {
                    self.rolling.remove(&found.environment);
                }
            }
            Event::PromotionSuperseded { promotion, .. } | Event::PromotionRejected { promotion, .. } => {
                assert!(self.state.promotion(*promotion).expect("a promotion").state.is_waiting());
            }
            _ => {}
        }
    }

    fn check_proposal(&self, release: ReleaseId, to: &EnvironmentName, how: &PromotionKind, by: &Proposer) {
        let live_before =
            |name: &EnvironmentName| self.was_live.get(name).map(Vec::as_slice).unwrap_or_default();
        match how {
            PromotionKind::Forward => {
                let policy = self.state.policy().expect("a policy");
                if let Some(before) = policy.previous_environment(to) {
                    let releases = live_before(&before.name).iter().map(|id| self.release_of(*id));
                    assert!(
                        releases.into_iter().any(|id| id == release),
                        "{release} skipped {}",
                        before.name
                    );
                }
                let live = self.state.live(to);
                if let (Some((promotion, live)), false) = (live, matches!(by, Proposer::Person(_))) {
                    let is_newer = age(live) < age(&self.releases[&release]);
                    let is_back = promotion.kind != PromotionKind::Forward;
                    assert!(is_newer || is_back, "an older release came over a newer one by itself");
                }
            }
            PromotionKind::Rollback { to: earlier, from, reason } => {
                assert!(live_before(to).contains(earlier), "back to what was never live");
                assert_eq!(self.release_of(*earlier), release);
                let left = self.state.promotion(*from).expect("what is left");
                assert!(
                    reason.is_none() || left.kind == PromotionKind::Forward,
                    "a rollback was rolled back"
                );
            }
        }
    }

    fn release_of(&self, promotion: PromotionId) -> ReleaseId {
        self.state.promotion(promotion).expect("a promotion").release
    }

    /// Counts again, by other code, from what people are and what the log says that they did.
    fn check_opening(&self, promotion: PromotionId) {
        let found = self.state.promotion(promotion).expect("a promotion");
        let policy = self.state.policy().expect("a policy");
        let Some(rule) = policy.environment(&found.environment).and_then(|e| e.approve.clone()) else {
            return;
        };
        let author = &self.releases[&found.release].author;
        let counted = self.approvals[&promotion]
            .iter()
            .filter(|name| {
                let who = person(name.as_str());
                let by_group = rule.by.iter().any(|by| who.groups.contains(by));
                let by_name = rule.by.contains(&format!("@{name}"));
                let by_writing = rule.by.is_empty() && who.can_write;
                (by_group || by_name || by_writing) && !(rule.not_author && *name == author)
            })
            .count();
        assert!(counted >= rule.count as usize, "{promotion} was opened by {counted} of {}", rule.count);
    }

    fn check_state(&self) {
        for name in ["dev", "uat", "production"].map(environment) {
            let Some(place) = self.state.environment(&name) else { continue };
            assert_eq!(place.rolling_out, self.rolling.get(&name).copied());
            assert_eq!(place.live, self.was_live.get(&name).and_then(|live| live.last()).copied());
            let was_live = self.was_live.get(&name).map(Vec::as_slice).unwrap_or_default();
            assert_eq!(place.history, was_live);
            for id in &place.waiting {
                let waiting = self.state.promotion(*id).expect("a promotion");
                assert!(waiting.state.is_waiting());
                let is_ready = matches!(waiting.state, PromotionState::Ready { .. });
                assert!(!is_ready || place.rolling_out.is_some(), "{id} is ready, and nothing starts it");
            }
            let live: Vec<PromotionId> = self
                .state
                .promotions()
                .filter(|p| p.environment == name && matches!(p.state, PromotionState::Live { .. }))
                .map(|p| p.id)
                .collect();
            assert!(live.len() <= 1 && live.iter().all(|id| place.live == Some(*id)), "{live:?} are live");
        }
    }

    fn check_board(&self) {
        for row in board(&self.state, self.now).environments {
            if let Some(back) = row.rollback_to {
                let was = self.was_live.get(&row.name).map(Vec::as_slice).unwrap_or_default();
                assert!(was.iter().any(|id| self.release_of(*id) == back), "a target that never was");
            }
        }
    }

    fn perform(&mut self, random: &mut Random) {
        let Some(effect) = random.take(&mut self.outbox) else { return };
        if random.chance(10) {
            self.outbox.push(effect.clone());
        }
        let reason = || "it did not work".to_owned();
        match effect {
            Effect::StartRollout { promotion } => self.mail.push(match random.chance(75) {
                true => Command::RolloutSucceeded { promotion },
                false => Command::RolloutFailed { promotion, reason: reason() },
            }),
            Effect::StartVerification { promotion } => self.mail.push(match random.chance(70) {
                true => Command::VerificationSucceeded { promotion },
                false => Command::VerificationFailed { promotion, reason: reason() },
            }),
            Effect::KeepWatch { .. }
            | Effect::CleanUp { .. }
            | Effect::OpenRunGate { .. }
            | Effect::RejectRunGate { .. } => {}
        }
    }

    fn deliver(&mut self, random: &mut Random) {
        let Some(command) = random.take(&mut self.mail) else { return };
        if random.chance(20) {
            self.mail.push(command.clone());
        }
        self.tell(random, command);
    }

    /// Anybody says anything to what waits, or to a run's gate.
    fn decide_gates(&mut self, random: &mut Random) {
        let waiting: Vec<PromotionId> =
            self.state.promotions().filter(|p| p.state.is_waiting()).map(|p| p.id).collect();
        let run = RunId(1 + random.below(self.runs as usize + 1) as u64);
        let subject = match random.pick(&waiting) {
            Some(id) if random.chance(75) => ApprovalSubject::Promotion(*id),
            _ => ApprovalSubject::Run {
                run,
                environment: any_environment(random),
                author: UserName::new("ada"),
            },
        };
        let by = person(random.pick(&PEOPLE).expect("a person"));
        self.mail.push(match random.chance(90) {
            true => Command::Approve { subject, by },
            false => Command::Reject { subject, by, reason: None },
        });
    }

    /// Runs end in another order than they began.
    fn record(&mut self, random: &mut Random) {
        self.runs += 1;
        let run = if random.chance(20) { 1 + random.below(self.runs as usize) as u64 } else { self.runs };
        let mut record = pushed(random.pick(self.policies).expect("a policy"), run);
        if random.chance(5) {
            record.git_ref = "refs/heads/feature".into();
        }
        if random.chance(5) {
            record.run = Some(RunId(run + 1));
        }
        if random.chance(10) {
            record.run = None;
        }
        self.mail.push(Command::RecordRelease(Box::new(record)));
    }

    fn restart(&mut self) {
        self.mail
            .retain(|command| matches!(command, Command::ChangePolicy { .. } | Command::RecordRelease(_)));
        // The courier performs again what it had not seen through.
        for (environment, promotion) in &self.rolling {
            let _ = environment;
            self.outbox.push(match self.state.promotion(*promotion).map(|p| &p.state) {
                Some(PromotionState::Verifying { .. }) => Effect::StartVerification { promotion: *promotion },
                _ => Effect::StartRollout { promotion: *promotion },
            });
        }
        let rebuilt = replay(&self.log);
        assert_eq!(rebuilt, self.state, "a restart gives another state");
        self.state = rebuilt;
    }

    fn drift(&mut self, random: &mut Random) {
        let promotion = PromotionId(1 + random.below(self.state.promotions().count() + 1) as u64);
        let live = self.state.live(&any_environment(random)).map(|(promotion, _)| promotion.id);
        let promotion = live.filter(|_| random.chance(70)).unwrap_or(promotion);
        self.mail.push(Command::DriftDetected { promotion, reason: "it says another version".into() });
    }

    fn roll_back(&mut self, random: &mut Random) {
        let to = random.chance(40).then(|| ReleaseId(1 + random.below(self.releases.len() + 1) as u64));
        let by = person(random.pick(&PEOPLE).expect("a person"));
        self.mail.push(Command::Rollback { environment: any_environment(random), to, by });
    }

    fn propose(&mut self, random: &mut Random) {
        let release = ReleaseId(1 + random.below(self.releases.len() + 1) as u64);
        let by = match random.below(3) {
            0 => Proposer::Automation,
            1 => Proposer::Run(RunId(random.below(self.runs as usize + 1) as u64)),
            _ => Proposer::Person(UserName::new("grace")),
        };
        self.mail.push(Command::Propose { release, environment: any_environment(random), by });
    }

    fn nonsense(&mut self, random: &mut Random) {
        let promotion = PromotionId(random.below(self.state.promotions().count() + 2) as u64);
        self.mail.push(match random.below(4) {
            0 => Command::RolloutSucceeded { promotion },
            1 => Command::RolloutFailed { promotion, reason: "so it says".into() },
            2 => Command::VerificationSucceeded { promotion },
            _ => Command::VerificationFailed { promotion, reason: "so it says".into() },
        });
    }

    /// Without further faults whatever is on its way arrives, and what still waits, waits for something.
    fn finish(&mut self, random: &mut Random) {
        self.mail.clear();
        for _ in 0..200 {
            self.tell(random, Command::Tick);
            let Some(promotion) = self.rolling.values().min().copied() else { break };
            self.tell(random, Command::RolloutSucceeded { promotion });
            self.tell(random, Command::VerificationSucceeded { promotion });
        }
        assert!(self.rolling.is_empty(), "a rollout never ends");
        for promotion in self.state.promotions().filter(|promotion| promotion.state.is_waiting()) {
            assert!(
                !waits(&self.state, promotion, self.now).is_empty(),
                "{} waits for nothing",
                promotion.id
            );
        }
        for (id, release) in &self.releases {
            assert_eq!(self.state.release(*id), Some(release), "a release changed");
        }
    }

    fn check_replay(&self, random: &mut Random) {
        assert_eq!(replay(&self.log), self.state);
        let lengths: Vec<usize> = self.moments.keys().copied().collect();
        for _ in 0..2 {
            if let Some(length) = random.pick(&lengths) {
                assert_eq!(replay(&self.log[..*length]), self.moments[length], "after {length} events");
            }
        }
    }
}

fn any_environment(random: &mut Random) -> EnvironmentName {
    environment(["dev", "uat", "production"][random.below(3)])
}

/// What decides which of two releases is the newer one.
fn age(release: &Release) -> (RunId, ReleaseId) {
    let (Origin::Run { run } | Origin::Elsewhere { after: run }) = release.origin;
    (run, release.id)
}
