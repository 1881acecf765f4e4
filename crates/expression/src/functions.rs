//! The functions (GitHub, "Functions"). Arguments are evaluated when they are needed, as GitHub does.

use crate::budget::BoundedText;
use crate::evaluate::{Evaluator, boolean};
use crate::operand::{Operand, View};
use crate::tree::{Node, Span};
use crate::{EvaluationError, StatusFunction, Value, compare, json};

type Evaluated<'c> = Result<Operand<'c>, EvaluationError>;

/// Calls `function`. The parser has checked the name and the count of arguments.
pub(crate) fn call<'c>(
    evaluator: &mut Evaluator<'c>,
    function: &str,
    arguments: &[Node],
    span: Span,
) -> Evaluated<'c> {
    match function.to_ascii_lowercase().as_str() {
        "case" => case(evaluator, arguments),
        "contains" => contains(evaluator, arguments),
        "startswith" => affix(evaluator, arguments, |text, part| text.starts_with(part)),
        "endswith" => affix(evaluator, arguments, |text, part| text.ends_with(part)),
        "format" => format(evaluator, arguments),
        "join" => join(evaluator, arguments),
        "tojson" => to_json(evaluator, arguments),
        "fromjson" => from_json(evaluator, arguments),
        "hashfiles" => hash_files(evaluator, function, arguments, span),
        _ => status(evaluator, function, arguments, span),
    }
}

fn argument<'c>(evaluator: &mut Evaluator<'c>, arguments: &[Node], index: usize) -> Evaluated<'c> {
    arguments.get(index).map_or(Ok(Operand::null()), |node| evaluator.evaluate(node))
}

fn case<'c>(evaluator: &mut Evaluator<'c>, arguments: &[Node]) -> Evaluated<'c> {
    let mut at = 0;
    while at + 1 < arguments.len() {
        match argument(evaluator, arguments, at)?.view() {
            View::Bool(true) => return argument(evaluator, arguments, at + 1),
            View::Bool(false) => at += 2,
            _ => return Err(EvaluationError::CasePredicate),
        }
    }
    argument(evaluator, arguments, at)
}

/// A text in a text, or a value among a list's items.
fn contains<'c>(evaluator: &mut Evaluator<'c>, arguments: &[Node]) -> Evaluated<'c> {
    let search = argument(evaluator, arguments, 0)?;
    let item = argument(evaluator, arguments, 1)?;
    if search.is_primitive() {
        let found =
            item.is_primitive() && compare::fold(&search.text()).contains(&compare::fold(&item.text()));
        return Ok(boolean(found));
    }
    Ok(boolean(search.items().iter().any(|candidate| compare::equals(candidate.view(), item.view()))))
}

fn affix<'c>(
    evaluator: &mut Evaluator<'c>,
    arguments: &[Node],
    is_affix: impl Fn(&str, &str) -> bool,
) -> Evaluated<'c> {
    let text = argument(evaluator, arguments, 0)?;
    let part = argument(evaluator, arguments, 1)?;
    let are_texts = text.is_primitive() && part.is_primitive();
    Ok(boolean(are_texts && is_affix(&compare::fold(&text.text()), &compare::fold(&part.text()))))
}

/// `{0}` stands for the first argument; `{{` and `}}` for a brace.
fn format<'c>(evaluator: &mut Evaluator<'c>, arguments: &[Node]) -> Evaluated<'c> {
    let pattern = argument(evaluator, arguments, 0)?;
    let pattern = pattern.text();
    let invalid = || EvaluationError::InvalidFormat(pattern.clone().into_owned());
    let mut values: Vec<Option<Operand<'c>>> = vec![None; arguments.len() - 1];
    let mut out = String::new();
    let mut rest: &str = &pattern;
    while let Some(brace) = rest.find(['{', '}']) {
        push(evaluator, &mut out, &rest[..brace])?;
        let after = &rest[brace + 1..];
        let is_open = rest.as_bytes()[brace] == b'{';
        if after.starts_with(if is_open { '{' } else { '}' }) {
            push(evaluator, &mut out, &rest[brace..=brace])?;
            rest = &after[1..];
            continue;
        }
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if !is_open || digits == 0 {
            return Err(invalid());
        }
        let place: usize = after[..digits].parse().unwrap_or(usize::MAX);
        let close = after.find('}').ok_or_else(invalid)?;
        let specifiers = match &after[digits..close] {
            "" => "",
            text => text.strip_prefix(':').ok_or_else(invalid)?,
        };
        if place >= values.len() {
            return Err(EvaluationError::FormatArgument(pattern.clone().into_owned()));
        }
        if values[place].is_none() {
            values[place] = Some(argument(evaluator, arguments, place + 1)?);
        }
        if let Some(value) = &values[place] {
            if !specifiers.is_empty() {
                let specifiers = specifiers.to_owned();
                return Err(EvaluationError::FormatSpecifiers { specifiers, kind: value.kind() });
            }
            push(evaluator, &mut out, &value.text())?;
        }
        rest = &after[close + 1..];
    }
    push(evaluator, &mut out, rest)?;
    Ok(Operand::Owned(Value::String(out)))
}

/// Adds to a text that is being made, as long as the budget allows the whole of it.
fn push(evaluator: &Evaluator<'_>, out: &mut String, part: &str) -> Result<(), EvaluationError> {
    if !evaluator.budget.has_room_for_text(out.len() + part.len()) {
        return Err(EvaluationError::OutOfMemory);
    }
    out.push_str(part);
    Ok(())
}

fn join<'c>(evaluator: &mut Evaluator<'c>, arguments: &[Node]) -> Evaluated<'c> {
    let list = argument(evaluator, arguments, 0)?;
    if list.is_primitive() {
        return Ok(Operand::Owned(Value::String(list.text().into_owned())));
    }
    let separator = match arguments.len() {
        1 => None,
        _ => Some(argument(evaluator, arguments, 1)?).filter(Operand::is_primitive),
    };
    let separator = separator.as_ref().map_or(",".into(), Operand::text);
    let mut out = evaluator.budget.text();
    for (index, item) in list.items().iter().enumerate() {
        if index > 0 {
            out.push(&separator)?;
        }
        out.push(&item.text())?;
    }
    Ok(Operand::Owned(Value::String(out.finish())))
}

fn to_json<'c>(evaluator: &mut Evaluator<'c>, arguments: &[Node]) -> Evaluated<'c> {
    let value = argument(evaluator, arguments, 0)?;
    let mut out: BoundedText = evaluator.budget.text();
    match &value {
        Operand::Borrowed(value) => json::write(value, 0, &mut out)?,
        Operand::Owned(value) => json::write(value, 0, &mut out)?,
        Operand::Filtered(_) => json::write(&value.clone().into_value(), 0, &mut out)?,
    }
    Ok(Operand::Owned(Value::String(out.finish())))
}

fn from_json<'c>(evaluator: &mut Evaluator<'c>, arguments: &[Node]) -> Evaluated<'c> {
    let text = argument(evaluator, arguments, 0)?;
    let text = text.text();
    if text.trim().is_empty() {
        return Err(EvaluationError::EmptyJson);
    }
    Ok(Operand::Owned(Value::from_json(&text)?))
}

fn texts(evaluator: &mut Evaluator<'_>, arguments: &[Node]) -> Result<Vec<String>, EvaluationError> {
    arguments.iter().map(|node| Ok(evaluator.evaluate(node)?.text().into_owned())).collect()
}

fn hash_files<'c>(
    evaluator: &mut Evaluator<'c>,
    name: &str,
    arguments: &[Node],
    span: Span,
) -> Evaluated<'c> {
    let patterns = texts(evaluator, arguments)?;
    match evaluator.context.hash_files(&patterns) {
        Some(Ok(digest)) => Ok(Operand::Owned(Value::String(digest))),
        Some(Err(message)) => Err(EvaluationError::HashFiles(message)),
        None => Err(evaluator.unknown_function(name, span)),
    }
}

fn status<'c>(evaluator: &mut Evaluator<'c>, name: &str, arguments: &[Node], span: Span) -> Evaluated<'c> {
    let jobs = texts(evaluator, arguments)?;
    let answer = StatusFunction::of_name(name).and_then(|function| evaluator.context.status(function, &jobs));
    answer.map(boolean).ok_or_else(|| evaluator.unknown_function(name, span))
}
