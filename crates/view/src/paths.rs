//! Every address of the pages, in one place: routes and links cannot drift apart.
//!
//! A name that a stranger chose (a version, a job's key) is percent-encoded as one segment, slashes included; axum's `Path`
//! decodes it. The forms post fields as `application/x-www-form-urlencoded`, each listed at its address, and expect a redirect (303).

use std::fmt::Write;

use sluice_model::{EnvironmentName, InstanceId, JobId, PromotionId, RepositoryName, UserName};

/// `GET`: the page. `POST` `token`, `next`: signs in. `GET ?token=…` is the link that the first start prints.
pub fn sign_in() -> &'static str {
    "/sign-in"
}

/// `POST`.
pub fn sign_out() -> &'static str {
    "/sign-out"
}

pub fn home() -> &'static str {
    "/"
}

/// `GET`: the page. `POST` `name`, `groups` (separated by commas or spaces), `access` (`read`, `write` or `admin`): adds or changes a person.
pub fn people() -> &'static str {
    "/people"
}

/// `POST` `label`: makes a token, shown once on the page that answers.
pub fn tokens(who: &UserName) -> String {
    format!("/people/{}/tokens", segment(who.as_str()))
}

/// `POST`: revokes the token.
pub fn revoke_token(who: &UserName, token: &str) -> String {
    format!("/people/{}/tokens/{}/revoke", segment(who.as_str()), segment(token))
}

/// The runs of a repository are its first page.
pub fn repository(repository: &RepositoryName) -> String {
    format!("/{}/{}", segment(repository.owner()), segment(repository.name()))
}

pub fn runs(name: &RepositoryName) -> String {
    format!("{}/runs", repository(name))
}

/// Server-sent events of the runs page; it gets the page's own query.
pub fn runs_events(repository: &RepositoryName) -> String {
    format!("{}/events", runs(repository))
}

pub fn run(repository: &RepositoryName, number: u64) -> String {
    format!("{}/{number}", runs(repository))
}

pub fn run_events(repository: &RepositoryName, number: u64) -> String {
    format!("{}/events", run(repository, number))
}

/// `POST`.
pub fn cancel(repository: &RepositoryName, number: u64) -> String {
    format!("{}/cancel", run(repository, number))
}

/// `POST` `only`: `failed`, or absent for all jobs.
pub fn rerun(repository: &RepositoryName, number: u64) -> String {
    format!("{}/rerun", run(repository, number))
}

/// `POST` `decision` (`approve` or `reject`), `comment` (may be empty): a word at the gate of a run's job.
pub fn run_gate(repository: &RepositoryName, number: u64, job: &JobId) -> String {
    format!("{}/gates/{}", run(repository, number), segment(job.as_str()))
}

pub fn job(repository: &RepositoryName, number: u64, instance: &InstanceId) -> String {
    format!("{}/jobs/{}", run(repository, number), segment(&instance.to_string()))
}

pub fn job_events(repository: &RepositoryName, number: u64, instance: &InstanceId) -> String {
    format!("{}/events", job(repository, number, instance))
}

/// `GET ?from=N`: see [`crate::LogFeed`].
pub fn log_lines(repository: &RepositoryName, number: u64, instance: &InstanceId) -> String {
    format!("{}/log/lines", job(repository, number, instance))
}

/// `GET ?from=N`, server-sent events: see [`crate::LogFeed`].
pub fn log_events(repository: &RepositoryName, number: u64, instance: &InstanceId) -> String {
    format!("{}/log/events", job(repository, number, instance))
}

/// `GET`: the whole log as text, a download.
pub fn log_raw(repository: &RepositoryName, number: u64, instance: &InstanceId) -> String {
    format!("{}/log.txt", job(repository, number, instance))
}

/// `GET`: a page with the files of an artifact.
pub fn artifact(repository: &RepositoryName, number: u64, name: &str) -> String {
    format!("{}/artifacts/{}", run(repository, number), segment(name))
}

/// `GET`: one file of an artifact, a download. `path` is relative to the artifact, with `/`.
pub fn artifact_file(repository: &RepositoryName, number: u64, name: &str, path: &str) -> String {
    let path: Vec<String> = path.split('/').map(segment).collect();
    format!("{}/{}", artifact(repository, number, name), path.join("/"))
}

pub fn board(name: &RepositoryName) -> String {
    format!("{}/board", repository(name))
}

pub fn board_events(repository: &RepositoryName) -> String {
    format!("{}/events", board(repository))
}

/// `POST` `version`: starts a promotion of that release.
pub fn promote(name: &RepositoryName, environment: &EnvironmentName) -> String {
    format!("{}/environments/{}/promote", repository(name), segment(environment.as_str()))
}

/// `POST` `version`: the release to go back to, refused when it is no longer the target.
pub fn roll_back(name: &RepositoryName, environment: &EnvironmentName) -> String {
    format!("{}/environments/{}/rollback", repository(name), segment(environment.as_str()))
}

/// `POST` `decision` (`approve` or `reject`), `comment` (may be empty), `back` (`board` or absent: where to return to).
pub fn promotion_gate(name: &RepositoryName, promotion: PromotionId) -> String {
    format!("{}/promotions/{promotion}/gate", repository(name))
}

pub fn releases(name: &RepositoryName) -> String {
    format!("{}/releases", repository(name))
}

pub fn releases_events(repository: &RepositoryName) -> String {
    format!("{}/-/events", releases(repository))
}

pub fn release(repository: &RepositoryName, version: &str) -> String {
    format!("{}/{}", releases(repository), segment(version))
}

pub fn release_events(repository: &RepositoryName, version: &str) -> String {
    format!("{}/events", release(repository, version))
}

pub fn images(name: &RepositoryName) -> String {
    format!("{}/images", repository(name))
}

/// One segment of a path, or one value of a query: what is not unreserved (RFC 3986, 2.3) is percent-encoded.
pub(crate) fn segment(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(byte as char),
            // Writing to a string cannot fail.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    // A segment of dots alone would walk through the tree.
    match encoded.as_str() {
        "." => "%2E".to_owned(),
        ".." => "%2E%2E".to_owned(),
        _ => encoded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_stranger_chose_stays_in_its_segment() {
        let name: RepositoryName = "acme/storefront".parse().unwrap();
        for (version, expect) in [
            ("version1.2.3", "/acme/storefront/releases/version1.2.3"),
            ("a/../b?x#y", "/acme/storefront/releases/a%2F..%2Fb%3Fx%23y"),
            ("..", "/acme/storefront/releases/%2E%2E"),
            ("\"><script>", "/acme/storefront/releases/%22%3E%3Cscript%3E"),
        ] {
            assert_eq!(release(&name, version), expect);
        }
        assert_eq!(
            job(&name, 42, &"call/inner.3".parse().unwrap()),
            "/acme/storefront/runs/42/jobs/call%2Finner.3"
        );
    }
}
