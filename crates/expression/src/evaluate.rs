use std::borrow::Cow;
use std::cmp::Ordering;

use crate::budget::Budget;
use crate::operand::{Operand, View};
use crate::tree::{BinaryOperator, LogicalOperator, Node, Span};
use crate::{Context, EvaluationError, Value, compare, functions};

/// The value of `tree`. `source` is for messages only.
pub(crate) fn evaluate(tree: &Node, source: &str, context: &dyn Context) -> Result<Value, EvaluationError> {
    let contexts = look_up_all(tree, source, context)?;
    let budget = Budget::new(context.memory_limit_bytes());
    let mut evaluator = Evaluator { source, contexts: &contexts, context, budget };
    evaluator.evaluate(tree).map(Operand::into_value)
}

type Contexts<'c> = Vec<(&'c str, Cow<'c, Value>)>;

/// Every context that the tree names, once, so that the same name gives the same object.
fn look_up_all<'c>(
    tree: &'c Node,
    source: &str,
    context: &'c dyn Context,
) -> Result<Contexts<'c>, EvaluationError> {
    let mut found: Contexts = Vec::new();
    let mut missing = None;
    tree.walk(&mut |node| {
        let Node::Context { name, span } = node else { return };
        if found.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return;
        }
        match context.lookup(name) {
            Some(value) => found.push((name, value)),
            None => {
                missing.get_or_insert(EvaluationError::UnknownContext {
                    name: name.clone(),
                    position: span.start + 1,
                    expression: source.to_owned(),
                });
            }
        }
    });
    missing.map_or(Ok(found), Err)
}

pub(crate) struct Evaluator<'c> {
    source: &'c str,
    contexts: &'c Contexts<'c>,
    pub(crate) context: &'c dyn Context,
    pub(crate) budget: Budget,
}

impl<'c> Evaluator<'c> {
    /// The node's value; what its parts took is free again, what the value takes is held.
    pub(crate) fn evaluate(&mut self, node: &Node) -> Result<Operand<'c>, EvaluationError> {
        let before = self.budget.used();
        let operand = self.node(node)?;
        self.budget.set(before + operand.size_bytes())?;
        Ok(operand)
    }

    fn node(&mut self, node: &Node) -> Result<Operand<'c>, EvaluationError> {
        match node {
            Node::Literal { value, .. } => Ok(Operand::Owned(value.clone())),
            Node::Context { name, .. } => Ok(self.named(name)),
            Node::Index { of, key } => {
                let of = self.evaluate(of)?;
                let key = Key::of(&self.evaluate(key)?);
                Ok(index(of, &key))
            }
            Node::Star { of } => Ok(star(self.evaluate(of)?)),
            Node::Call { function, arguments, span } => functions::call(self, function, arguments, *span),
            Node::Not { operand } => Ok(boolean(!self.evaluate(operand)?.is_truthy())),
            Node::Binary { operator, left, right } => {
                let left = self.evaluate(left)?;
                let right = self.evaluate(right)?;
                Ok(boolean(compared(*operator, left.view(), right.view())))
            }
            Node::Logical { operator, operands } => self.logical(*operator, operands),
        }
    }

    fn named(&self, name: &str) -> Operand<'c> {
        let found = self.contexts.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or(Operand::null(), |(_, value)| Operand::Borrowed(value))
    }

    /// The first operand that decides, or the last.
    fn logical(
        &mut self,
        operator: LogicalOperator,
        operands: &[Node],
    ) -> Result<Operand<'c>, EvaluationError> {
        let before = self.budget.used();
        let mut result = Operand::null();
        for operand in operands {
            self.budget.set(before)?;
            result = self.evaluate(operand)?;
            if result.is_truthy() == (operator == LogicalOperator::Or) {
                break;
            }
        }
        Ok(result)
    }

    pub(crate) fn unknown_function(&self, name: &str, span: Span) -> EvaluationError {
        EvaluationError::UnknownFunction {
            name: name.to_owned(),
            position: span.start + 1,
            expression: self.source.to_owned(),
        }
    }
}

pub(crate) fn boolean<'c>(value: bool) -> Operand<'c> {
    Operand::Owned(Value::Bool(value))
}

fn compared(operator: BinaryOperator, left: View<'_>, right: View<'_>) -> bool {
    let is = |wanted| compare::order(left, right) == Some(wanted);
    match operator {
        BinaryOperator::Equal => compare::equals(left, right),
        BinaryOperator::NotEqual => !compare::equals(left, right),
        BinaryOperator::Less => is(Ordering::Less),
        BinaryOperator::Greater => is(Ordering::Greater),
        BinaryOperator::LessOrEqual => compare::equals(left, right) || is(Ordering::Less),
        BinaryOperator::GreaterOrEqual => compare::equals(left, right) || is(Ordering::Greater),
    }
}

/// What stands in `[ ]`: a name for objects, a place for lists.
struct Key {
    name: Option<String>,
    place: Option<usize>,
}

impl Key {
    fn of(operand: &Operand<'_>) -> Self {
        let number = operand.view().to_number();
        Self {
            name: operand.is_primitive().then(|| operand.text().into_owned()),
            place: (number.is_finite() && number >= 0.0).then(|| number.floor() as usize),
        }
    }

    fn member<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        match value {
            Value::Object(pairs) => crate::value::member(pairs, self.name.as_deref()?),
            Value::Array(items) => items.get(self.place?),
            _ => None,
        }
    }
}

fn index<'c>(of: Operand<'c>, key: &Key) -> Operand<'c> {
    match of {
        Operand::Borrowed(value) => key.member(value).map_or(Operand::null(), Operand::Borrowed),
        Operand::Owned(value) => {
            key.member(&value).map_or(Operand::null(), |member| Operand::Owned(member.clone()))
        }
        Operand::Filtered(items) => Operand::Filtered(
            items
                .into_iter()
                .filter_map(|item| match item {
                    Operand::Borrowed(value) => key.member(value).map(Operand::Borrowed),
                    Operand::Owned(value) => key.member(&value).cloned().map(Operand::Owned),
                    Operand::Filtered(items) => key.place.and_then(|place| items.into_iter().nth(place)),
                })
                .collect(),
        ),
    }
}

fn star(of: Operand<'_>) -> Operand<'_> {
    match of {
        Operand::Filtered(items) => Operand::Filtered(items.into_iter().flat_map(members).collect()),
        of => Operand::Filtered(members(of)),
    }
}

/// The items of a list, or the values of an object.
fn members(of: Operand<'_>) -> Vec<Operand<'_>> {
    match of {
        Operand::Borrowed(Value::Array(items)) => items.iter().map(Operand::Borrowed).collect(),
        Operand::Borrowed(Value::Object(pairs)) => {
            pairs.iter().map(|(_, item)| Operand::Borrowed(item)).collect()
        }
        Operand::Owned(Value::Array(items)) => items.into_iter().map(Operand::Owned).collect(),
        Operand::Owned(Value::Object(pairs)) => {
            pairs.into_iter().map(|(_, item)| Operand::Owned(item)).collect()
        }
        Operand::Filtered(items) => items,
        Operand::Borrowed(_) | Operand::Owned(_) => Vec::new(),
    }
}
