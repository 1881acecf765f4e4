use std::borrow::Cow;

use crate::{Value, number};

/// A value during evaluation: a part of a context, which has an identity, or one that was made.
#[derive(Debug, Clone)]
pub(crate) enum Operand<'a> {
    Borrowed(&'a Value),
    Owned(Value),
    /// What `*` gives: a list on which a further `.name` or `[0]` goes to every item.
    Filtered(Vec<Operand<'a>>),
}

/// An operand's kind and content, for reading. Lists and objects carry their identity where they have one.
#[derive(Debug, Clone, Copy)]
pub(crate) enum View<'a> {
    Null,
    Bool(bool),
    Number(f64),
    Text(&'a str),
    Array(Option<&'a Value>),
    Object(Option<&'a Value>),
}

impl View<'_> {
    pub(crate) fn to_number(self) -> f64 {
        match self {
            Self::Null => 0.0,
            Self::Bool(value) => f64::from(u8::from(value)),
            Self::Number(value) => value,
            Self::Text(text) => number::parse(text),
            Self::Array(_) | Self::Object(_) => f64::NAN,
        }
    }
}

fn view_of<'a>(value: &'a Value, identity: Option<&'a Value>) -> View<'a> {
    match value {
        Value::Null => View::Null,
        Value::Bool(value) => View::Bool(*value),
        Value::Number(value) => View::Number(*value),
        Value::String(text) => View::Text(text),
        Value::Array(_) => View::Array(identity),
        Value::Object(_) => View::Object(identity),
    }
}

impl<'a> Operand<'a> {
    pub(crate) fn null() -> Self {
        Self::Owned(Value::Null)
    }

    pub(crate) fn view(&self) -> View<'_> {
        match self {
            Self::Borrowed(value) => view_of(value, Some(value)),
            Self::Owned(value) => view_of(value, None),
            Self::Filtered(_) => View::Array(None),
        }
    }

    pub(crate) fn is_truthy(&self) -> bool {
        match self {
            Self::Borrowed(value) => value.is_truthy(),
            Self::Owned(value) => value.is_truthy(),
            Self::Filtered(_) => true,
        }
    }

    /// Neither a list nor an object.
    pub(crate) fn is_primitive(&self) -> bool {
        !matches!(self.view(), View::Array(_) | View::Object(_))
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Borrowed(value) => value.kind(),
            Self::Owned(value) => value.kind(),
            Self::Filtered(_) => "Array",
        }
    }

    pub(crate) fn text(&self) -> Cow<'_, str> {
        match self.view() {
            View::Text(text) => Cow::Borrowed(text),
            View::Null => Cow::Borrowed(""),
            View::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
            View::Number(value) => Cow::Owned(number::format(value)),
            View::Array(_) => Cow::Borrowed("Array"),
            View::Object(_) => Cow::Borrowed("Object"),
        }
    }

    /// The items of a list, none otherwise.
    pub(crate) fn items(&self) -> Vec<Operand<'_>> {
        match self {
            Self::Borrowed(Value::Array(items)) => items.iter().map(Operand::Borrowed).collect(),
            Self::Owned(Value::Array(items)) => items.iter().map(Operand::Borrowed).collect(),
            Self::Filtered(items) => items.iter().map(Operand::reborrow).collect(),
            Self::Borrowed(_) | Self::Owned(_) => Vec::new(),
        }
    }

    fn reborrow(&self) -> Operand<'_> {
        match self {
            Self::Borrowed(value) => Operand::Borrowed(value),
            Self::Owned(value) => Operand::Borrowed(value),
            Self::Filtered(items) => Operand::Filtered(items.iter().map(Operand::reborrow).collect()),
        }
    }

    pub(crate) fn into_value(self) -> Value {
        match self {
            Self::Borrowed(value) => value.clone(),
            Self::Owned(value) => value,
            Self::Filtered(items) => Value::Array(items.into_iter().map(Operand::into_value).collect()),
        }
    }

    /// Bytes that this value took to make: nothing for what a context holds.
    pub(crate) fn size_bytes(&self) -> usize {
        match self {
            Self::Borrowed(_) => 0,
            Self::Owned(value) => size_of_value(value),
            Self::Filtered(items) => 24 + items.iter().map(|item| 8 + item.size_bytes()).sum::<usize>(),
        }
    }
}

/// As GitHub counts: two bytes a character and a constant for each object.
fn size_of_value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 24,
        Value::String(text) => crate::budget::size_of_text(text),
        Value::Array(items) => 24 + items.iter().map(size_of_value).sum::<usize>(),
        Value::Object(pairs) => {
            let of_pair =
                |(key, value): &(String, Value)| crate::budget::size_of_text(key) + size_of_value(value);
            24 + pairs.iter().map(of_pair).sum::<usize>()
        }
    }
}
