use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use subtle::ConstantTimeEq;

use super::facts::Facts;

/// How long the token says that it lives: longer than any job. It dies with the job's server.
const LIFE_S: i64 = 7 * 24 * 3600;

/// A token of the form that the toolkits read: a JSON Web Token whose claim `scp` names run and job. Nobody verifies its
/// signature, which is random: the token is good when it is the very one.
pub fn make(facts: &Facts, now_s: i64) -> String {
    let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = encode(json!({ "alg": "HS256", "typ": "JWT" }));
    // 3 is reading and writing.
    let scopes = json!([{ "Scope": facts.trigger.git_ref, "Permission": 3 }]);
    let claims = encode(json!({
        "iss": "sluice",
        "scp": format!("Actions.Results:{}:{}", facts.run, facts.job),
        "ac": scopes.to_string(),
        "iat": now_s,
        "nbf": now_s,
        "exp": now_s + LIFE_S,
    }));
    format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
}

/// Whether a request brings the token.
pub fn is_in(headers: &HeaderMap, token: &str) -> bool {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.split_once(' '));
    given
        .is_some_and(|(scheme, given)| scheme.eq_ignore_ascii_case("bearer") && is_equal(given.trim(), token))
}

pub fn is_equal(given: &str, secret: &str) -> bool {
    given.as_bytes().ct_eq(secret.as_bytes()).into()
}
