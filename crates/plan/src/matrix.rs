use serde::{Deserialize, Serialize};
use sluice_expression::{Expression, Value};

use crate::{Late, Named};

/// `strategy:` of a GitHub job. CircleCI's matrix is expanded by its dialect, as CircleCI does before the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Strategy {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matrix: Option<Matrix>,
    /// GitHub's default is true.
    pub fail_fast: Late<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_parallel: Option<Late<u32>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matrix {
    /// `matrix: ${{ fromJSON(needs.x.outputs.matrix) }}`
    Whole(Expression),
    Axes {
        axes: Vec<Named<Axis>>,
        /// Each an object, or one expression that gives the array.
        include: Axis,
        exclude: Axis,
    },
}

/// The values of one key of a matrix. Strings inside may hold `${{ }}`, which the engine evaluates before it combines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    Values(Vec<Value>),
    Expression(Expression),
}

impl Axis {
    pub fn none() -> Self {
        Self::Values(Vec::new())
    }
}
