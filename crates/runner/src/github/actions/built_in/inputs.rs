use sluice_plan::{Action, ActionReference, Step};

/// The inputs of an action that this runner does itself.
pub(super) struct Known {
    name: &'static str,
    pub taken: &'static [&'static str],
    /// Those that the action has and nothing here does.
    refused: &'static [&'static str],
}

/// The actions that this runner does itself.
///
/// What only makes the action faster elsewhere is taken and needs no doing: here the repository is on the same disk.
const KNOWN: [Known; 7] = [
    Known {
        name: "actions/checkout",
        taken: &[
            "repository",
            "ref",
            "token",
            "persist-credentials",
            "path",
            "clean",
            "filter",
            "sparse-checkout",
            "sparse-checkout-cone-mode",
            "fetch-depth",
            "fetch-tags",
            "show-progress",
            "reference",
            "lfs",
            "submodules",
            "set-safe-directory",
        ],
        refused: &["ssh-key", "ssh-known-hosts", "ssh-strict", "ssh-user", "github-server-url"],
    },
    Known {
        name: "actions/upload-artifact",
        taken: &[
            "name",
            "path",
            "if-no-files-found",
            "retention-days",
            "compression-level",
            "overwrite",
            "include-hidden-files",
            "archive",
        ],
        refused: &[],
    },
    Known {
        name: "actions/upload-artifact/merge",
        taken: &[
            "name",
            "pattern",
            "if-no-files-found",
            "separate-directories",
            "retention-days",
            "compression-level",
            "delete-merged",
        ],
        refused: &[],
    },
    Known {
        name: "actions/download-artifact",
        taken: &[
            "name",
            "artifact-ids",
            "path",
            "pattern",
            "merge-multiple",
            "github-token",
            "repository",
            "run-id",
            "digest-mismatch",
        ],
        refused: &["skip-decompress"],
    },
    Known {
        name: "actions/cache",
        taken: &[
            "path",
            "key",
            "restore-keys",
            "upload-chunk-size",
            "enableCrossOsArchive",
            "fail-on-cache-miss",
            "lookup-only",
            "save-always",
        ],
        refused: &[],
    },
    Known {
        name: "actions/cache/restore",
        taken: &["path", "key", "restore-keys", "enableCrossOsArchive", "fail-on-cache-miss", "lookup-only"],
        refused: &[],
    },
    Known {
        name: "actions/cache/save",
        taken: &["path", "key", "upload-chunk-size", "enableCrossOsArchive"],
        refused: &[],
    },
];

pub(super) fn of(action: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name.eq_ignore_ascii_case(action))
}

impl Known {
    pub fn refuses(&self, input: &str) -> bool {
        self.refused.iter().any(|refused| refused.eq_ignore_ascii_case(input))
    }

    fn takes(&self, input: &str) -> bool {
        self.taken.iter().any(|taken| taken.eq_ignore_ascii_case(input))
    }
}

/// What a step gives to a built-in action.
pub(super) struct Inputs<'a> {
    with: &'a [(String, String)],
    /// The version of the action that the step asks for.
    git_ref: &'a str,
}

impl<'a> Inputs<'a> {
    pub fn of(step: &'a Step, with: &'a [(String, String)]) -> Self {
        let git_ref = match &step.action {
            Action::Uses(uses) => match &uses.action {
                ActionReference::Repository { git_ref, .. } => git_ref,
                ActionReference::Local { .. } | ActionReference::Docker { .. } => "",
            },
            _ => "",
        };
        Self { with, git_ref }
    }

    /// The major version, where the ref tells it: `v4`, `v4.1.2`.
    pub fn major(&self) -> Option<u32> {
        self.git_ref.strip_prefix('v')?.split('.').next()?.parse().ok()
    }

    pub fn get(&self, name: &str) -> Option<&'a str> {
        let found = self.with.iter().find(|(input, _)| input.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    pub fn required(&self, name: &str) -> Result<&'a str, String> {
        self.get(name).ok_or_else(|| format!("Input required and not supplied: {name}"))
    }

    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// As `getBooleanInput` of actions/toolkit reads it.
    pub fn boolean(&self, name: &str, default: bool) -> Result<bool, String> {
        match self.get(name) {
            None => Ok(default),
            Some("true" | "True" | "TRUE") => Ok(true),
            Some("false" | "False" | "FALSE") => Ok(false),
            Some(_) => Err(format!(
                "Input does not meet YAML 1.2 \"Core Schema\" specification: {name}\nSupport boolean input list: `true | True \
                 | TRUE | false | False | FALSE`"
            )),
        }
    }

    /// The lines of an input that holds several, empty ones left out.
    pub fn lines(&self, name: &str) -> Vec<&'a str> {
        let lines = self.get(name).unwrap_or_default().lines().map(str::trim);
        lines.filter(|line| !line.is_empty()).collect()
    }

    /// What GitHub warns of: inputs that the action does not have.
    pub fn unexpected(&self, action: &str) -> Option<String> {
        let known = of(action)?;
        let unexpected: Vec<&str> =
            self.with.iter().map(|(name, _)| &**name).filter(|name| !known.takes(name)).collect();
        (!unexpected.is_empty()).then(|| {
            let (unexpected, valid) = (unexpected.join("', '"), known.taken.join("', '"));
            format!("Unexpected input(s) '{unexpected}', valid inputs are ['{valid}']")
        })
    }
}
