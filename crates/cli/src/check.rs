use std::path::{Path, PathBuf};

use anyhow::bail;
use sluice_pipelines::{FileKind, Pipelines, kind};
use sluice_source::Diagnostic;

use crate::tree::{Found, discover, print_diagnostics, relative_path, root_of};
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
    let mut found = Found::default();
    for path in &args.paths {
        collect(path, args.paths.len() == 1, &mut found)?;
    }
    if found.files.is_empty() && found.unreadable.is_empty() {
        let places: Vec<_> = args.paths.iter().map(|path| path.display().to_string()).collect();
        bail!(
            "no pipeline in {}: looked for .github/workflows/*.yml, .circleci/config.yml and sluice.yaml",
            places.join(", ")
        );
    }
    let is_unreadable = !found.unreadable.is_empty();
    let mut diagnostics = found.unreadable;
    diagnostics.extend(Pipelines::new(&found.files).check());
    for (path, text) in found.files.iter().filter(|(path, _)| is_sluice_yaml(path)) {
        diagnostics.extend(sluice_release::parse(path, text).diagnostics);
    }
    print(args.format, &diagnostics, &found.files)?;
    Ok(match diagnostics.is_empty() {
        _ if is_unreadable => Exit::Usage,
        true => Exit::Done,
        false => Exit::Failed,
    })
}

fn is_sluice_yaml(path: &str) -> bool {
    path == "sluice.yaml" || path.ends_with("/sluice.yaml")
}

/// A folder gives its repository's files, by their paths in it; a file gives itself, whatever it is called.
fn collect(path: &Path, is_only: bool, into: &mut Found) -> anyhow::Result<()> {
    if !path.is_dir() {
        let Ok(absolute) = path.canonicalize() else {
            bail!("cannot open {}: there is no such file", path.display())
        };
        let folder = absolute.parent().unwrap_or(Path::new("/"));
        let root = root_of(folder)?;
        into.take(name_of_file(&relative_path(&root, &absolute)), &absolute);
        return Ok(());
    }
    let root = root_of(path)?;
    let prefix = if is_only { String::new() } else { format!("{}/", path.display()) };
    let mut found = discover(&root)?;
    if root.join("sluice.yaml").is_file() {
        found.take("sluice.yaml".to_owned(), &root.join("sluice.yaml"));
    }
    into.files.extend(found.files.into_iter().map(|(path, text)| (format!("{prefix}{path}"), text)));
    into.unreadable.extend(found.unreadable);
    Ok(())
}

/// A single file that is at no place where a service looks is read as the workflow that it was called for.
fn name_of_file(relative: &str) -> String {
    if kind(relative).is_some() || is_sluice_yaml(relative) {
        return relative.to_owned();
    }
    let name = relative.rsplit('/').next().unwrap_or(relative);
    let is_circleci = relative.contains("circleci") || name == "config.yml";
    match is_circleci.then_some(FileKind::CircleciConfig) {
        Some(_) => sluice_pipelines::CIRCLECI_FILE.to_owned(),
        None => format!(".github/workflows/{name}"),
    }
}

fn print(format: Format, diagnostics: &[Diagnostic], files: &sluice_pipelines::Files) -> anyhow::Result<()> {
    use std::io::IsTerminal;
    match format {
        Format::Json => println!("{}", sluice_source::json(diagnostics)),
        Format::Sarif => println!("{}", sluice_source::sarif(diagnostics, version::SHORT)),
        Format::Auto if std::io::stderr().is_terminal() => print_diagnostics(diagnostics, files),
        Format::Full => print_diagnostics(diagnostics, files),
        Format::Auto | Format::Lines => diagnostics.iter().for_each(|diagnostic| println!("{diagnostic}")),
    }
    if matches!(format, Format::Auto | Format::Full | Format::Lines) {
        let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
        let others = diagnostics.len() - errors;
        let counts = [(files.len(), "file"), (errors, "error"), (others, "warning")];
        let counts =
            counts.map(|(count, noun)| format!("{count} {noun}{}", if count == 1 { "" } else { "s" }));
        anstream::eprintln!("{}", counts.join(", "));
    }
    Ok(())
}
