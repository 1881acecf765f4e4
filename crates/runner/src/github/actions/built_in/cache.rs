use super::super::super::steps::{Prepared, Steps};
use super::{Inputs, Outputs};

/// `actions/cache` and `actions/cache/restore`. True with an entry of exactly the key, which needs no saving.
pub(super) async fn restore(
    steps: &Steps<'_>,
    prepared: &Prepared<'_>,
    inputs: &Inputs<'_>,
) -> Result<(Outputs, bool), String> {
    let key = inputs.required("key")?;
    let depot = &steps.job.depot;
    // A key is kept beside its cache, so that no secret may be in it.
    let masker = steps.job.log.masker();
    let keep = |key: &str| depot.kept_key(&masker, key).map_err(|error| error.to_string());
    let kept = keep(key)?;
    let mut found = depot.has_cache(&kept).then(|| kept.clone());
    if found.is_none() {
        let fallbacks = inputs.get("restore-keys").unwrap_or_default().lines().map(str::trim);
        let mut keys = vec![kept.clone()];
        for fallback in fallbacks.filter(|key| !key.is_empty()) {
            keys.push(keep(fallback)?);
        }
        found = depot.find_cache(&keys).map_err(|error| error.to_string())?;
    }
    let hit = found.as_deref() == Some(&kept);
    let line = match &found {
        Some(found) => {
            if !inputs.is_true("lookup-only") {
                depot.restore_cache(steps.place, found).await.map_err(|error| error.to_string())?;
            }
            format!("Cache restored from key: {found}")
        }
        None if inputs.is_true("fail-on-cache-miss") => {
            return Err(format!(
                "Failed to restore cache entry. Exiting as fail-on-cache-miss is set. Input key: {key}"
            ));
        }
        None => format!("Cache not found for input keys: {key}"),
    };
    steps.job.log.say(prepared.index, line).await;
    let outputs = vec![
        ("cache-hit".to_owned(), if found.is_some() { hit.to_string() } else { String::new() }),
        ("cache-primary-key".to_owned(), key.to_owned()),
        ("cache-matched-key".to_owned(), if hit { key.to_owned() } else { found.unwrap_or_default() }),
    ];
    Ok((outputs, hit))
}

pub(in super::super::super) async fn save_cache(
    steps: &Steps<'_>,
    index: u32,
    key: &str,
    paths: &[String],
) -> Result<(), String> {
    let kept = steps.job.depot.kept_key(&steps.job.log.masker(), key).map_err(|error| error.to_string())?;
    let saved = steps.job.depot.save_cache(steps.place, &kept, paths).await;
    let line = match saved.map_err(|error| error.to_string())? {
        Some(stored) => {
            format!("Cache saved with key: {key} ({} files, {} bytes)", stored.files, stored.size_bytes)
        }
        None => format!("Cache hit occurred on the primary key {key}, not saving cache."),
    };
    steps.job.log.say(index, line).await;
    Ok(())
}
