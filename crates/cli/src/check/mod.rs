mod inputs;

use std::path::PathBuf;

use anyhow::bail;
use sluice_source::Diagnostic;

use self::inputs::Inputs;
use crate::tree::print_diagnostics;
use crate::{Exit, version};

#[derive(clap::Args)]
pub struct Args {
    /// Repositories, or single pipeline files
    #[arg(default_value = ".")]
    paths: Vec<PathBuf>,
    /// How findings are printed
    #[arg(long, value_enum, default_value_t = Format::Auto)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// With the source lines on a terminal, else a line each
    Auto,
    /// path:line:col: severity[code]: message
    Lines,
    /// With the source lines
    Full,
    Json,
    /// SARIF 2.1.0
    Sarif,
}

/// Everything that is wrong or dangerous in the pipeline files and in `sluice.yaml`.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut inputs = Inputs::default();
    for path in &args.paths {
        inputs.add(path)?;
    }
    if inputs.documents.is_empty() && inputs.unreadable.is_empty() {
        let places: Vec<_> = args.paths.iter().map(|path| path.display().to_string()).collect();
        bail!(
            "no pipeline in {}: looked for .github/workflows/*.yml, .circleci/config.yml and sluice.yaml",
            places.join(", ")
        );
    }
    let mut diagnostics = inputs.unreadable.clone();
    diagnostics.extend(inputs.check());
    print(args.format, &diagnostics, &inputs)?;
    Ok(match diagnostics.is_empty() {
        _ if !inputs.unreadable.is_empty() => Exit::Usage,
        true => Exit::Done,
        false => Exit::Failed,
    })
}

fn print(format: Format, diagnostics: &[Diagnostic], inputs: &Inputs) -> anyhow::Result<()> {
    use std::io::IsTerminal;
    match format {
        Format::Json => println!("{}", sluice_source::json(diagnostics)),
        Format::Sarif => println!("{}", sluice_source::sarif(diagnostics, version::SHORT)),
        Format::Auto if std::io::stderr().is_terminal() => print_diagnostics(diagnostics, &inputs.sources()),
        Format::Full => print_diagnostics(diagnostics, &inputs.sources()),
        Format::Auto | Format::Lines => diagnostics.iter().for_each(|diagnostic| println!("{diagnostic}")),
    }
    if matches!(format, Format::Auto | Format::Full | Format::Lines) {
        let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
        let others = diagnostics.len() - errors;
        let counts = [(inputs.documents.len(), "file"), (errors, "error"), (others, "warning")];
        let counts =
            counts.map(|(count, noun)| format!("{count} {noun}{}", if count == 1 { "" } else { "s" }));
        anstream::eprintln!("{}", counts.join(", "));
    }
    Ok(())
}
