use std::path::PathBuf;

use anyhow::Context;
use sluice_dialect_circleci::{PipelineValues, read};
use sluice_pipelines::CIRCLECI_FILE;

use crate::Exit;
use crate::tree::{discover, print_diagnostics, root_of};

#[derive(clap::Args)]
pub struct Args {
    /// The CircleCI config
    #[arg(default_value = ".circleci/config.yml")]
    file: PathBuf,
    /// A pipeline parameter; may be repeated
    #[arg(long = "parameter", value_name = "KEY=VALUE")]
    parameters: Vec<String>,
}

/// The expanded config, as `circleci config process` printed it.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let bytes = std::fs::read(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    let text = match sluice_source::decode(CIRCLECI_FILE, &bytes) {
        Ok(text) => text,
        Err(diagnostic) => anyhow::bail!("{}: {}", args.file.display(), diagnostic.message),
    };
    let folder = args.file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let mut files = discover(&root_of(folder.unwrap_or(".".as_ref()))?)?.files;
    let mut values = PipelineValues::default();
    for pair in &args.parameters {
        let (key, value) =
            pair.split_once('=').with_context(|| format!("--parameter `{pair}`: expected KEY=VALUE"))?;
        values.set_parameter(key, value);
    }
    let outcome = read(CIRCLECI_FILE, text, &|path| files.get(path).cloned(), &values);
    files.insert(CIRCLECI_FILE.to_owned(), text.to_owned());
    print_diagnostics(&outcome.diagnostics, &files);
    match outcome.config.filter(|_| outcome.missing_orbs.is_empty()) {
        Some(config) => {
            print!("{}", config.compile());
            Ok(Exit::Done)
        }
        None => Ok(Exit::Failed),
    }
}
