use sluice_expression::{Context, Expression, Template, Value};

use crate::{Axis, Matrix};

/// GitHub's limit: jobs that one matrix may make.
pub const MAX_COMBINATIONS: usize = 256;

/// The deepest value that a matrix may hold.
const MAX_DEPTH: usize = 32;

type Pairs = Vec<(String, Value)>;

impl Matrix {
    /// The combinations by GitHub's algorithm ("Running variations of jobs in a workflow"): the product of the axes,
    /// less what `exclude` names, then `include` adds to combinations or makes new ones. Each is an object.
    pub fn combinations(&self, context: &dyn Context) -> Result<Vec<Value>, String> {
        let decided = match self {
            Self::Whole(expression) => whole(evaluated(expression, context)?)?,
            Self::Axes { axes, include, exclude } => {
                let mut decided = Decided::default();
                for axis in axes {
                    decided.axes.push((axis.name.clone(), values(&axis.value, &axis.name, context)?));
                }
                decided.include = objects(values(include, "include", context)?, "include")?;
                decided.exclude = objects(values(exclude, "exclude", context)?, "exclude")?;
                decided
            }
        };
        decided.combine()
    }
}

/// What GitHub puts behind the name of a job for one combination: `ubuntu, 20`. None where it has no values.
pub fn combination_name(combination: &Value) -> Option<String> {
    let mut values = Vec::new();
    leaves(combination, &mut values);
    (!values.is_empty()).then(|| values.join(", "))
}

fn leaves(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) => into.push(value.to_text()),
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => into.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| leaves(item, into)),
        Value::Object(pairs) => pairs.iter().for_each(|(_, item)| leaves(item, into)),
    }
}

fn evaluated(expression: &Expression, context: &dyn Context) -> Result<Value, String> {
    expression.evaluate(context).map_err(|error| error.to_string())
}

/// A string in which `${{ }}` may stand; one expression alone keeps its type.
fn text(source: &str, context: &dyn Context) -> Result<Value, String> {
    let template = Template::parse(source).map_err(|error| error.to_string())?;
    template.evaluate(context).map_err(|error| error.to_string())
}

/// A matrix without expressions.
#[derive(Default)]
struct Decided {
    axes: Vec<(String, Vec<Value>)>,
    include: Vec<Pairs>,
    exclude: Vec<Pairs>,
}

impl Decided {
    fn combine(self) -> Result<Vec<Value>, String> {
        let mut product: Vec<Pairs> = if self.axes.is_empty() { Vec::new() } else { vec![Vec::new()] };
        for (name, values) in &self.axes {
            if values.is_empty() {
                return Err(format!("Matrix vector '{name}' does not contain any values"));
            }
            // The product is held back here, before it is made: eight axes of a hundred values are more than memory.
            // `exclude` can only take away from it, so it may be a few times what is left in the end.
            if product.len() * values.len() > 64 * MAX_COMBINATIONS {
                return Err(format!("it gives more than {MAX_COMBINATIONS} jobs"));
            }
            product = product
                .iter()
                .flat_map(|row| {
                    values.iter().map(|value| {
                        let mut row = row.clone();
                        row.push((name.clone(), value.clone()));
                        row
                    })
                })
                .collect();
        }
        product.retain(|row| !self.exclude.iter().any(|filter| !filter.is_empty() && matches(row, filter)));
        let mut rows: Vec<(Pairs, Pairs)> = product.into_iter().map(|row| (row, Vec::new())).collect();
        let mut added = Vec::new();
        for include in self.include {
            let mut fits_any = false;
            for (original, extra) in &mut rows {
                if agrees(original, &include) {
                    fits_any = true;
                    for (key, value) in &include {
                        if get(original, key).is_none() {
                            set(extra, key, value.clone());
                        }
                    }
                }
            }
            if !fits_any {
                added.push(include);
            }
        }
        let all: Vec<Value> = rows
            .into_iter()
            .map(|(mut original, extra)| {
                original.extend(extra);
                original
            })
            .chain(added)
            .map(Value::Object)
            .collect();
        match all.len() {
            0 => Err("it gives no job".to_owned()),
            many if many > MAX_COMBINATIONS => {
                Err(format!("it gives {many} jobs; at most {MAX_COMBINATIONS} are taken"))
            }
            _ => Ok(all),
        }
    }
}

/// `matrix: ${{ … }}`.
fn whole(value: Value) -> Result<Decided, String> {
    let Value::Object(pairs) = value else {
        return Err(format!("an object is expected, not {}", value.kind()));
    };
    let mut decided = Decided::default();
    for (name, value) in pairs {
        let values = array(value, &name)?;
        match name.to_ascii_lowercase().as_str() {
            "include" => decided.include = objects(values, "include")?,
            "exclude" => decided.exclude = objects(values, "exclude")?,
            _ => decided.axes.push((name, values)),
        }
    }
    Ok(decided)
}

fn values(axis: &Axis, name: &str, context: &dyn Context) -> Result<Vec<Value>, String> {
    match axis {
        Axis::Values(values) => values.iter().map(|value| decide(value, context, 0)).collect(),
        Axis::Expression(expression) => match evaluated(expression, context)? {
            Value::Null if matches!(name, "include" | "exclude") => Ok(Vec::new()),
            value => array(value, name),
        },
    }
}

/// A value with the expressions inside its strings decided.
fn decide(value: &Value, context: &dyn Context, depth: usize) -> Result<Value, String> {
    if depth > MAX_DEPTH {
        return Err(format!("a value is nested more than {MAX_DEPTH} deep"));
    }
    Ok(match value {
        Value::String(text) if text.contains("${{") => self::text(text, context)?,
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| decide(item, context, depth + 1)).collect::<Result<_, _>>()?)
        }
        Value::Object(pairs) => Value::Object(
            pairs
                .iter()
                .map(|(key, item)| Ok((key.clone(), decide(item, context, depth + 1)?)))
                .collect::<Result<_, String>>()?,
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    })
}

fn array(value: Value, name: &str) -> Result<Vec<Value>, String> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(format!("`{name}`: an array is expected, not {}", other.kind())),
    }
}

fn objects(values: Vec<Value>, name: &str) -> Result<Vec<Pairs>, String> {
    values
        .into_iter()
        .map(|value| match value {
            Value::Object(pairs) => Ok(pairs),
            other => Err(format!("`{name}`: each entry is an object, not {}", other.kind())),
        })
        .collect()
}

/// Every key of `filter` is in `row`, with a value that matches.
fn matches(row: &[(String, Value)], filter: &[(String, Value)]) -> bool {
    filter.iter().all(|(key, wanted)| get(row, key).is_some_and(|value| value_matches(value, wanted)))
}

/// No key of `include` would change a value of `row`.
fn agrees(row: &[(String, Value)], include: &[(String, Value)]) -> bool {
    include.iter().all(|(key, wanted)| get(row, key).is_none_or(|value| value_matches(value, wanted)))
}

/// An object matches when all keys that are wanted do; a list, item by item; anything else by its text.
fn value_matches(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Object(pairs), Value::Object(wanted)) => matches(pairs, wanted),
        (Value::Array(items), Value::Array(wanted)) => {
            items.len() == wanted.len()
                && items.iter().zip(wanted).all(|(item, want)| value_matches(item, want))
        }
        (Value::Object(_) | Value::Array(_), _) | (_, Value::Object(_) | Value::Array(_)) => false,
        (value, wanted) => value == wanted || value.to_text() == wanted.to_text(),
    }
}

fn get<'a>(pairs: &'a [(String, Value)], key: &str) -> Option<&'a Value> {
    pairs.iter().find(|(known, _)| known.eq_ignore_ascii_case(key)).map(|(_, value)| value)
}

fn set(pairs: &mut Pairs, key: &str, value: Value) {
    match pairs.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(key)) {
        Some((_, old)) => *old = value,
        None => pairs.push((key.to_owned(), value)),
    }
}
