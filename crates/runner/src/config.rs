use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::action_store::ActionSource;
use crate::kept::OnFailure;

/// What a runner is made of.
#[derive(Debug, Clone)]
pub struct RunnerConfig {
    /// The runner keeps all of its own below `data_dir/runner`: workspaces, workspace layers, artifacts, caches.
    pub data_dir: PathBuf,
    pub executor: ExecutorChoice,
    /// Images to take instead of the ones that pipeline files name.
    pub images: ImageMap,
    /// The `sluice` program, put on the PATH of every step. None: steps have none.
    pub sluice_binary: Option<PathBuf>,
    /// Where actions of other repositories come from.
    pub actions: ActionSource,
    /// How long a step may take between the signals of a cancel: interrupt, then terminate, then kill.
    pub cancel_grace: CancelGrace,
    /// Patterns, from the workspace on, of the JUnit files that are collected when a job's steps have ended.
    pub junit: Vec<String>,
    /// What becomes of the place of a job that fails.
    pub on_failure: OnFailure,
}

impl RunnerConfig {
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            executor: ExecutorChoice::Auto,
            images: ImageMap::default(),
            sluice_binary: None,
            actions: ActionSource::default(),
            cancel_grace: CancelGrace::default(),
            junit: Vec::new(),
            on_failure: OnFailure::default(),
        }
    }
}

/// GitHub's runner interrupts, terminates 7.5 s later, and kills 2.5 s after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CancelGrace {
    pub after_interrupt: Duration,
    pub after_terminate: Duration,
}

impl Default for CancelGrace {
    fn default() -> Self {
        Self { after_interrupt: Duration::from_millis(7_500), after_terminate: Duration::from_millis(2_500) }
    }
}

/// What the caller asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExecutorChoice {
    /// Docker where an engine answers, else the host.
    #[default]
    Auto,
    Host,
    /// An engine has to answer.
    Docker,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutorKind {
    Host,
    Docker,
}

/// What the runner settled on, and why. `Display`: `docker: Docker 20.10.24 at /var/run/docker.sock answers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenExecutor {
    pub kind: ExecutorKind,
    pub reason: String,
}

impl fmt::Display for ChosenExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            ExecutorKind::Host => "host",
            ExecutorKind::Docker => "docker",
        };
        write!(f, "{kind}: {}", self.reason)
    }
}

/// `--image FROM=TO`: `FROM` is an image with its tag, an image without one (every tag of it), a `runs-on` label, or
/// a machine image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageMap(BTreeMap<String, String>);

impl ImageMap {
    pub fn insert(&mut self, from: impl Into<String>, to: impl Into<String>) {
        self.0.insert(from.into(), to.into());
    }

    /// What the map says of `image` or label; none where it says nothing.
    pub fn get(&self, image: &str) -> Option<&str> {
        let untagged = match image.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => name,
            _ => image,
        };
        self.0.get(image).or_else(|| self.0.get(untagged)).map(String::as_str)
    }
}

impl FromIterator<(String, String)> for ImageMap {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_mapped_with_its_tag_first() {
        let mut images = ImageMap::default();
        images.insert("cimg/rust", "local/rust");
        images.insert("cimg/rust:1.80", "local/rust:old");
        images.insert("localhost:5000/x", "y");
        assert_eq!(images.get("cimg/rust:1.80"), Some("local/rust:old"));
        assert_eq!(images.get("cimg/rust:1.95"), Some("local/rust"));
        assert_eq!(images.get("cimg/rust"), Some("local/rust"));
        assert_eq!(images.get("localhost:5000/x"), Some("y"));
        assert_eq!(images.get("cimg/node"), None);
    }
}
