use crate::place::Place;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use sluice_wire::JobOrder;

/// The most that a file under `{{ checksum }}` may hold.
const CHECKSUM_LIMIT_BYTES: u64 = 64 << 20;

/// Fills in a cache key's template: `{{ .Branch }}`, `{{ .Revision }}`, `{{ .BuildNum }}`, `{{ .Environment.NAME }}`,
/// `{{ checksum "file" }}`, `{{ epoch }}`, `{{ arch }}` (CircleCI configuration reference, "save_cache").
pub async fn fill(
    template: &str,
    order: &JobOrder,
    env: &[(String, String)],
    place: &Place,
) -> Result<String, String> {
    let mut key = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        key.push_str(before);
        let (inside, after) = after
            .split_once("}}")
            .ok_or_else(|| format!("the cache key `{template}` has a {{{{ without }}}}"))?;
        key.push_str(&value(inside.trim(), order, env, place).await?);
        rest = after;
    }
    key.push_str(rest);
    Ok(key)
}

async fn value(
    expression: &str,
    order: &JobOrder,
    env: &[(String, String)],
    place: &Place,
) -> Result<String, String> {
    let trigger = &order.trigger;
    if let Some(name) = expression.strip_prefix(".Environment.") {
        let found = env.iter().rev().find(|(known, _)| known == name.trim());
        return Ok(found.map_or_else(|| "<no value>".to_owned(), |(_, value)| value.clone()));
    }
    if let Some(argument) = expression.strip_prefix("checksum") {
        let path = argument.trim().trim_matches(['"', '`', '\'']);
        let inside = super::steps::resolve(place, path);
        let read =
            place.session.read(&inside, CHECKSUM_LIMIT_BYTES).await.map_err(|error| error.to_string())?;
        let content = read
            .ok_or_else(|| format!("the cache key's checksum is of `{path}`, and there is no such file"))?;
        return Ok(STANDARD.encode(Sha256::digest(&content)));
    }
    match expression {
        ".Branch" => Ok(trigger.source_branch().unwrap_or_default().to_owned()),
        ".Revision" => Ok(trigger.sha.to_string()),
        ".BuildNum" => Ok(order.run_number.to_string()),
        ".CheckoutKey" => Ok(String::new()),
        "epoch" => Ok((crate::log::now().0 / 1000).to_string()),
        "arch" => Ok(format!("arch1-linux-{}", architecture())),
        other => Err(format!(
            "the cache key has {{{{ {other} }}}}, which is not known; known are .Branch, .Revision, .BuildNum, \
             .Environment.NAME, checksum \"FILE\", epoch and arch"
        )),
    }
}

/// As Go calls it, which CircleCI's tools are written in.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
