//! The person's own configuration: `$XDG_CONFIG_HOME/sluice/config.yaml`, else `~/.config/sluice/config.yaml`.
//!
//! What is given on the command line wins over it.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueEnum;
use sluice_source::{Diagnostic, DuplicateKeys, Limits, MergeKeys, Node, Options, did_you_mean_text, load};

use crate::runner_choice::RunnerChoice;
use crate::ssh_keys;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserConfig {
    /// Images to take instead of others, and images for runs-on labels.
    pub images: Vec<(String, String)>,
    pub runner: Option<RunnerChoice>,
    /// How many jobs run at once.
    pub jobs: Option<usize>,
    pub secret_file: Option<PathBuf>,
    /// `[HOST=]FILE`, as the flag has it.
    pub ssh_keys: Vec<String>,
}

/// What `sluice run --help` says of it.
pub const HELP: &str = "\
What is not given comes from your own configuration, $XDG_CONFIG_HOME/sluice/config.yaml or
~/.config/sluice/config.yaml:

  images: { \"cimg/rust:1.95\": local/rust }  # as --image
  labels: { ubuntu-latest: local/ci:1 }      # the image that a runs-on label runs in, as --image
  runner: docker                             # as --runner
  jobs: 4                                    # as --jobs
  secret_file: ~/secrets.env                 # as --secret-file
  ssh_keys: [~/.ssh/deploy]                  # as --ssh-key";

const KEYS: [&str; 6] = ["images", "labels", "runner", "jobs", "secret_file", "ssh_keys"];
const SIZE_LIMIT_BYTES: usize = 1 << 20;
const MAX_JOBS: usize = 1_000;

impl UserConfig {
    /// The file's, or an empty one where there is no file.
    pub fn read() -> anyhow::Result<Self> {
        let Some(path) = path() else { return Ok(Self::default()) };
        let shown = path.display().to_string();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
        };
        let parsed = match sluice_source::decode(&shown, &bytes) {
            Ok(text) => parse(&shown, text, path.parent().unwrap_or(Path::new("/"))),
            Err(diagnostic) => Err(vec![diagnostic]),
        };
        parsed.or_else(|wrong| {
            let lines: Vec<String> = wrong.iter().map(Diagnostic::to_string).collect();
            bail!("your configuration cannot be used\n{}", lines.join("\n"))
        })
    }
}

fn path() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(folder.join("sluice/config.yaml"))
}

/// Reads the text of a file in `folder`, which relative paths in it begin at.
fn parse(path: &str, text: &str, folder: &Path) -> Result<UserConfig, Vec<Diagnostic>> {
    let limits = Limits { size_bytes: SIZE_LIMIT_BYTES, depth: 10, nodes: 20_000, expanded_nodes: 20_000 };
    let (duplicate_keys, merge_keys) = (DuplicateKeys::Report, MergeKeys::Keep);
    let options = Options { limits, duplicate_keys, merge_keys, file: 0 };
    let Some(root) = load(path, text, &options).single()? else { return Ok(UserConfig::default()) };
    let mut reader = Reader { path, wrong: Vec::new() };
    let config = reader.root(&root, folder);
    if reader.wrong.is_empty() { Ok(config) } else { Err(reader.wrong) }
}

struct Reader<'a> {
    path: &'a str,
    wrong: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn root(&mut self, root: &Node, folder: &Path) -> UserConfig {
        let mut config = UserConfig::default();
        let Some(entries) = root.entries() else {
            if !root.is_null() {
                self.error(root, "wrong-form", format!("the file is {}; keys are expected", root.describe()));
            }
            return config;
        };
        for entry in entries {
            let (key, value) = (entry.key.text().unwrap_or_default(), &entry.value);
            match key {
                "images" | "labels" => config.images.extend(self.pairs(key, value)),
                "runner" => config.runner = self.runner(value),
                "jobs" => config.jobs = self.jobs(value),
                "secret_file" => {
                    config.secret_file =
                        self.text("secret_file", value, "a path").map(|path| below(folder, path));
                }
                "ssh_keys" => config.ssh_keys = self.ssh_keys(value, folder),
                _ => {
                    let help = did_you_mean_text(key, KEYS);
                    let help = help.unwrap_or_else(|| format!("the keys are {}", KEYS.join(", ")));
                    let seen: String = key.chars().take(80).collect();
                    self.error(&entry.key, "unknown-key", format!("unknown key `{seen}`; {help}"));
                }
            }
        }
        config
    }

    fn pairs(&mut self, key: &str, node: &Node) -> Vec<(String, String)> {
        let Some(entries) = node.entries() else {
            if !node.is_null() {
                let message = format!("`{key}` is {}; pairs like `FROM: TO` are expected", node.describe());
                self.error(node, "wrong-form", message);
            }
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for entry in entries {
            let Some(from) = entry.key.text().filter(|from| !from.is_empty()) else {
                self.error(&entry.key, "wrong-form", format!("a key of `{key}` is not a name"));
                continue;
            };
            if let Some(to) = self.text(&format!("{key}.{from}"), &entry.value, "an image") {
                pairs.push((from.to_owned(), to.to_owned()));
            }
        }
        pairs
    }

    fn ssh_keys(&mut self, node: &Node, folder: &Path) -> Vec<String> {
        let Some(items) = node.items() else {
            if !node.is_null() {
                let message = format!("`ssh_keys` is {}; a list of paths is expected", node.describe());
                self.error(node, "wrong-form", message);
            }
            return Vec::new();
        };
        let texts: Vec<&str> =
            items.iter().filter_map(|item| self.text("ssh_keys", item, "a path")).collect();
        texts.into_iter().map(|key| ssh_keys::with_path(key, |path| below(folder, path))).collect()
    }

    fn runner(&mut self, node: &Node) -> Option<RunnerChoice> {
        let text = self.text("runner", node, "auto, docker or host")?;
        let choice = RunnerChoice::from_str(text, false).ok();
        if choice.is_none() {
            self.error(node, "wrong-form", format!("`runner` is `{text}`; auto, docker or host is expected"));
        }
        choice
    }

    fn jobs(&mut self, node: &Node) -> Option<usize> {
        let text = self.text("jobs", node, "a number")?;
        let jobs = text.parse().ok().filter(|jobs| (1..=MAX_JOBS).contains(jobs));
        if jobs.is_none() {
            let message = format!("`jobs` is `{text}`; a number from 1 to {MAX_JOBS} is expected");
            self.error(node, "wrong-form", message);
        }
        jobs
    }

    fn text<'n>(&mut self, name: &str, node: &'n Node, expected: &str) -> Option<&'n str> {
        let text = node.text().filter(|text| !text.is_empty() && !node.is_null());
        if text.is_none() {
            let message = format!("`{name}` is {}; {expected} is expected", node.describe());
            self.error(node, "wrong-form", message);
        }
        text
    }

    fn error(&mut self, node: &Node, code: &str, message: String) {
        let place = node.place();
        let code = format!("config/{code}");
        self.wrong.push(Diagnostic::error(code, place.at(self.path), place.length(), message));
    }
}

/// A path of the file: absolute, from the person's home, or from the file's folder.
fn below(folder: &Path, path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => folder.join(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<UserConfig, Vec<String>> {
        let read = parse("config.yaml", text, Path::new("/config"));
        read.map_err(|wrong| wrong.iter().map(Diagnostic::to_string).collect())
    }

    #[test]
    fn every_key_is_read() {
        let text = "images: { \"cimg/rust:1.95\": local/rust }\nlabels:\n  ubuntu-latest: local/ci:1\n\
                    runner: docker\njobs: 3\nsecret_file: secrets.env\nssh_keys: [a, host=/b]\n";
        let expected = UserConfig {
            images: vec![
                ("cimg/rust:1.95".to_owned(), "local/rust".to_owned()),
                ("ubuntu-latest".to_owned(), "local/ci:1".to_owned()),
            ],
            runner: Some(RunnerChoice::Docker),
            jobs: Some(3),
            secret_file: Some("/config/secrets.env".into()),
            ssh_keys: vec!["/config/a".to_owned(), "host=/b".to_owned()],
        };
        assert_eq!(read(text), Ok(expected));
        assert_eq!(read(""), Ok(UserConfig::default()));
        assert_eq!(read("images:\n"), Ok(UserConfig::default()));
    }

    #[test]
    fn the_sample_of_the_help_is_one() {
        let (_, sample) = HELP.split_once(":\n\n").unwrap();
        let config = read(sample).unwrap();
        assert_eq!((config.jobs, config.images.len()), (Some(4), 2));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, place, words) in [
            ("image: {}\n", "config.yaml:1:1", "did you mean `images`?"),
            ("runner: podman\n", "config.yaml:1:9", "auto, docker or host"),
            ("jobs: 0\n", "config.yaml:1:7", "a number from 1 to 1000"),
            ("jobs: many\n", "config.yaml:1:7", "`many`"),
            ("images:\n  a: [b]\n", "config.yaml:2:6", "`images.a`"),
            ("images: x\n", "config.yaml:1:9", "pairs like"),
            ("- a\n", "config.yaml:1:1", "keys are expected"),
            ("secret_file: {}\n", "config.yaml:1:14", "a path is expected"),
            ("jobs: 1\njobs: 2\n", "config.yaml:2:1", "jobs"),
            ("a: {\n", "config.yaml:", ""),
        ] {
            let wrong = read(text).unwrap_err().join("\n");
            assert!(wrong.contains(place) && wrong.contains(words), "{text}: {wrong}");
        }
        assert!(read(&"#".repeat(SIZE_LIMIT_BYTES + 1)).is_err());
    }
}
