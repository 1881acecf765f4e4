use std::fmt;

use crate::lexer::is_identifier;
use crate::tree::{BinaryOperator, LogicalOperator, Node};
use crate::{Value, number};

/// How tightly a node holds its parts together; a looser one inside a tighter one needs parentheses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grip {
    Or,
    And,
    Equality,
    Comparison,
    Not,
    Literal,
    /// What members may be taken of.
    Postfix,
}

impl Node {
    fn grip(&self) -> Grip {
        match self {
            Self::Logical { operator: LogicalOperator::Or, .. } => Grip::Or,
            Self::Logical { operator: LogicalOperator::And, .. } => Grip::And,
            Self::Binary { operator: BinaryOperator::Equal | BinaryOperator::NotEqual, .. } => Grip::Equality,
            Self::Binary { .. } => Grip::Comparison,
            Self::Not { .. } => Grip::Not,
            Self::Literal { .. } => Grip::Literal,
            Self::Context { .. } | Self::Index { .. } | Self::Star { .. } | Self::Call { .. } => {
                Grip::Postfix
            }
        }
    }
}

impl LogicalOperator {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::And => "&&",
            Self::Or => "||",
        }
    }
}

impl BinaryOperator {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

/// `node`, in parentheses unless it holds at least as tightly as `least`.
struct Held<'a>(&'a Node, Grip);

impl fmt::Display for Held<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(node, least) = self;
        if node.grip() >= *least { write!(f, "{node}") } else { write!(f, "({node})") }
    }
}

/// Text that parses to the same tree, with no more parentheses than it needs.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal { value, .. } => write_literal(value, f),
            Self::Context { name, .. } => f.write_str(name),
            Self::Index { of, key } => {
                let of = Held(of, Grip::Postfix);
                match key.as_ref() {
                    Self::Literal { value: Value::String(key), .. } if is_identifier(key) => {
                        write!(f, "{of}.{key}")
                    }
                    key => write!(f, "{of}[{key}]"),
                }
            }
            Self::Star { of } => write!(f, "{}.*", Held(of, Grip::Postfix)),
            Self::Call { function, arguments, .. } => {
                write!(f, "{function}(")?;
                write_joined(arguments.iter().map(|node| Held(node, Grip::Or)), ", ", f)?;
                f.write_str(")")
            }
            Self::Not { operand } => write!(f, "!{}", Held(operand, Grip::Not)),
            Self::Binary { operator, left, right } => {
                let tighter = match self.grip() {
                    Grip::Equality => Grip::Comparison,
                    _ => Grip::Not,
                };
                let left = Held(left, self.grip());
                write!(f, "{left} {} {}", operator.as_str(), Held(right, tighter))
            }
            Self::Logical { operator, operands } => {
                let tighter = match operator {
                    LogicalOperator::Or => Grip::And,
                    LogicalOperator::And => Grip::Equality,
                };
                let separator = format!(" {} ", operator.as_str());
                write_joined(operands.iter().map(|node| Held(node, tighter)), &separator, f)
            }
        }
    }
}

fn write_joined<'a>(
    items: impl Iterator<Item = Held<'a>>,
    separator: &str,
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    for (index, item) in items.enumerate() {
        if index > 0 {
            f.write_str(separator)?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

fn write_literal(value: &Value, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value {
        Value::Null => f.write_str("null"),
        Value::Bool(value) => write!(f, "{value}"),
        // `format` keeps 15 digits; a literal must come back as it was.
        Value::Number(value) if value.fract() == 0.0 && value.abs() < 1e15 => write!(f, "{value:.0}"),
        Value::Number(value) if value.is_finite() => write!(f, "{value:?}"),
        Value::Number(value) => f.write_str(&number::format(*value)),
        Value::String(text) => write!(f, "'{}'", text.replace('\'', "''")),
        // No literal of the language is a list or an object.
        Value::Array(_) | Value::Object(_) => f.write_str("null"),
    }
}
