//! Environments, releases and promotions.

use sluice_model::{PromotionId, ServiceName};
use sluice_view::*;

use super::{ago, digest, environment, gate, instance, repository, sha, user};

pub fn change() -> Change {
    Change {
        commits: vec![
            ChangedCommit {
                sha: sha(45),
                subject: "Answer /version with the commit that was built".to_owned(),
                author: user("jonas"),
            },
            ChangedCommit {
                sha: sha(44),
                subject: "Take the health path from the configuration".to_owned(),
                author: user("mara"),
            },
        ],
        more_commits: 3,
        images: vec![ChangedImage { service: ServiceName::new("api"), from: Some(digest(1)), to: digest(2) }],
        variables: vec!["LOG_LEVEL".to_owned()],
        is_backward: false,
    }
}

fn live(version: &str, number: u64, subject: &str, since: i64) -> Live {
    Live {
        version: version.to_owned(),
        sha: sha(number),
        subject: subject.to_owned(),
        author: user("jonas"),
        since: ago(since),
        replicas: vec![
            Replicas { service: ServiceName::new("api"), healthy: 1, wanted: 1 },
            Replicas { service: ServiceName::new("web"), healthy: 1, wanted: 1 },
        ],
        drift: vec![],
        rolled_back_from: None,
    }
}

fn promotion(
    id: u64,
    version: &str,
    number: u64,
    subject: &str,
    stage: PromotionStage,
    since: i64,
) -> Promotion {
    Promotion {
        id: PromotionId(id),
        version: version.to_owned(),
        sha: sha(number),
        subject: subject.to_owned(),
        author: user("jonas"),
        stage,
        since: ago(since),
        progress: None,
        change: None,
    }
}

pub fn board() -> BoardPage {
    let rollback = |version: &str, subject: &str, may| {
        Some(Rollback { version: version.to_owned(), subject: subject.to_owned(), may, is_warm: true })
    };
    let column = |name: &str, policy: Option<&str>, port: u16| Column {
        environment: environment(name),
        target: "docker".to_owned(),
        policy: policy.map(str::to_owned),
        url: Some(format!("http://127.0.0.1:{port}")),
        live: None,
        arriving: vec![],
        failed: None,
        next: None,
        rollback: None,
    };
    let five = "Round prices to the currency's own digits";
    let four = "Answer /version with the commit that was built";
    let three = "Name the build's stages";
    let mut production_live = live("version1.2.3", 43, three, 26 * 3_600);
    production_live.replicas[0] = Replicas { service: ServiceName::new("api"), healthy: 3, wanted: 3 };
    BoardPage {
        repository: repository(),
        problems: vec![],
        columns: vec![
            Column {
                live: Some(live("version1.2.5", 48, five, 6 * 60)),
                rollback: rollback("version1.2.4", four, May::Yes),
                ..column("dev", None, 7101)
            },
            Column {
                live: Some(live("version1.2.4", 45, four, 62 * 60)),
                arriving: vec![Promotion {
                    progress: Some("api: 1 of 2 ready, then the switch".to_owned()),
                    change: Some(Change { more_commits: 0, variables: vec![], ..change() }),
                    ..promotion(31, "version1.2.5", 48, five, PromotionStage::Deploying, 12)
                }],
                rollback: rollback("version1.2.3", three, May::Yes),
                ..column("uat", Some("qa"), 7102)
            },
            Column {
                live: Some(Live {
                    drift: vec!["api says version1.2.3, not version1.2.4".to_owned()],
                    ..live("version1.2.4", 45, four, 40 * 60)
                }),
                failed: Some(Failed {
                    version: "version1.2.4-rc2".to_owned(),
                    at: ago(3 * 3_600),
                    status: Status::Failed,
                    reason: "api did not become healthy within 60 s: GET /healthz answered 500".to_owned(),
                    taken_back: true,
                }),
                next: Some(Next {
                    version: "version1.2.5".to_owned(),
                    subject: five.to_owned(),
                    change: Some(change()),
                    may: May::No("it has to be live in uat first".to_owned()),
                }),
                rollback: rollback("version1.2.3", three, May::No("only qa may roll back".to_owned())),
                ..column("staging", Some("qa, soak 30 min"), 7103)
            },
            Column {
                live: Some(production_live),
                arriving: vec![Promotion {
                    change: Some(change()),
                    ..promotion(
                        30,
                        "version1.2.4",
                        45,
                        four,
                        PromotionStage::Gated(gate("production", May::Yes)),
                        14 * 60,
                    )
                }],
                rollback: rollback("version1.2.2", "Sort the catalogue by name", May::Yes),
                ..column("production", Some("2 of release-managers, not the author"), 7104)
            },
        ],
    }
}

fn station(name: &str, state: StationState, at: Option<i64>) -> Station {
    Station { environment: environment(name), state, at: at.map(ago), decisions: vec![], promote: None }
}

pub fn way() -> Vec<Station> {
    vec![
        station("dev", StationState::Past, Some(77 * 60)),
        Station {
            decisions: vec![Decision {
                who: user("ines"),
                verdict: Verdict::Approved,
                at: ago(64 * 60),
                comment: None,
            }],
            ..station("uat", StationState::Live, Some(62 * 60))
        },
        Station {
            decisions: vec![Decision {
                who: user("ines"),
                verdict: Verdict::Approved,
                at: ago(42 * 60),
                comment: Some("smoke test by hand".to_owned()),
            }],
            ..station("staging", StationState::Live, Some(40 * 60))
        },
        station(
            "production",
            StationState::Waiting {
                promotion: PromotionId(30),
                gate: gate(
                    "production",
                    May::No("you wrote one of its commits, and the author may not approve".to_owned()),
                ),
            },
            Some(14 * 60),
        ),
    ]
}

pub fn release() -> ReleasePage {
    let row = |id, name: &str, state, from: i64, to: Option<i64>| PromotionRow {
        id: PromotionId(id),
        environment: environment(name),
        state,
        started_by: user("jonas"),
        started_at: ago(from),
        finished_at: to.map(ago),
        decisions: vec![],
        is_rollback: false,
    };
    let mut rows = vec![
        row(
            30,
            "production",
            StationState::Waiting { promotion: PromotionId(30), gate: gate("production", May::Yes) },
            14 * 60,
            None,
        ),
        row(28, "staging", StationState::Live, 43 * 60, Some(40 * 60)),
        row(
            27,
            "staging",
            StationState::Failed("web did not become healthy within 60 s: connection refused".to_owned()),
            51 * 60,
            Some(50 * 60),
        ),
        row(26, "uat", StationState::Live, 65 * 60, Some(62 * 60)),
        row(25, "dev", StationState::Past, 77 * 60 + 14, Some(77 * 60)),
    ];
    rows[1].decisions = way()[2].decisions.clone();
    rows[3].decisions = way()[1].decisions.clone();
    ReleasePage {
        repository: repository(),
        version: "version1.2.4".to_owned(),
        sha: sha(45),
        subject: "Answer /version with the commit that was built".to_owned(),
        description: "The check after a deployment reads it, so that what is live is what was promoted."
            .to_owned(),
        author: user("jonas"),
        created_at: ago(76 * 60),
        origin: Origin {
            run: Some((45, "deliver".to_owned())),
            ref_name: "master".to_owned(),
            actor: user("jonas"),
        },
        images: vec![
            ImageRow {
                service: ServiceName::new("api"),
                name: "127.0.0.1:7000/acme/storefront/api".to_owned(),
                digest: digest(2),
                size_bytes: 18_240_112,
                pushed_by: Some(instance("push")),
            },
            ImageRow {
                service: ServiceName::new("web"),
                name: "127.0.0.1:7000/acme/storefront/web".to_owned(),
                digest: digest(3),
                size_bytes: 6_120_009,
                pushed_by: Some(instance("push")),
            },
        ],
        way: way(),
        history: rows,
        change: Some(change()),
        previous_version: Some("version1.2.3".to_owned()),
    }
}

pub fn releases() -> ReleasesPage {
    let row = |version: &str, number: u64, subject: &str, since: i64, states: [StationState; 4]| ReleaseRow {
        version: version.to_owned(),
        sha: sha(number),
        subject: subject.to_owned(),
        author: user("jonas"),
        created_at: ago(since),
        way: ["dev", "uat", "staging", "production"]
            .into_iter()
            .zip(states)
            .map(|(name, state)| station(name, state, None))
            .collect(),
    };
    let waiting = StationState::Waiting { promotion: PromotionId(30), gate: gate("production", May::Yes) };
    use StationState::{Ahead, Deploying, Live, Past, RolledBack};
    ReleasesPage {
        repository: repository(),
        older: Some(9),
        rule: Some("branch master, tags version*".to_owned()),
        releases: vec![
            row(
                "version1.2.5",
                48,
                "Round prices to the currency's own digits",
                380,
                [Live, Deploying, Ahead, Ahead],
            ),
            row(
                "version1.2.4",
                45,
                "Answer /version with the commit that was built",
                76 * 60,
                [Past, Live, Live, waiting],
            ),
            row("version1.2.3", 43, "Name the build's stages", 27 * 3_600, [Past, Past, Past, Live]),
            row("version1.2.2", 40, "Sort the catalogue by name", 50 * 3_600, [Past, Past, Past, RolledBack]),
            row(
                "version1.2.1",
                38,
                "Keep the basket over a restart",
                99 * 3_600,
                [Past, StationState::Failed("web refused".to_owned()), Ahead, StationState::Rejected],
            ),
        ],
    }
}
