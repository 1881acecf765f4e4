//! What the API answers, without a database and a cache; and with them, where DATABASE_URL and REDIS_URL name them.

#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

use std::sync::OnceLock;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};
use storefront_api::config::Config;
use storefront_api::store::Store;
use storefront_api::{routes, telemetry};
use tower::ServiceExt;

/// Nothing listens there.
const NOWHERE: [(&str, &str); 2] =
    [("DATABASE_URL", "postgres://nobody@127.0.0.1:1/none"), ("REDIS_URL", "redis://127.0.0.1:1/0")];

struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn api(backing: &[(&str, &str)], extra: &[(&str, &str)]) -> Router {
    static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();
    let build = [("VERSION", "1.2.3"), ("COMMIT", "abc"), ("BUILT_AT", "2026-01-01T00:00:00Z")];
    let pairs = [backing, &build, extra].concat();
    let read = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let config = Config::read(read).unwrap();
    let store = Store::new(config.database.clone());
    if backing != NOWHERE {
        store.migrate().await;
    }
    let metrics = METRICS.get_or_init(|| telemetry::count_for_prometheus().unwrap()).clone();
    routes::router(config, store, metrics)
}

async fn ask(api: &Router, request: Request<Body>) -> Answer {
    let response = api.clone().oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    Answer { status, headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

async fn get(api: &Router, path: &str) -> Answer {
    ask(api, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn post(api: &Router, path: &str, body: &str) -> Answer {
    let request = Request::post(path).header("content-type", "application/json");
    ask(api, request.body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn the_version_is_the_builds() {
    let answer = get(&api(&NOWHERE, &[]).await, "/version").await;
    assert_eq!(answer.status, StatusCode::OK);
    let expected = json!({
        "version": "1.2.3", "commit": "abc", "built_at": "2026-01-01T00:00:00Z",
        "description": "Orders of the storefront, and what is popular",
    });
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn without_its_database_it_is_alive_and_not_ready() {
    let api = api(&NOWHERE, &[]).await;
    assert_eq!(get(&api, "/healthz").await.status, StatusCode::OK);
    let answer = get(&api, "/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["detail"], "not ready: PostgreSQL, Redis");
}

#[tokio::test]
async fn errors_are_problem_details() {
    let api = api(&NOWHERE, &[]).await;
    let cases = [
        (get(&api, "/nowhere").await, StatusCode::NOT_FOUND),
        (post(&api, "/version", "{}").await, StatusCode::METHOD_NOT_ALLOWED),
        (post(&api, "/orders", "{").await, StatusCode::BAD_REQUEST),
        (post(&api, "/orders", "{\"item\": \"tea\"}").await, StatusCode::UNPROCESSABLE_ENTITY),
        (post(&api, "/orders", &" ".repeat(20_000)).await, StatusCode::PAYLOAD_TOO_LARGE),
        (get(&api, "/orders?limit=many").await, StatusCode::BAD_REQUEST),
        (get(&api, "/orders?limit=101").await, StatusCode::BAD_REQUEST),
        (get(&api, "/orders").await, StatusCode::SERVICE_UNAVAILABLE),
    ];
    for (answer, status) in cases {
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{}", answer.text);
        assert_eq!(answer.json()["status"], status.as_u16());
        assert_eq!(answer.json()["title"], status.canonical_reason().unwrap());
    }
}

#[tokio::test]
async fn an_order_that_is_wrong_is_refused_with_all_that_is_wrong() {
    let answer = post(&api(&NOWHERE, &[]).await, "/orders", "{\"item\": \" \", \"quantity\": 0}").await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(
        answer.json()["errors"],
        json!([
            { "pointer": "#/item", "detail": "has 0 characters, expected 1 to 100" },
            { "pointer": "#/quantity", "detail": "is 0, expected 1 to 1000" },
        ])
    );
}

#[tokio::test]
async fn a_request_keeps_its_id_or_gets_one() {
    let api = api(&NOWHERE, &[]).await;
    let request = Request::get("/").header("x-request-id", "mine").body(Body::empty()).unwrap();
    assert_eq!(ask(&api, request).await.header("x-request-id"), "mine");
    assert_eq!(get(&api, "/").await.header("x-request-id").len(), 36);
}

#[tokio::test]
async fn only_the_webs_origin_may_read() {
    let api = api(&NOWHERE, &[("WEB_ORIGIN", "https://shop.example")]).await;
    assert_eq!(get(&api, "/").await.header("access-control-allow-origin"), "https://shop.example");
    let preflight = Request::options("/orders")
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    let answer = ask(&api, preflight.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.header("access-control-allow-headers"), "content-type");
}

#[tokio::test]
async fn requests_are_counted_by_route() {
    let api = api(&NOWHERE, &[]).await;
    get(&api, "/version").await;
    let text = get(&api, "/metrics").await.text;
    assert!(text.contains("http_requests_total{method=\"GET\",route=\"/version\",status=\"200\"}"), "{text}");
    assert!(text.contains("http_request_duration_seconds_bucket{"), "{text}");
}

#[tokio::test]
async fn an_order_is_kept_and_becomes_popular() {
    let (Ok(database), Ok(redis)) = (std::env::var("DATABASE_URL"), std::env::var("REDIS_URL")) else {
        println!("skipped: DATABASE_URL and REDIS_URL name no PostgreSQL and no Redis");
        return;
    };
    let backing = [("DATABASE_URL", database.as_str()), ("REDIS_URL", redis.as_str())];
    let whole = api(&backing, &[]).await;
    assert_eq!(get(&whole, "/readyz").await.status, StatusCode::OK);

    let item = format!("tea {}", std::process::id());
    let added = post(&whole, "/orders", &json!({ "item": format!(" {item} "), "quantity": 1000 }).to_string()).await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.text);
    assert_eq!(added.json()["item"], item.as_str());
    let orders = get(&whole, "/orders?limit=1").await.json();
    assert_eq!(orders, json!([added.json()]));

    let is_first =
        |answer: &Answer| answer.json().as_array().unwrap().iter().any(|entry| entry["item"] == item.as_str());
    let first = get(&whole, "/popular").await;
    assert_eq!(first.header("x-cache"), "miss");
    assert!(is_first(&first), "{}", first.text);
    assert_eq!(get(&whole, "/popular").await.header("x-cache"), "hit");

    // Without the cache the answer is the same.
    let alone = api(&[backing[0], NOWHERE[1]], &[]).await;
    let answer = get(&alone, "/popular").await;
    assert_eq!(answer.header("x-cache"), "away");
    assert!(is_first(&answer));
}
