use sluice_plan::Template;

use super::cache_key;
use super::environment::Node;
use super::steps::{Steps, resolve};

impl Steps<'_> {
    pub(super) async fn persist(
        &self,
        index: u32,
        root: &Template,
        paths: &[Template],
    ) -> Result<(), String> {
        let root = resolve(self.place, &self.contexts.text(root)?);
        let mut patterns = Vec::new();
        for path in paths {
            let path = self.contexts.text(path)?;
            let absolute = resolve(self.place, &path);
            // A path may be written in full, as long as it is below the root.
            patterns.push(match path.starts_with(['/', '~']) {
                true => absolute.strip_prefix(&root).unwrap_or(&path).trim_start_matches('/').to_owned(),
                false => path,
            });
        }
        let stored = self.job.depot.persist(&self.place.session, &root, &patterns).await;
        let stored = stored.map_err(|error| error.to_string())?;
        if stored.files == 0 {
            return Err(format!(
                "The specified paths did not match any files in {root}: {}",
                patterns.join(", ")
            ));
        }
        let line = format!("Persisted {} files, {} bytes, from {root}", stored.files, stored.size_bytes);
        self.job.log.say(index, line).await;
        Ok(())
    }

    pub(super) async fn attach(&self, index: u32, at: &Template) -> Result<(), String> {
        let at = resolve(self.place, &self.contexts.text(at)?);
        let layers = self.job.depot.attach(&self.place.session, &at, &self.job.order.upstream).await;
        let layers = layers.map_err(|error| error.to_string())?;
        self.job.log.say(index, format!("Applied {layers} workspace layers to {at}")).await;
        Ok(())
    }

    /// Kept by job and node, as CircleCI keeps them: two jobs may store under one name.
    pub(super) async fn store_artifacts(
        &self,
        index: u32,
        path: &Template,
        destination: Option<&Template>,
    ) -> Result<(), String> {
        let path = self.contexts.text(path)?;
        let root = resolve(self.place, &path);
        let destination = self.contexts.optional_text(destination)?.filter(|text| !text.is_empty());
        let destination = destination.unwrap_or_else(|| {
            path.trim_end_matches('/').rsplit('/').next().unwrap_or("artifacts").to_owned()
        });
        let (job, node) = (&self.job.order.job.id, Node::of(self.job.order));
        let name = match node.total {
            1 => format!("{job}/{destination}"),
            _ => format!("{job}/{}/{destination}", node.index),
        };
        if self.job.log.masker().reveals(&name) {
            return Err(
                "the artifacts' name holds a secret, and everybody who sees the run would read it".to_owned()
            );
        }
        let stored =
            self.job.depot.store_artifact(&self.place.session, &name, &root, &[".".to_owned()]).await;
        match stored {
            Ok(stored) if stored.files > 0 => {
                self.job.log.artifact_stored(&name, stored.files, stored.size_bytes).await;
                let line = format!("Stored {} files, {} bytes, as {name}", stored.files, stored.size_bytes);
                self.job.log.say(index, line).await;
            }
            Ok(_) => self.job.log.say(index, format!("No artifacts: {root} is empty")).await,
            // A path that is not there is no failure for CircleCI.
            Err(error) => self.job.log.say(index, format!("No artifacts: {error}")).await,
        }
        Ok(())
    }

    pub(super) async fn save_cache(
        &self,
        index: u32,
        key: &Template,
        paths: &[Template],
    ) -> Result<(), String> {
        let key = self.cache_key(key).await?;
        let kept = self.job.depot.kept_key(&self.job.log.masker(), &key);
        let kept = kept.map_err(|error| error.to_string())?;
        let mut resolved = Vec::new();
        for path in paths {
            resolved.push(resolve(self.place, &self.contexts.text(path)?));
        }
        let saved = self.job.depot.save_cache(self.place, &kept, &resolved).await;
        let line = match saved.map_err(|error| error.to_string())? {
            Some(stored) => {
                format!("Stored cache {key}: {} files, {} bytes", stored.files, stored.size_bytes)
            }
            None => format!("Skipping cache generation, cache already exists for key: {key}"),
        };
        self.job.log.say(index, line).await;
        Ok(())
    }

    /// The first key that is the beginning of a cache's restores the newest of those, even where another one's key is
    /// the very same (CircleCI configuration reference, "restore_cache").
    pub(super) async fn restore_cache(&self, index: u32, keys: &[Template]) -> Result<(), String> {
        for key in keys {
            let key = self.cache_key(key).await?;
            let kept = self.job.depot.kept_key(&self.job.log.masker(), &key);
            let kept = kept.map_err(|error| error.to_string())?;
            let found = self.job.depot.newest_cache(&kept).map_err(|error| error.to_string())?;
            let Some(found) = found else {
                self.job.log.say(index, format!("No cache is found for key: {key}")).await;
                continue;
            };
            let restored = self.job.depot.restore_cache(self.place, &found).await;
            restored.map_err(|error| error.to_string())?;
            // The log masks a secret; what stands for one where the cache is kept is for nobody to read.
            let shown = if kept == key { found } else { key };
            self.job.log.say(index, format!("Found a cache at {shown}")).await;
            return Ok(());
        }
        Ok(())
    }

    async fn cache_key(&self, template: &Template) -> Result<String, String> {
        let text = self.contexts.text(template)?;
        cache_key::fill(&text, self.job.order, &self.env, self.place).await
    }
}
