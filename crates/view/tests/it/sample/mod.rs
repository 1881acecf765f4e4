//! A Friday afternoon at acme/storefront: version1.2.4 waits before production, version1.2.5 is on its way, one run is red.

use sluice_model::{CommitSha, Digest, EnvironmentName, InstanceId, RepositoryName, Timestamp, UserName};
use sluice_view::*;

mod deliver;
mod run;

pub use deliver::*;
pub use run::*;

/// Friday, 20 November 2026, 16:55:00 UTC.
pub const NOW: Timestamp = Timestamp(1_795_193_700_000);

pub fn ago(seconds: i64) -> Timestamp {
    NOW.plus_ms(-seconds * 1_000)
}

pub fn frame() -> Frame {
    Frame {
        viewer: Some(Viewer { name: user("mara"), is_admin: true }),
        now: NOW,
        form_token: Some("f0rm".to_owned()),
        notice: None,
    }
}

pub fn stranger() -> Frame {
    Frame { viewer: None, form_token: None, ..frame() }
}

pub fn repository() -> RepositoryName {
    "acme/storefront".parse().expect("a valid name")
}

pub fn user(name: &str) -> UserName {
    UserName::new(name)
}

pub fn sha(seed: u64) -> CommitSha {
    let digits = format!("{:016x}", seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    format!("{digits}{digits}{}", &digits[..8]).parse().expect("40 digits")
}

pub fn digest(seed: u64) -> Digest {
    let digits = format!("{:016x}", seed.wrapping_mul(0xd1b5_4a32_d192_ed03));
    format!("sha256:{}", digits.repeat(4)).parse().expect("64 digits")
}

fn environment(name: &str) -> EnvironmentName {
    EnvironmentName::new(name)
}

fn instance(name: &str) -> InstanceId {
    let Ok(id) = name.parse();
    id
}

pub fn gate(name: &str, may: May) -> GateWait {
    GateWait {
        name: name.to_owned(),
        on: vec!["release-managers".to_owned()],
        needed: 2,
        decisions: vec![Decision {
            who: user("jonas"),
            verdict: Verdict::Approved,
            at: ago(310),
            comment: Some("checked the basket on staging".to_owned()),
        }],
        since: ago(14 * 60),
        also: vec![],
        may,
    }
}

pub fn sign_in() -> SignInPage {
    SignInPage {
        next: "/acme/storefront/board".to_owned(),
        problem: None,
        command: "sluice serve --data ./data --print-link".to_owned(),
    }
}

pub fn home() -> HomePage {
    let stage = |name: &str, version: Option<&str>, status| Stage {
        environment: environment(name),
        version: version.map(str::to_owned),
        status,
    };
    let mut rows = run_rows();
    HomePage {
        server_url: "http://127.0.0.1:7000".to_owned(),
        repositories: vec![
            RepositoryRow {
                name: repository(),
                last_run: Some(rows.swap_remove(0)),
                stages: vec![
                    stage("dev", Some("version1.2.5"), Status::Passed),
                    stage("uat", Some("version1.2.5"), Status::Running),
                    stage("staging", Some("version1.2.4"), Status::Passed),
                    stage("production", Some("version1.2.3"), Status::Waiting),
                ],
                waiting: 2,
            },
            RepositoryRow {
                name: "acme/docs".parse().expect("valid"),
                last_run: Some(run_row(
                    12,
                    Status::Failed,
                    "Link the runbook from the front page",
                    7_200,
                    Some(31),
                )),
                stages: vec![stage("production", Some("version0.4.0"), Status::Failed)],
                waiting: 0,
            },
            RepositoryRow {
                name: "acme/fresh".parse().expect("valid"),
                last_run: None,
                stages: vec![],
                waiting: 0,
            },
        ],
    }
}

pub fn people() -> PeoplePage {
    let token = |id: &str, label: &str, expires: Option<i64>| TokenRow {
        id: id.to_owned(),
        label: label.to_owned(),
        created_at: ago(40 * 86_400),
        expires_at: expires.map(|at| NOW.plus_ms(at * 1_000)),
    };
    let person = |name: &str, groups: &[&str], access, tokens| Person {
        name: user(name),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        access,
        tokens,
    };
    PeoplePage {
        people: vec![
            person(
                "mara",
                &["release-managers"],
                Access::Admin,
                vec![token("7f3a", "laptop", None), token("90bc", "phone", Some(12 * 86_400))],
            ),
            person(
                "jonas",
                &["release-managers", "developers"],
                Access::Write,
                vec![token("11aa", "laptop", Some(-86_400))],
            ),
            person("ines", &["qa"], Access::Read, vec![]),
        ],
        groups: vec!["qa".to_owned(), "release-managers".to_owned()],
        fresh: Some(FreshToken {
            who: user("ines"),
            token: "slc_7JmZ2bXv0hYq4sKd".to_owned(),
            link: "http://127.0.0.1:7000/sign-in?token=slc_7JmZ2bXv0hYq4sKd".to_owned(),
        }),
    }
}

pub fn artifact() -> ArtifactPage {
    let file = |path: &str, size_bytes| ArtifactFile { path: path.to_owned(), size_bytes };
    ArtifactPage {
        repository: "acme/storefront".parse().unwrap(),
        run_number: 42,
        name: "coverage report".to_owned(),
        files: vec![file("html/index.html", 18_432), file("html/a b&c.js", 912), file("lcov.info", 220_114)],
        has_more: true,
    }
}

pub fn images() -> ImagesPage {
    let tagged = |tag: &str, seed, by, releases: &[(&str, &[&str])]| TaggedImage {
        tag: tag.to_owned(),
        digest: digest(seed),
        set_at: ago(seed as i64 * 3_600),
        by,
        platforms: vec!["linux/amd64".to_owned()],
        size_bytes: 48_210_334,
        layers: vec![(digest(71), 29_124_181), (digest(seed + 100), 19_086_153)],
        has_provenance: false,
        has_bill_of_materials: false,
        releases: releases
            .iter()
            .map(|(version, live)| {
                ((*version).to_owned(), live.iter().map(|name| environment(name)).collect())
            })
            .collect(),
    };
    let job = |run, name: &str| ImagePusher::Job { run, instance: instance(name) };
    let signed = |image| TaggedImage { has_provenance: true, has_bill_of_materials: true, ..image };
    let index = TaggedImage {
        platforms: vec!["linux/amd64".to_owned(), "linux/arm64".to_owned()],
        layers: vec![],
        ..tagged("by-hand", 60, ImagePusher::Person("jonas".to_owned()), &[])
    };
    ImagesPage {
        repository: repository(),
        host: "127.0.0.1:7000".to_owned(),
        images: vec![
            ImageSection {
                name: "storefront/api".to_owned(),
                size_bytes: 181_204_551,
                own_bytes: 102_310_004,
                tags: vec![
                    signed(tagged("version1.2.5", 1, job(42, "push"), &[("version1.2.5", &["dev"])])),
                    signed(tagged(
                        "version1.2.3",
                        50,
                        job(38, "push"),
                        &[("version1.2.3", &["staging", "production"])],
                    )),
                    index,
                ],
                more: 118,
            },
            ImageSection {
                name: "storefront/web".to_owned(),
                size_bytes: 21_000_000,
                own_bytes: 21_000_000,
                tags: vec![tagged("build-<b>77", 3, job(41, "build images.2"), &[])],
                more: 0,
            },
        ],
        mirrors: vec![
            MirrorSection {
                name: "base".to_owned(),
                upstream: "registry.example.org/acme".to_owned(),
                repositories: 1,
                size_bytes: 42_000_000,
                cached: 40,
                fetched: 2,
                fetched_bytes: 43_100_000,
                problem: Some("registry.example.org cannot be reached: <timed out>".to_owned()),
            },
            MirrorSection {
                name: "hub".to_owned(),
                upstream: "registry-1.docker.io".to_owned(),
                repositories: 12,
                size_bytes: 1_942_000_000,
                cached: 4_711,
                fetched: 82,
                fetched_bytes: 1_950_000_000,
                problem: None,
            },
        ],
    }
}

/// Every page by name, as the gallery and the snapshots show them.
pub fn pages() -> Vec<(&'static str, String)> {
    let frame = &frame();
    let done = &Frame {
        notice: Some(Notice { tone: Tone::Good, text: "Approved version1.2.4 for staging.".to_owned() }),
        ..frame.clone()
    };
    let refused = SignInPage { problem: Some("This token has been revoked.".to_owned()), ..sign_in() };
    let filtered = RunsPage {
        filters: RunFilters { branch: Some("gone/branch".to_owned()), ..RunFilters::default() },
        runs: vec![],
        ..runs()
    };
    [
        ("sign-in", sign_in().render(&stranger())),
        ("sign-in-refused", refused.render(&stranger())),
        ("home", home().render(frame)),
        ("home-empty", HomePage { repositories: vec![], ..home() }.render(frame)),
        ("runs", runs().render(frame)),
        ("runs-empty", RunsPage { runs: vec![], older: None, ..runs() }.render(frame)),
        ("runs-filtered", filtered.render(frame)),
        ("run-waiting", waiting_run().render(frame)),
        ("run-failed", failed_run().render(frame)),
        ("run-running", running_run().render(frame)),
        ("run-refused", refused_run().render(frame)),
        ("job", job_page().render(frame)),
        ("job-running", running_job().render(frame)),
        ("job-queued", queued_job().render(frame)),
        ("job-middle", middle_of_log().render(frame)),
        ("board", board().render(done)),
        ("board-empty", BoardPage { columns: vec![], ..board() }.render(frame)),
        ("releases", releases().render(frame)),
        ("releases-empty", ReleasesPage { releases: vec![], older: None, ..releases() }.render(frame)),
        ("release", release().render(frame)),
        ("people", people().render(frame)),
        ("images", images().render(frame)),
        ("images-empty", ImagesPage { images: vec![], ..images() }.render(frame)),
        ("artifact", artifact().render(frame)),
        ("not-found", ProblemPage::not_found("no run 99 in acme/storefront").render(frame)),
        (
            "forbidden",
            ProblemPage::forbidden(
                "approve for production",
                "Only release-managers may. Ask jonas or petra.",
            )
            .render(frame),
        ),
        ("broken", ProblemPage::broken("0199a3c2-7f").render(frame)),
    ]
    .into_iter()
    .map(|(name, page)| (name, page.into_string()))
    .collect()
}
