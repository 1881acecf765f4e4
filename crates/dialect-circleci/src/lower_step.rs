//! Compiled steps to typed actions.

use sluice_expression::Template;
use sluice_plan::{Action, Background, CacheWhen, Reruns, RunScript, Step, StepCondition};
use sluice_source::{Node, did_you_mean_text};

use crate::config::Config;
use crate::lower::{Refused, env, literal, words};
use crate::scalar::as_boolean;

/// The longest `auto_rerun_delay`.
const LONGEST_DELAY_S: u64 = 600;

const STATUSES: [&str; 3] = ["on_success", "on_fail", "always"];

impl Config {
    /// The step that a compiled step comes to; none for one that has nothing to do here.
    pub(crate) fn step(&self, node: &Node) -> Result<Option<Step>, Refused> {
        let (name, body) = match node.entries() {
            Some([entry]) => (entry.key.text().unwrap_or_default(), Some(&entry.value)),
            _ => (node.text().unwrap_or_default(), None),
        };
        let nothing = Node::mapping(Vec::new(), node.span);
        let body = body.filter(|body| !body.is_null()).unwrap_or(&nothing);
        let action = match name {
            "run" | "deploy" => self.run(node, body)?,
            "checkout" => Action::Checkout { path: literal(body, "path") },
            "setup_remote_docker" => Action::SetupRemoteDocker {
                version: literal(body, "version"),
                layer_caching: body.get("docker_layer_caching").and_then(as_boolean).unwrap_or(false),
            },
            "save_cache" => Action::SaveCache {
                key: self.required(name, node, body, "key")?,
                paths: self.list(name, node, body, "paths")?,
                when: self.cache_when(body)?,
                name: literal(body, "name"),
            },
            "restore_cache" => Action::RestoreCache { keys: self.cache_keys(node, body)? },
            "store_artifacts" => Action::StoreArtifacts {
                path: self.required(name, node, body, "path")?,
                destination: literal(body, "destination"),
            },
            "store_test_results" => {
                Action::StoreTestResults { path: self.required(name, node, body, "path")? }
            }
            "persist_to_workspace" => Action::PersistToWorkspace {
                root: self.required(name, node, body, "root")?,
                paths: self.list(name, node, body, "paths")?,
            },
            "attach_workspace" => Action::AttachWorkspace { at: self.required(name, node, body, "at")? },
            "add_ssh_keys" => Action::AddSshKeys {
                fingerprints: texts(body.get("fingerprints")).into_iter().map(str::to_owned).collect(),
            },
            // Expansion leaves only built-in steps.
            _ => return Ok(None),
        };
        let is_background = body.get("background").and_then(as_boolean).unwrap_or(false);
        Ok(Some(Step {
            id: String::new(),
            name: literal(body, "name"),
            at: self.at(node),
            condition: self.condition(&action, body)?,
            env: if matches!(action, Action::Run(_)) {
                body.get("environment").map(env).unwrap_or_default()
            } else {
                Vec::new()
            },
            continue_on_error: None,
            timeout_minutes: None,
            background: if is_background { Background::Detached } else { Background::No },
            action,
        }))
    }

    fn run(&self, node: &Node, body: &Node) -> Result<Action, Refused> {
        Ok(Action::Run(RunScript {
            script: self.required("run", node, body, "command")?,
            shell: body.get("shell").and_then(words),
            working_directory: literal(body, "working_directory"),
            no_output_timeout_s: self.no_output_timeout(body)?,
            reruns: self.reruns(body)?,
        }))
    }

    /// CircleCI, "Automatic reruns": 1 to 5 times, after at most 10 minutes.
    fn reruns(&self, body: &Node) -> Result<Option<Reruns>, Refused> {
        let delay_s = match body.get("auto_rerun_delay").filter(|node| !node.is_null()) {
            None => 0,
            Some(delay) => {
                let seconds = delay.text().and_then(duration_s).filter(|seconds| *seconds <= LONGEST_DELAY_S);
                seconds.ok_or_else(|| {
                    let seen = delay.text().unwrap_or("…");
                    let message = format!(
                        "`auto_rerun_delay` is a time up to 10 minutes, such as `10s` or `3m`, and this is `{seen}`"
                    );
                    self.refuse("auto-rerun-delay", delay.place(), message)
                })?
            }
        };
        let Some(most) = body.get("max_auto_reruns").filter(|node| !node.is_null()) else { return Ok(None) };
        let number = most.text().and_then(|text| text.parse().ok()).filter(|most| (1..=5).contains(most));
        let most = number.ok_or_else(|| {
            let seen = most.text().unwrap_or("…");
            let message = format!("`max_auto_reruns` is a number from 1 to 5, and this is `{seen}`");
            self.refuse("max-auto-reruns", most.place(), message)
        })?;
        Ok(Some(Reruns { most, delay_s }))
    }

    fn no_output_timeout(&self, body: &Node) -> Result<Option<u64>, Refused> {
        let Some(timeout) = body.get("no_output_timeout").filter(|node| !node.is_null()) else {
            return Ok(None);
        };
        let seconds = timeout.text().and_then(duration_s);
        seconds.map(Some).ok_or_else(|| {
            let seen = timeout.text().unwrap_or("…");
            let message = format!(
                "`no_output_timeout` is a time such as `20m`, `1.25h` or `90s`, and this is `{seen}`"
            );
            self.refuse("no-output-timeout", timeout.place(), message)
        })
    }

    /// What to do when the job has failed already. Artifacts and test results are stored even then.
    fn condition(&self, action: &Action, body: &Node) -> Result<StepCondition, Refused> {
        match action {
            Action::StoreArtifacts { .. } | Action::StoreTestResults { .. } => Ok(StepCondition::Always),
            Action::SaveCache { when, .. } => Ok(match when {
                CacheWhen::OnSuccess => StepCondition::OnSuccess,
                CacheWhen::OnFail => StepCondition::OnFail,
                CacheWhen::Always => StepCondition::Always,
            }),
            _ => Ok(match self.status(body)? {
                "on_fail" => StepCondition::OnFail,
                "always" => StepCondition::Always,
                _ => StepCondition::OnSuccess,
            }),
        }
    }

    fn cache_when(&self, body: &Node) -> Result<CacheWhen, Refused> {
        Ok(match self.status(body)? {
            "on_fail" => CacheWhen::OnFail,
            "always" => CacheWhen::Always,
            _ => CacheWhen::OnSuccess,
        })
    }

    fn status(&self, body: &Node) -> Result<&'static str, Refused> {
        let Some(when) = body.get("when").filter(|when| !when.is_null()) else { return Ok("on_success") };
        let seen = when.text().unwrap_or_default();
        STATUSES.into_iter().find(|status| *status == seen).ok_or_else(|| {
            let message =
                format!("`when` of a step is one of `{}`, and this is `{seen}`", STATUSES.join("`, `"));
            let mut refused = self.refuse("when", when.place(), message);
            refused.help.extend(did_you_mean_text(seen, STATUSES));
            refused
        })
    }

    /// `key` is tried first, then each of `keys`.
    fn cache_keys(&self, node: &Node, body: &Node) -> Result<Vec<Template>, Refused> {
        let keys = [body.get("key"), body.get("keys")];
        let keys: Vec<Template> = keys.into_iter().flat_map(texts).map(Template::literal).collect();
        if keys.is_empty() {
            return Err(self.refuse(
                "step",
                node.place(),
                "`restore_cache` needs a `key` or `keys`".to_owned(),
            ));
        }
        Ok(keys)
    }

    fn required(&self, step: &str, node: &Node, body: &Node, key: &str) -> Result<Template, Refused> {
        literal(body, key)
            .ok_or_else(|| self.refuse("step", node.place(), format!("`{step}` needs a `{key}`")))
    }

    fn list(&self, step: &str, node: &Node, body: &Node, key: &str) -> Result<Vec<Template>, Refused> {
        let items = texts(body.get(key));
        if items.is_empty() {
            return Err(self.refuse("step", node.place(), format!("`{step}` needs `{key}`")));
        }
        Ok(items.into_iter().map(Template::literal).collect())
    }
}

/// The texts of a list, or of the one value in place of a list.
fn texts(node: Option<&Node>) -> Vec<&str> {
    match node.map(|node| (node, node.items())) {
        Some((_, Some(items))) => items.iter().filter_map(Node::text).collect(),
        Some((node, None)) if !node.is_null() => node.text().into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Seconds of `20m`, `1.25h`, `1h30m`; a number alone is seconds.
fn duration_s(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..end].parse().ok()?;
        let unit_end =
            rest[end..].find(|c: char| c.is_ascii_digit() || c == '.').map_or(rest.len(), |unit| end + unit);
        seconds += number
            * match &rest[end..unit_end] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" | "" => 1.0,
                "ms" => 0.001,
                _ => return None,
            };
        rest = &rest[unit_end..];
    }
    // A year is longer than any job.
    (seconds <= 31_536_000.0).then_some(seconds.ceil() as u64)
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_without_output() {
        let cases = [
            ("20m", Some(1200)),
            ("1.25h", Some(4500)),
            ("1h30m", Some(5400)),
            ("90s", Some(90)),
            ("90", Some(90)),
            ("1500ms", Some(2)),
            ("", None),
            ("m", None),
            ("5 m", None),
            ("1e9h", None),
            ("99999999h", None),
        ];
        for (text, expected) in cases {
            assert_eq!(super::duration_s(text), expected, "{text}");
        }
    }
}
