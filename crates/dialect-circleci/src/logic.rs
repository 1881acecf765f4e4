//! Logic statements: `and`, `or`, `not`, `equal`, `matches`, and what is truthy.
//!
//! CircleCI configuration reference, "Logic statements".

use sluice_source::{Kind, Node, did_you_mean_text};

use crate::expander::Expander;
use crate::scalar::{Type, as_boolean, as_number};

const OPERATORS: [&str; 5] = ["and", "or", "not", "equal", "matches"];
const DEEPEST: usize = 100;

/// False, null, 0, NaN and the empty string are not; everything else is.
pub(crate) fn is_truthy(node: &Node) -> bool {
    match Type::of(node) {
        Type::Null => false,
        Type::Boolean => as_boolean(node).unwrap_or(false),
        Type::Integer | Type::Float => as_number(node).is_none_or(|number| number != 0.0 && !number.is_nan()),
        Type::String => node.text().is_some_and(|text| !text.is_empty()),
        Type::Sequence | Type::Map => true,
    }
}

/// Equal values of the same type; numbers by their value.
pub(crate) fn is_equal(a: &Node, b: &Node) -> bool {
    if let (Some(a), Some(b)) = (as_number(a), as_number(b)) {
        return a == b;
    }
    let types = (Type::of(a), Type::of(b));
    match types {
        (Type::Null, Type::Null) => true,
        (Type::Boolean, Type::Boolean) => as_boolean(a) == as_boolean(b),
        (Type::String, Type::String) => a.text() == b.text(),
        (Type::Sequence, Type::Sequence) => {
            let (a, b) = (a.items().unwrap_or_default(), b.items().unwrap_or_default());
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_equal(a, b))
        }
        (Type::Map, Type::Map) => {
            let (a, b) = (a.entries().unwrap_or_default(), b.entries().unwrap_or_default());
            a.len() == b.len()
                && a.iter().zip(b).all(|(a, b)| is_equal(&a.key, &b.key) && is_equal(&a.value, &b.value))
        }
        _ => false,
    }
}

impl Expander<'_> {
    /// Whether a statement without `<< >>` holds. None after an error, which is in the report.
    pub(crate) fn holds(&mut self, statement: &Node) -> Option<bool> {
        self.holds_at(statement, 0)
    }

    fn holds_at(&mut self, statement: &Node, depth: usize) -> Option<bool> {
        if depth > DEEPEST {
            let message = format!("logic statements are nested deeper than {DEEPEST} levels");
            self.report.error("logic", statement.place(), message);
            return None;
        }
        let entries = match &statement.kind {
            Kind::Scalar(_) => return Some(is_truthy(statement)),
            Kind::Sequence(_) => {
                let error = self
                    .report
                    .new_error(
                        "logic",
                        statement.place(),
                        "a condition is a value or one logic statement, not a list",
                    )
                    .with_help("put the list under `and:` or `or:`");
                self.report.push(error);
                return None;
            }
            Kind::Mapping(entries) => entries.clone(),
        };
        let [entry] = entries.as_slice() else {
            let message = format!("a logic statement has one key, and this map has {}", entries.len());
            self.report.error("logic", statement.place(), message);
            return None;
        };
        let operator = entry.key.text().unwrap_or_default().to_owned();
        let argument = &entry.value;
        match operator.as_str() {
            "not" => self.holds_at(argument, depth + 1).map(|holds| !holds),
            "and" | "or" => {
                let mut all = true;
                let mut any = false;
                for item in self.arguments(&operator, argument)? {
                    let holds = self.holds_at(item, depth + 1)?;
                    (all, any) = (all && holds, any || holds);
                }
                Some(if operator == "and" { all } else { any })
            }
            "equal" => {
                let items = self.arguments(&operator, argument)?;
                Some(items.windows(2).all(|pair| is_equal(&pair[0], &pair[1])))
            }
            "matches" => self.pattern_matches(argument),
            _ => {
                let mut error = self.report.new_error(
                    "logic",
                    entry.key.place(),
                    format!("`{operator}` is no logic statement"),
                );
                error.help.push(
                    did_you_mean_text(&operator, OPERATORS)
                        .unwrap_or_else(|| format!("write one of `{}`", OPERATORS.join("`, `"))),
                );
                self.report.push(error);
                None
            }
        }
    }

    fn arguments<'n>(&mut self, operator: &str, node: &'n Node) -> Option<&'n [Node]> {
        match node.items() {
            Some(items) if !items.is_empty() => Some(items),
            Some(_) => {
                self.report.error("logic", node.place(), format!("`{operator}` needs at least one argument"));
                None
            }
            None => {
                let message = format!("`{operator}` takes a list, and this is {}", node.describe());
                self.report.error("logic", node.place(), message);
                None
            }
        }
    }

    fn pattern_matches(&mut self, node: &Node) -> Option<bool> {
        let (Some(pattern), Some(value)) = (node.get("pattern"), node.get("value")) else {
            self.report.error("logic", node.place(), "`matches` is a map with `pattern` and `value`");
            return None;
        };
        let text = pattern.text().unwrap_or_default();
        match self.patterns.get(text) {
            Ok(compiled) => Some(value.text().is_some_and(|value| compiled.matches(value))),
            Err(message) => {
                self.report.error("pattern", pattern.place(), message);
                None
            }
        }
    }
}
