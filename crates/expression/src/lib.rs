//! GitHub's expression language: values, parser, evaluator. Pure; knows no workflow.

mod template;
mod value;

pub use template::{Expression, Template, TemplateError};
pub use value::Value;
