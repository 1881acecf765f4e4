use std::sync::Arc;

use reqwest::{Method, StatusCode};
use sluice_registry::Challenge;

use crate::support::{Accounts, Answer, TestRegistry};

async fn as_user(test: &TestRegistry, method: Method, path: &str, user: &str, password: &str) -> Answer {
    Answer::of(test.request(method, path).basic_auth(user, Some(password))).await
}

#[tokio::test]
async fn a_client_without_credentials_is_told_where_to_get_a_token() {
    let test = TestRegistry::guarded().await;
    let refused = test.get("/v2/").await;
    refused.refuses(401, "UNAUTHORIZED");
    let realm = format!(r#"Bearer realm="http://{0}/v2/token",service="{0}""#, test.host);
    assert_eq!(refused.header("www-authenticate"), realm);
    let push = Answer::of(test.request(Method::POST, "/v2/a/b/blobs/uploads/")).await;
    let expected = format!(r#"{realm},scope="repository:a/b:pull,push""#);
    assert_eq!(push.refuses(401, "UNAUTHORIZED").header("www-authenticate"), expected);

    // The header's own host is not copied into the answer when it is none.
    let odd = test.request(Method::GET, "/v2/").header("host", "evil\" x=\"");
    let odd = Answer::of(odd).await;
    assert!(odd.status.is_client_error());
}

#[tokio::test]
async fn basic_credentials_and_the_token_for_them_reach_the_same() {
    let test = TestRegistry::guarded().await;
    as_user(&test, Method::GET, "/v2/", "ann", "secret").await.is(StatusCode::OK);
    as_user(&test, Method::GET, "/v2/", "ann", "wrong").await.refuses(401, "UNAUTHORIZED");
    as_user(&test, Method::GET, "/v2/token", "ann", "wrong").await.refuses(401, "UNAUTHORIZED");

    let issued = as_user(&test, Method::GET, "/v2/token?service=x&scope=y", "ben", "secret").await;
    let token = issued.is(StatusCode::OK).json()["token"].as_str().unwrap().to_owned();
    let with = |method: Method, path: &str| Answer::of(test.request(method, path).bearer_auth(&token));
    with(Method::GET, "/v2/").await.is(StatusCode::OK);
    with(Method::POST, "/v2/ben/app/blobs/uploads/").await.is(StatusCode::ACCEPTED);
    with(Method::POST, "/v2/ann/app/blobs/uploads/").await.refuses(403, "DENIED");
    with(Method::GET, "/v2/_catalog").await.refuses(403, "DENIED");

    // A token that the server made itself goes through to it; any other does not.
    Answer::of(test.request(Method::GET, "/v2/_catalog").bearer_auth("server-token"))
        .await
        .is(StatusCode::OK);
    let guessed = test.request(Method::GET, "/v2/").bearer_auth("0".repeat(64));
    Answer::of(guessed).await.refuses(401, "UNAUTHORIZED");
    for damaged in ["Basic", "Basic !!!", "Basic YQ==", "Digest x", ""] {
        let answer = Answer::of(test.request(Method::GET, "/v2/").header("authorization", damaged)).await;
        answer.refuses(401, "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn anonymous_clients_pull_what_is_public_and_nothing_else() {
    let test = TestRegistry::guarded().await;
    let token = test.get("/v2/token").await.is(StatusCode::OK).json()["token"].as_str().unwrap().to_owned();
    let with = |method: Method, path: &str| Answer::of(test.request(method, path).bearer_auth(&token));
    with(Method::GET, "/v2/public/app/manifests/v1").await.refuses(404, "MANIFEST_UNKNOWN");
    with(Method::GET, "/v2/private/app/manifests/v1").await.refuses(401, "UNAUTHORIZED");
    with(Method::POST, "/v2/public/app/blobs/uploads/").await.refuses(401, "UNAUTHORIZED");
    with(Method::DELETE, "/v2/public/app/manifests/v1").await.refuses(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_mount_does_not_read_what_its_client_may_not() {
    let test = TestRegistry::guarded().await;
    let bytes = "private bytes";
    let digest = crate::support::sha256(bytes.as_bytes());
    let path = format!("/v2/ann/app/blobs/uploads/?digest={digest}");
    let push = test.request(Method::POST, &path).basic_auth("ann", Some("secret")).body(bytes);
    Answer::of(push).await.is(StatusCode::CREATED);
    let mount = format!("/v2/ben/app/blobs/uploads/?mount={digest}&from=ann/app");
    as_user(&test, Method::POST, &mount, "ben", "secret").await.is(StatusCode::ACCEPTED);
    let read = format!("/v2/ben/app/blobs/{digest}");
    as_user(&test, Method::GET, &read, "ben", "secret").await.refuses(404, "BLOB_UNKNOWN");
}

#[tokio::test]
async fn a_basic_challenge_is_given_where_it_is_asked_for() {
    let basic = |mut options: sluice_registry::Options| {
        options.challenge = Challenge::Basic;
        options
    };
    let test = TestRegistry::with(Arc::new(Accounts), basic).await;
    let refused = test.get("/v2/").await;
    assert_eq!(refused.refuses(401, "UNAUTHORIZED").header("www-authenticate"), r#"Basic realm="sluice""#);

    let public = |mut options: sluice_registry::Options| {
        options.challenge = Challenge::Bearer { public_url: Some("https://sluice.example.org".to_owned()) };
        options
    };
    let test = TestRegistry::with(Arc::new(Accounts), public).await;
    let challenge = test.get("/v2/").await.header("www-authenticate").to_owned();
    assert!(challenge.starts_with(r#"Bearer realm="https://sluice.example.org/v2/token""#), "{challenge}");
}

#[tokio::test]
async fn a_large_body_that_is_refused_does_not_break_the_connection() {
    let test = TestRegistry::guarded().await;
    for _ in 0..20 {
        let push =
            test.request(Method::POST, "/v2/a/blobs/uploads/?digest=sha256:x").body(vec![0; 3_000_000]);
        Answer::of(push).await.refuses(401, "UNAUTHORIZED");
        test.get("/v2/").await.refuses(401, "UNAUTHORIZED");
    }
}
