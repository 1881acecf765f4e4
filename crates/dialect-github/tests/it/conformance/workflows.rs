use serde_json::{Value as Json, json};
use sluice_dialect_github::{JobBody, Workflow, read};

/// Rows where `expected.json` holds the TypeScript parser's word and the service does otherwise: `docs/conformance.md`.
const EXPECTED_IS_WRONG: [&str; 8] = [
    "DataDog__dd-trace-rb__lock-dependency-commit.yml",
    "hashicorp__nomad__security-scan.yml",
    "open-telemetry__semantic-conventions__changelog.yml",
    "auth0__auth0.js__npm-release.yml",
    "mozilla-services__syncstorage-rs__main-workflow.yml",
    "oxidecomputer__dropshot__validate-openapi-spec.yml",
    "thanos-io__thanos__go.yaml",
    "thanos-io__thanos__docs.yaml",
];

#[test]
fn real_workflows() {
    let Some(folder) = super::suite("github/workflows") else { return };
    let expected: Json =
        serde_json::from_str(&std::fs::read_to_string(folder.join("expected.json")).unwrap()).unwrap();
    let mut passed = 0;
    let mut failures = Vec::new();
    for (name, expected) in expected.as_object().unwrap() {
        let Ok(bytes) = std::fs::read(folder.join(name)) else {
            failures.push((name.clone(), "the file is missing".to_owned()));
            continue;
        };
        let text = String::from_utf8_lossy(&bytes);
        let outcome = read(&format!(".github/workflows/{name}"), &text, &|_| None);
        let reason = match (&outcome.workflow, expected["accepted"].as_bool().unwrap()) {
            (None, false) => None,
            (Some(_), false) => Some("accepted, expected to be refused".to_owned()),
            (None, true) => {
                Some(format!("refused: {:?}", outcome.diagnostics.first().map(ToString::to_string)))
            }
            (Some(workflow), true) => difference(workflow, expected),
        };
        match reason {
            None => passed += 1,
            Some(reason) => failures.push((name.clone(), reason)),
        }
    }
    super::report("github/workflows", passed, 0, &failures, &EXPECTED_IS_WRONG);
}

fn difference(workflow: &Workflow, expected: &Json) -> Option<String> {
    let mut events: Vec<&str> = workflow.events().iter().map(|event| event.name.as_str()).collect();
    events.sort_unstable();
    events.dedup();
    if json!(events) != expected["events"] {
        return Some(format!("events {events:?}, expected {}", expected["events"]));
    }
    let jobs: Vec<Json> = workflow
        .jobs()
        .iter()
        .map(|job| {
            json!({
                "id": job.id,
                "kind": if matches!(job.body, JobBody::Call(_)) { "reusableWorkflowJob" } else { "job" },
                "needs": job.needs.iter().map(|need| need.job.as_str()).collect::<Vec<_>>(),
                "if": job.whole_condition(),
                "steps": job.steps().iter().map(|step| step.id.as_str()).collect::<Vec<_>>(),
            })
        })
        .collect();
    let expected = expected["jobs"].as_array().unwrap();
    if jobs.len() != expected.len() {
        return Some(format!("{} jobs, expected {}", jobs.len(), expected.len()));
    }
    jobs.iter()
        .zip(expected)
        .find(|(got, wanted)| got != wanted)
        .map(|(got, wanted)| format!("{got}, expected {wanted}"))
}
