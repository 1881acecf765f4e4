use reqwest::header::{CONTENT_SECURITY_POLICY, COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, Response, StatusCode};
use sluice_view::paths;

use crate::world::World;

const CI: &str = "on: push\njobs:\n  build:\n    runs-on: x\n    steps: [{ run: echo hello pages }]\n";

struct Browser {
    http: Client,
    url: String,
    cookie: String,
}

impl Browser {
    /// Signs in by the link that the first start prints.
    async fn sign_in(world: &World) -> Self {
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let link = format!("{}{}?token={}", world.url, paths::sign_in(), world.token().await);
        let answer = http.get(link).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        let cookie = answer.headers()[SET_COOKIE].to_str().unwrap().to_owned();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Self { http, url: world.url.clone(), cookie }
    }

    async fn get(&self, path: &str) -> Response {
        let request = self.http.get(format!("{}{path}", self.url)).header(COOKIE, &self.cookie);
        request.send().await.unwrap()
    }

    async fn post(&self, path: &str, origin: &str, body: &'static str) -> StatusCode {
        let request = self.http.post(format!("{}{path}", self.url)).header(COOKIE, &self.cookie);
        let request = request.header(ORIGIN, origin).body(body);
        let form = ("content-type", "application/x-www-form-urlencoded");
        request.header(form.0, form.1).send().await.unwrap().status()
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
