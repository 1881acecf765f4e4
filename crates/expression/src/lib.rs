//! GitHub's expression language: values, parser, evaluator. Pure; knows no workflow.

mod budget;
mod compare;
mod context;
mod display;
mod error;
mod evaluate;
mod functions;
mod json;
mod lexer;
mod number;
mod operand;
mod parser;
mod template;
mod tree;
mod value;
mod vocabulary;

pub use context::{Context, Scope, StatusFunction};
pub use error::{ErrorKind, EvaluationError, ParseError};
pub use json::JsonError;
pub use parser::{MAX_DEPTH, MAX_LENGTH};
pub use template::{Expression, Part, Template};
pub use tree::{BinaryOperator, LogicalOperator, Node, Span};
pub use value::Value;
pub use vocabulary::{Arity, Function, Vocabulary};
