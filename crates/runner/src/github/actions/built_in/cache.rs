use super::super::super::steps::{Prepared, Steps};
use super::{Inputs, Outputs, is_missing};

/// The most keys that a cache is looked for by, and the most characters of each.
const KEYS_LIMIT: usize = 10;
const KEY_LIMIT: usize = 512;

/// `actions/cache` and `actions/cache/restore`. True with an entry of exactly the key, which needs no saving.
pub(super) async fn restore(
    steps: &Steps<'_>,
    prepared: &Prepared<'_>,
    inputs: &Inputs<'_>,
) -> Result<(Outputs, bool), String> {
    let key = inputs.required("key")?;
    let fallbacks = inputs.lines("restore-keys");
    check_keys(key, &fallbacks)?;
    let depot = &steps.job.depot.with_caches_of(&paths_of(inputs.required("path")?));
    // A key is kept beside its cache, so that no secret may be in it.
    let masker = steps.job.log.masker();
    let keep = |key: &str| depot.kept_key(&masker, key).map_err(|error| error.to_string());
    let kept = keep(key)?;
    let mut found = depot.has_cache(&kept).then(|| kept.clone());
    if found.is_none() {
        let mut keys = vec![kept.clone()];
        for fallback in &fallbacks {
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

/// Saves the paths, as they are written. An error says why there is no cache, which is no reason to fail.
pub(in super::super::super) async fn save_cache(
    steps: &Steps<'_>,
    index: u32,
    key: &str,
    path: &str,
) -> Result<(), String> {
    check_keys(key, &[])?;
    let (depot, paths) = (steps.job.depot.with_caches_of(&paths_of(path)), steps.paths(path));
    let kept = depot.kept_key(&steps.job.log.masker(), key).map_err(|error| error.to_string())?;
    if !depot.has_cache(&kept) && are_missing(steps, &paths).await {
        return Err(
            "Path Validation Error: Path(s) specified in the action for caching do(es) not exist, hence no cache is being \
             saved."
                .to_owned(),
        );
    }
    let saved = depot.save_cache(steps.place, &kept, &paths).await;
    let line = match saved.map_err(|error| error.to_string())? {
        Some(stored) => {
            format!("Cache saved with key: {key} ({} files, {} bytes)", stored.files, stored.size_bytes)
        }
        None => format!("Cache hit occurred on the primary key {key}, not saving cache."),
    };
    steps.job.log.say(index, line).await;
    Ok(())
}

/// Whether none of the paths is there; what has wildcards may be.
async fn are_missing(steps: &Steps<'_>, paths: &[String]) -> bool {
    for path in paths.iter().filter(|path| !path.starts_with('!')) {
        let is_wild = path.contains(['*', '?', '[']);
        if is_wild || !is_missing(steps, path).await {
            return false;
        }
    }
    true
}

/// The lines of `path`, by which GitHub knows a cache beside its key.
fn paths_of(path: &str) -> Vec<&str> {
    path.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

/// What no key may be (actions/toolkit, `checkKey` of `cache/src/cache.ts`).
fn check_keys(key: &str, fallbacks: &[&str]) -> Result<(), String> {
    let wrong = |why: String| Err(format!("Key Validation Error: {why}"));
    if fallbacks.len() >= KEYS_LIMIT {
        return wrong(format!("Keys are limited to a maximum of {KEYS_LIMIT}."));
    }
    for key in [key].iter().chain(fallbacks) {
        if key.chars().count() > KEY_LIMIT {
            return wrong(format!("{key} cannot be larger than {KEY_LIMIT} characters."));
        }
        if key.contains(',') {
            return wrong(format!("{key} cannot contain commas."));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_keys;

    #[test]
    fn keys_have_no_commas_and_few_fallbacks() {
        assert_eq!(check_keys("linux-abc", &["linux-"; 9]), Ok(()));
        assert!(check_keys("linux-abc", &["linux-"; 10]).unwrap_err().contains("maximum of 10"));
        assert!(check_keys("a,b", &[]).unwrap_err().contains("cannot contain commas"));
        assert!(check_keys("a", &["b,c"]).unwrap_err().contains("cannot contain commas"));
        assert!(check_keys(&"k".repeat(513), &[]).unwrap_err().contains("larger than 512"));
    }
}
