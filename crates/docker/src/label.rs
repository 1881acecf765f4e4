use std::collections::BTreeMap;

/// Names the data folder that a container, network or volume belongs to, so that a later process can sweep it.
pub const LABEL_OWNER: &str = "sluice.owner";
/// Names the run, job and attempt that a container, network or volume was made for.
pub const LABEL_JOB: &str = "sluice.job";

/// Labels of a container, network or volume.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// The label that every object of a data folder carries.
    pub fn of_owner(owner: &str) -> Self {
        Self::default().with(LABEL_OWNER, owner)
    }

    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(key.into(), value.into());
        self
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    pub(crate) fn to_map(&self) -> std::collections::HashMap<String, String> {
        self.0.clone().into_iter().collect()
    }

    /// The `label` filter of the Engine API: every one of them has to match.
    pub(crate) fn to_filter(&self) -> std::collections::HashMap<String, Vec<String>> {
        let wanted = self.iter().map(|(key, value)| format!("{key}={value}")).collect();
        std::collections::HashMap::from([("label".to_owned(), wanted)])
    }
}

impl FromIterator<(String, String)> for Labels {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}
