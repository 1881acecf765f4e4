//! The matrix of a job that calls a reusable workflow. Its combinations are told when the file is read, for the jobs of each
//! stand in the plan.

use std::borrow::Cow;
use std::cell::RefCell;

use sluice_expression::{Context, Expression, Node, Span, StatusFunction, Template, Value};
use sluice_model::JobId;
use sluice_plan::{Concurrency, Late, Named, SecretsPassed, Strategy, combination_name};

use crate::inline::literal;
use crate::rewrite::{self, Stuck};
use crate::workflow::{CallBody, Needed, WorkflowJob};

/// A job that calls, for one combination of its matrix: what of it the combination decides is decided.
pub(crate) struct Caller<'a> {
    /// `call`, and `call.1` for the second combination: no job's own id has a `.`.
    pub(crate) id: String,
    pub(crate) name: Template,
    pub(crate) needs: &'a [Needed],
    pub(crate) condition: &'a Expression,
    pub(crate) concurrency: Option<Concurrency>,
    pub(crate) with: Vec<Named<Template>>,
    pub(crate) secrets: SecretsPassed,
    /// None where there is no other one.
    pub(crate) combination: Option<sluice_plan::Combination>,
}

/// The job for each combination of its matrix; once where it has none. `known` are the inputs of the workflow that it
/// stands in, as far as they are told.
pub(crate) fn callers<'a>(
    job: &'a WorkflowJob,
    body: &CallBody,
    known: &[(String, Node)],
) -> Result<Vec<Caller<'a>>, Stuck> {
    let strategy = job.strategy.as_ref();
    let matrix = match strategy {
        Some(strategy) => decided(strategy, known)?,
        None => None,
    };
    let total = matrix.as_ref().map_or(1, Vec::len);
    let matrices = matrix.unwrap_or_else(|| vec![Value::Object(Vec::new())]);
    let caller = |(index, matrix): (usize, Value)| {
        let place = Place { strategy, matrix: &matrix, index, total };
        let map = |expression: &Expression| place.told(expression);
        let id = if index == 0 { job.id.clone() } else { format!("{}.{index}", job.id) };
        let combination = strategy.filter(|_| total > 1).map(|strategy| sluice_plan::Combination {
            of: JobId::new(job.id.as_str()),
            values: combination_name(&matrix).unwrap_or_default(),
            fail_fast: strategy.fail_fast.clone(),
            max_parallel: strategy.max_parallel.clone(),
        });
        Ok(Caller {
            id,
            name: place.name(job)?,
            needs: &job.needs,
            condition: &job.condition,
            concurrency: rewrite::some(&job.concurrency, |group| rewrite::concurrency(group, &map))?,
            with: rewrite::named_templates(&body.with, &map)?,
            secrets: rewrite::secrets(&body.secrets, &map)?,
            combination,
        })
    };
    matrices.into_iter().enumerate().map(caller).collect()
}

/// The combinations, where everything that they are made of stands in the files.
fn decided(strategy: &Strategy, known: &[(String, Node)]) -> Result<Option<Vec<Value>>, Stuck> {
    let told = |expression: &Expression| {
        let node = expression.tree().replaced(&|node| input(node, known));
        Ok(Expression::parse(&node.to_string())?)
    };
    let strategy = rewrite::strategy(strategy, &told)?;
    let Some(matrix) = &strategy.matrix else { return Ok(None) };
    let nothing = Nothing { asked: RefCell::new(None) };
    let combinations = matrix.combinations(&nothing);
    if let Some(name) = nothing.asked.into_inner() {
        return Err(Stuck::LateMatrix { by: name, why: "" });
    }
    combinations.map(Some).map_err(Stuck::Matrix)
}

/// What `inputs.name` stands for.
pub(crate) fn input(node: &Node, known: &[(String, Node)]) -> Option<Node> {
    match node.path()?.as_slice() {
        [context, name] if context == "inputs" => {
            known.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, node)| node.clone())
        }
        _ => None,
    }
}

/// What knows no context, and remembers which was asked for.
struct Nothing {
    asked: RefCell<Option<String>>,
}

impl Context for Nothing {
    fn lookup(&self, name: &str) -> Option<Cow<'_, Value>> {
        self.asked.borrow_mut().get_or_insert_with(|| name.to_owned());
        None
    }

    fn status(&self, _function: StatusFunction, _jobs: &[String]) -> Option<bool> {
        None
    }
}

struct Place<'a> {
    strategy: Option<&'a Strategy>,
    matrix: &'a Value,
    index: usize,
    total: usize,
}

impl Place<'_> {
    /// The expression with `matrix` and `strategy` told.
    fn told(&self, expression: &Expression) -> Result<Expression, Stuck> {
        let longest = node_of(self.matrix).to_string().len();
        let node = rewrite::replaced(expression.tree(), longest, &|node| self.replacement(node))?;
        if node == *expression.tree() {
            Ok(expression.clone())
        } else {
            Ok(Expression::parse(&node.to_string())?)
        }
    }

    fn replacement(&self, node: &Node) -> Option<Node> {
        let path = node.path()?;
        let [context, rest @ ..] = path.as_slice() else { return None };
        match (context.as_str(), rest) {
            ("matrix", keys) if !keys.iter().any(|key| key == "*") => {
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                Some(self.matrix.get_path(&keys).map_or(literal(Value::Null), node_of))
            }
            ("strategy", [key]) => match key.as_str() {
                "job-index" => Some(literal(Value::Number(self.index as f64))),
                "job-total" => Some(literal(Value::Number(self.total as f64))),
                "fail-fast" => Some(match self.strategy.map(|strategy| &strategy.fail_fast) {
                    Some(Late::Expression(expression)) => expression.tree().clone(),
                    Some(Late::Known(value)) => literal(Value::Bool(*value)),
                    None => literal(Value::Bool(true)),
                }),
                "max-parallel" => {
                    Some(match self.strategy.and_then(|strategy| strategy.max_parallel.as_ref()) {
                        Some(Late::Expression(expression)) => expression.tree().clone(),
                        Some(Late::Known(most)) => literal(Value::Number(f64::from(*most))),
                        None => literal(Value::Number(self.total as f64)),
                    })
                }
                _ => Some(literal(Value::Null)),
            },
            _ => None,
        }
    }

    /// As GitHub shows it: a `name:` with an expression in it is taken as it comes; any other gets the matrix values
    /// behind it.
    fn name(&self, job: &WorkflowJob) -> Result<Template, Stuck> {
        let own = job.name.clone().unwrap_or_else(|| Template::literal(job.id.as_str()));
        if own.expressions().next().is_none() {
            let name = own.as_literal().unwrap_or_default();
            return Ok(Template::literal(match combination_name(self.matrix) {
                Some(values) => format!("{name} ({values})"),
                None => name.to_owned(),
            }));
        }
        let told = rewrite::template(&own, &|expression| self.told(expression))?;
        let nothing = Nothing { asked: RefCell::new(None) };
        // What stands fast is put in, so that the name is as plain as it can be.
        let text = told.evaluate_text(&nothing).ok().filter(|_| nothing.asked.borrow().is_none());
        Ok(text.map_or(told, Template::literal))
    }
}

/// An expression for the value: a literal, or JSON that is read again.
fn node_of(value: &Value) -> Node {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => literal(value.clone()),
        Value::Array(_) | Value::Object(_) => {
            let json = serde_json::to_string(value).unwrap_or_default();
            let arguments = vec![literal(Value::from(json))];
            Node::Call { function: "fromJSON".to_owned(), arguments, span: Span::default() }
        }
    }
}
