use std::net::IpAddr;

use hyper::header::{
    CONNECTION, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use hyper::http::request::Parts;
use hyper::{Uri, Version};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Removes what speaks of one connection only (RFC 9110, section 7.6.1): the fields that `Connection` names, and
/// those that old programs send without naming them. `Transfer-Encoding` goes too, for the body is framed anew.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .collect();
        headers.remove(CONNECTION);
        for name in named {
            headers.remove(name);
        }
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, TRANSFER_ENCODING, UPGRADE, TE, TRAILER] {
        headers.remove(name);
    }
}

/// The protocol that a request asks to change to (RFC 9110, section 7.8).
pub fn wanted_upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let upgrade = headers.get(UPGRADE)?;
    let names_upgrade = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim().eq_ignore_ascii_case("upgrade"));
    names_upgrade.then(|| upgrade.clone())
}

pub fn set_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
}

/// Turns a client's request into the one that goes to an instance: origin form, HTTP/1.1, `Host` as the client
/// wrote it, and `X-Forwarded-*`.
///
/// Only loopback and container networks can reach a route, so what a front proxy put into `X-Forwarded-*` is kept,
/// and the peer's address is added to it.
pub fn prepare(parts: &mut Parts, peer: IpAddr, peer_text: &HeaderValue) {
    strip_hop_by_hop(&mut parts.headers);
    // hyper has answered `100 Continue` by itself when the body is first read.
    parts.headers.remove(EXPECT);
    parts.version = Version::HTTP_11;
    if parts.uri.authority().is_some() {
        to_origin_form(parts);
    }
    match parts.headers.get(X_FORWARDED_FOR) {
        None => {
            parts.headers.insert(X_FORWARDED_FOR, peer_text.clone());
        }
        Some(before) => {
            let joined = [before.as_bytes(), format!(", {peer}").as_bytes()].concat();
            let value = HeaderValue::from_bytes(&joined).unwrap_or_else(|_| peer_text.clone());
            parts.headers.insert(X_FORWARDED_FOR, value);
        }
    }
    if !parts.headers.contains_key(X_FORWARDED_PROTO) {
        parts.headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    }
    if !parts.headers.contains_key(X_FORWARDED_HOST)
        && let Some(host) = parts.headers.get(HOST).cloned()
    {
        parts.headers.insert(X_FORWARDED_HOST, host);
    }
}

/// A request in absolute form names its host in the address, which then outranks `Host` (RFC 9112, section 3.2.2).
fn to_origin_form(parts: &mut Parts) {
    if let Some(host) =
        parts.uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok())
    {
        parts.headers.insert(HOST, host);
    }
    let path = parts.uri.path_and_query().cloned();
    parts.uri = path.map_or_else(|| Uri::from_static("/"), Uri::from);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn fields_that_connection_names_go() {
        let mut map = headers(&[
            ("connection", "close, X-Private"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("x-kept", "1"),
        ]);
        strip_hop_by_hop(&mut map);
        assert_eq!(map, headers(&[("x-kept", "1")]));
    }

    #[test]
    fn an_upgrade_needs_both_fields() {
        assert!(
            wanted_upgrade(&headers(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]))
                .is_some()
        );
        assert!(wanted_upgrade(&headers(&[("upgrade", "h2c")])).is_none());
        assert!(wanted_upgrade(&headers(&[("connection", "upgrade")])).is_none());
    }

    #[test]
    fn the_peer_is_added_and_the_host_kept() {
        let request = hyper::Request::builder()
            .uri("http://shop.example:80/a?b=c")
            .header("host", "other")
            .header("x-forwarded-for", "192.0.2.1")
            .body(())
            .unwrap();
        let (mut parts, ()) = request.into_parts();
        prepare(&mut parts, "127.0.0.1".parse().unwrap(), &HeaderValue::from_static("127.0.0.1"));
        assert_eq!(parts.uri, "/a?b=c");
        assert_eq!(parts.headers["host"], "shop.example:80");
        assert_eq!(parts.headers["x-forwarded-for"], "192.0.2.1, 127.0.0.1");
        assert_eq!(parts.headers["x-forwarded-host"], "shop.example:80");
        assert_eq!(parts.headers["x-forwarded-proto"], "http");
    }
}
