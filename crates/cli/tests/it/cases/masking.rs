//! A secret is in no log, page, error, name or file that Sluice writes, in no form that it is usually found in.

use std::process::Command;

use super::call;
use super::case::{Case, Runner};
use super::check;
use super::image;
use crate::repository::Repository;

const WORKFLOW: &str = include_str!("masking/workflow.yml");
/// Prints the forms of a text, one a line; the pipeline prints them, and the test looks for them.
const FORMS: &str = include_str!("masking/forms.py");

#[test]
fn a_secret_is_nowhere_on_the_host() {
    nowhere(Runner::Host, None);
}

#[test]
fn a_secret_is_nowhere_in_docker() {
    let Some(image) = image::ready() else { return };
    nowhere(Runner::Docker, Some(&image));
}

fn nowhere(runner: Runner, image: Option<&str>) {
    let case = Case::parse("github/masking", WORKFLOW).unwrap();
    let call = &case.calls[0];
    let repository = Repository::with(&[(case.pipeline_path, &case.pipeline), ("forms.py", FORMS)]);
    let record = call::run(&repository, call, runner, image).unwrap();
    let differences = check::differences(&call.expect, &record, &repository.state());
    assert!(differences.is_empty(), "{}", differences.join("\n"));

    let mut places = vec![
        ("stdout".to_owned(), record.stdout.into_bytes()),
        ("stderr".to_owned(), record.stderr.into_bytes()),
    ];
    check::files(&repository.state(), &mut places);
    // The search sees the logs and the database: what is no secret is found there.
    for (part, marker) in
        [(".log", "marker-of-the-log"), ("sluice.db", "marker-of-an-output"), ("/artifacts/", "kept-")]
    {
        let is_found = |(place, bytes): &(String, Vec<u8>)| {
            place.contains(part) && (place.contains(marker) || check::contains(bytes, marker.as_bytes()))
        };
        assert!(places.iter().any(is_found), "`{marker}` is in no {part}");
    }
    let mut found = Vec::new();
    for (name, secret) in &call.secrets {
        let forms = forms(&repository, secret);
        assert!(forms.len() > 3, "{forms:?}");
        for form in forms {
            for (place, bytes) in &places {
                // What a step itself puts into an artifact is the step's.
                let is_content = place.contains("/artifacts/");
                if place.contains(&form) || (!is_content && check::contains(bytes, form.as_bytes())) {
                    found.push(format!(
                        "{name} as `{form}` is in {place}: {}",
                        around(bytes, form.as_bytes())
                    ));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

fn forms(repository: &Repository, secret: &str) -> Vec<String> {
    let output =
        Command::new("python3").arg("forms.py").arg(secret).current_dir(repository.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn around(bytes: &[u8], part: &[u8]) -> String {
    let at = bytes.windows(part.len()).position(|window| window == part).unwrap_or_default();
    let shown = &bytes[at.saturating_sub(60)..(at + part.len() + 20).min(bytes.len())];
    String::from_utf8_lossy(shown).into_owned()
}
