use reqwest::header::{CONTENT_SECURITY_POLICY, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, Response, StatusCode};
use sluice_view::paths;

use crate::gates::{CIRCLE, POLICY};
use crate::world::World;

const CI: &str = "on: push\njobs:\n  build:\n    runs-on: x\n    steps: [{ run: echo hello pages }]\n";

pub struct Browser {
    http: Client,
    url: String,
    cookie: String,
}

impl Browser {
    /// Signs in by the link that the first start prints.
    pub async fn sign_in(world: &World) -> Self {
        Self::sign_in_with(world, &world.token().await).await
    }

    async fn sign_in_with(world: &World, token: &str) -> Self {
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let link = format!("{}{}?token={token}", world.url, paths::sign_in());
        let answer = http.get(link).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().to_owned();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Self { http, url: world.url.clone(), cookie }
    }

    pub async fn get(&self, path: &str) -> Response {
        let request = self.http.get(format!("{}{path}", self.url)).header(COOKIE, &self.cookie);
        request.send().await.unwrap()
    }

    async fn post(&self, path: &str, origin: &str, body: &'static str) -> StatusCode {
        self.send(path, origin, body).await.status()
    }

    async fn send(&self, path: &str, origin: &str, body: &'static str) -> Response {
        let request = self.http.post(format!("{}{path}", self.url)).header(COOKIE, &self.cookie);
        let request = request.header(ORIGIN, origin).body(body);
        let form = ("content-type", "application/x-www-form-urlencoded");
        request.header(form.0, form.1).send().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_answers_and_nobody_sees_one_without_signing_in() {
    let mut world = World::start().await;
    world.write(".github/workflows/ci.yml", CI);
    world.push().await.unwrap();
    world.ended(1).await;
    let (name, build) = (&world.repository, "build".parse().unwrap());
    let browser = Browser::sign_in(&world).await;
    for (path, seen) in [
        (paths::home().to_owned(), "acme"),
        (paths::people().to_owned(), "admin"),
        (paths::images(name), "No image yet"),
        (paths::repository(name), "Change the shop"),
        (paths::runs(name), "Change the shop"),
        (paths::run(name, 1), "build"),
        (paths::job(name, 1, &build), "hello pages"),
        (paths::log_lines(name, 1, &build), "hello pages"),
        (paths::log_raw(name, 1, &build), "hello pages"),
        (paths::log_events(name, 1, &build), "event: end"),
        (paths::board(name), "sluice.yaml"),
        (paths::releases(name), "elease"),
    ] {
        let answer = browser.get(&path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        let text = answer.text().await.unwrap();
        assert!(text.contains(seen), "{path} does not show `{seen}`:\n{text}");
        let stranger = browser.http.get(format!("{}{path}", browser.url)).send().await.unwrap();
        assert_eq!(stranger.status(), StatusCode::SEE_OTHER, "{path}");
        assert!(stranger.headers()[LOCATION].to_str().unwrap().starts_with(paths::sign_in()));
    }
    let page = browser.get(&paths::run(name, 1)).await;
    assert!(page.headers().contains_key(CONTENT_SECURITY_POLICY));
    for asset in sluice_view::assets() {
        assert_eq!(browser.get(&asset.path).await.status(), StatusCode::OK, "{}", asset.path);
    }
    assert_eq!(browser.get(&paths::run(name, 99)).await.status(), StatusCode::NOT_FOUND);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_site_does_nothing() {
    let mut world = World::start().await;
    world.write(".github/workflows/ci.yml", CI);
    world.push().await.unwrap();
    world.ended(1).await;
    let browser = Browser::sign_in(&world).await;
    let rerun = paths::rerun(&world.repository, 1);
    for origin in ["http://evil.example", "null", ""] {
        assert_eq!(browser.post(&rerun, origin, "").await, StatusCode::FORBIDDEN, "{origin}");
    }
    assert_eq!(world.ended(1).await.run.attempt, 1);
    assert_eq!(browser.post(&rerun, &world.url, "").await, StatusCode::SEE_OTHER);
    world.wait(1, "run again", |run| run.run.attempt == 2 && run.run.state.is_ended()).await;
    let too_large = "x".repeat(2 << 20);
    let request = browser.http.post(format!("{}{rerun}", world.url)).header(COOKIE, &browser.cookie);
    let request =
        request.header(ORIGIN, &world.url).header("content-type", "application/x-www-form-urlencoded");
    let answer =
        request.header(HOST, world.url.strip_prefix("http://").unwrap()).body(too_large).send().await;
    // The server may close the connection before all was sent.
    assert!(answer.map_or(true, |answer| answer.status() == StatusCode::PAYLOAD_TOO_LARGE));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_page_sends_its_regions_first() {
    let mut world = World::start().await;
    world.write(".github/workflows/ci.yml", CI);
    world.push().await.unwrap();
    world.ended(1).await;
    let browser = Browser::sign_in(&world).await;
    for path in [
        paths::runs_events(&world.repository),
        paths::run_events(&world.repository, 1),
        paths::job_events(&world.repository, 1, &"build".parse().unwrap()),
        paths::board_events(&world.repository),
        paths::releases_events(&world.repository),
    ] {
        let mut answer = browser.get(&path).await;
        let chunk = answer.chunk().await.unwrap().unwrap();
        assert!(chunk.starts_with(b"event: "), "{path}: {}", String::from_utf8_lossy(&chunk));
    }
    // Streams end by themselves, so that the server can.
    let mut open = browser.get(&paths::run_events(&world.repository, 1)).await;
    world.end().await;
    while let Ok(Some(_)) = open.chunk().await {}
}

/// The sentence that a form's end puts on the next page.
fn notice(answer: &Response) -> String {
    use base64::Engine as _;
    let cookies = answer.headers().get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let value = cookies.filter_map(|cookie| cookie.strip_prefix("sluice_notice=")).next_back().unwrap();
    let value = value.split(';').next().unwrap();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(&value[1..]).unwrap();
    format!("{}: {}", if value.starts_with('g') { "good" } else { "bad" }, String::from_utf8(bytes).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_only_read_does_nothing_by_the_api_or_the_pages() {
    use sluice_model::{EnvironmentName, JobId};
    use sluice_wire::{ClientError, Decision, NewToken, PromoteRequest, RollbackRequest};
    let mut world = World::start().await;
    world.write(".circleci/config.yml", CIRCLE);
    world.write("sluice.yaml", POLICY);
    world.push().await.unwrap();
    world.waiting(1).await;
    let reader = world.account("rita", "read", &[]).await;
    let (repository, uat) = (&world.repository, EnvironmentName::new("uat"));
    let yes = Decision { approve: true, comment: None };
    let version = "1".to_owned();
    for (what, refused) in [
        ("cancel", reader.cancel(repository, 1, &Default::default()).await.err()),
        ("rerun", reader.rerun(repository, 1, &Default::default()).await.err()),
        ("gate", reader.decide_gate(repository, 1, &JobId::new("approve-uat"), &yes).await.err()),
        ("environment", reader.decide_environment(repository, &uat, &yes).await.err()),
        ("promote", reader.promote(repository, &uat, &PromoteRequest { version }).await.err()),
        ("rollback", reader.rollback(repository, &uat, &RollbackRequest::default()).await.err()),
    ] {
        assert!(matches!(refused, Some(ClientError::Refused { status: 403, .. })), "{what}: {refused:?}");
    }
    let label = NewToken { label: "browser".to_owned() };
    let token = world.admin.new_token(&sluice_model::UserName::new("rita"), &label).await.unwrap().token;
    let browser = Browser::sign_in_with(&world, token.expose()).await;
    for (path, body) in [
        (paths::cancel(repository, 1), ""),
        (paths::rerun(repository, 1), ""),
        (paths::run_gate(repository, 1, &JobId::new("approve-uat")), "decision=approve"),
        (paths::promote(repository, &uat), "version=1"),
        (paths::roll_back(repository, &uat), "version=1"),
    ] {
        let answer = browser.send(&path, &world.url, body).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
        let said = notice(&answer);
        assert!(said.starts_with("bad: ") && said.contains("may"), "{path}: {said}");
    }
    assert_eq!(
        browser.post(paths::people(), &world.url, "name=evil&access=admin").await,
        StatusCode::FORBIDDEN
    );
    let page = browser.get(&paths::run(repository, 1)).await.text().await.unwrap();
    assert!(page.contains("only qa may approve"), "{page}");
    assert!(page.contains("you may only read here"), "{page}");
    assert!(!page.contains(&paths::cancel(repository, 1)), "{page}");
    world.waiting(1).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_is_downloaded_by_who_may_read() {
    let mut world = World::start().await;
    let ci = "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: mkdir -p out/in; echo '<h1>hi' > out/in/a.html\n      - uses: actions/upload-artifact@v4\n        with: { name: my out, path: out }\n";
    world.write(".github/workflows/ci.yml", ci);
    world.push().await.unwrap();
    world.ended(1).await;
    let browser = Browser::sign_in(&world).await;
    let name = &world.repository;
    let artifact = paths::artifact(name, 1, "my out");
    let run = browser.get(&paths::run(name, 1)).await.text().await.unwrap();
    assert!(run.contains(&artifact), "{run}");
    let file = paths::artifact_file(name, 1, "my out", "in/a.html");
    let page = browser.get(&artifact).await.text().await.unwrap();
    assert!(page.contains(&file), "{page}");
    let answer = browser.get(&file).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let disposition = answer.headers()["content-disposition"].to_str().unwrap().to_owned();
    assert!(disposition.starts_with("attachment; filename=\"a.html\""), "{disposition}");
    assert!(answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().contains("sandbox"));
    assert_eq!(answer.headers()["content-type"], "application/octet-stream");
    assert_eq!(answer.text().await.unwrap(), "<h1>hi\n");
    for path in ["in/..%2f..%2f..%2fa", "%2e%2e/x", "none", "in", "..%2F..%2F..%2F..%2F..%2Fsluice.db"] {
        let answer = browser.get(&format!("{artifact}/{path}")).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(browser.get(&paths::artifact(name, 1, "..")).await.status(), StatusCode::NOT_FOUND);
    let stranger = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = stranger.get(format!("{}{file}", world.url)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    world.end().await;
}
