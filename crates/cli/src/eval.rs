use std::path::PathBuf;

use anyhow::{Context, bail};
use sluice_expression::{Expression, Scope, Template, Value};

use crate::Exit;

#[derive(clap::Args)]
pub struct Args {
    /// An expression, with or without its ${{ }}, or a text that holds some
    expression: String,
    /// A JSON object with the contexts: {"github": {"ref": "refs/heads/main"}, …}
    #[arg(short, long, value_name = "FILE")]
    context: Option<PathBuf>,
    /// Print the value as JSON, with its type kept
    #[arg(long)]
    json: bool,
}

/// What GitHub would make of it.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let scope = match &args.context {
        Some(path) => {
            let text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            match Value::from_json(&text).with_context(|| format!("{} is not JSON", path.display()))? {
                Value::Object(contexts) => Scope::new(contexts),
                other => bail!("{} holds a {}, expected an object of contexts", path.display(), other.kind()),
            }
        }
        None => Scope::default(),
    };
    match evaluate(&args.expression, &scope) {
        Ok(value) => {
            println!("{}", if args.json { serde_json::to_string(&value)? } else { value.to_text() });
            Ok(Exit::Done)
        }
        Err(message) => {
            anstream::eprintln!("error: {message}");
            Ok(Exit::Failed)
        }
    }
}

fn evaluate(text: &str, scope: &Scope) -> Result<Value, String> {
    if text.contains("${{") {
        Template::parse(text)
            .map_err(|error| error.to_string())?
            .evaluate(scope)
            .map_err(|error| error.to_string())
    } else {
        Expression::parse(text)
            .map_err(|error| error.to_string())?
            .evaluate(scope)
            .map_err(|error| error.to_string())
    }
}
