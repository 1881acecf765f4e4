use serde::{Deserialize, Serialize};
use sluice_expression::{Expression, Template};

/// A value that stands in the file, or an expression that is decided when the job or the step is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Late<T> {
    Known(T),
    Expression(Expression),
}

impl<T> Late<T> {
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Expression(_) => None,
        }
    }
}

/// A key with its value, where the file's order counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Named<T> {
    pub name: String,
    pub value: T,
}

impl<T> Named<T> {
    pub fn new(name: impl Into<String>, value: T) -> Self {
        Self { name: name.into(), value }
    }
}

/// `env:` as a whole may be one expression in some places of GitHub's syntax; entries elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvEntry {
    Set {
        name: String,
        value: Template,
    },
    /// `env: ${{ fromJSON(…) }}`: every key of the object that it gives.
    All(Expression),
}
