use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::bail;
use sluice_pipelines::{CIRCLECI_FILE, Files, Pipelines, kind};
use sluice_source::Diagnostic;

use crate::tree::{Found, discover, relative_path, root_of};

const SLUICE_YAML: &str = "sluice.yaml";

/// What `sluice check` was called for.
#[derive(Default)]
pub struct Inputs {
    pub documents: Vec<Document>,
    /// Too large, no text, or not to be opened.
    pub unreadable: Vec<Diagnostic>,
    folders: Vec<Folder>,
    /// Folders of single files, and which of `folders` each one belongs to.
    parents: Vec<(PathBuf, usize)>,
    seen: BTreeSet<PathBuf>,
}

/// A file that is checked.
pub struct Document {
    /// As findings name it: below the path that the caller gave.
    name: String,
    /// The path in its repository, which says what it is.
    path: String,
    text: String,
    folder: usize,
}

/// A repository: what its files may call.
struct Folder {
    root: PathBuf,
    /// What comes before the path of one of its files in a finding: nothing, or a path that ends with `/`.
    prefix: String,
    files: Files,
}

impl Inputs {
    /// A folder gives its repository's files; a file gives itself, whatever it is called.
    pub fn add(&mut self, given: &Path) -> anyhow::Result<()> {
        let Ok(absolute) = given.canonicalize() else {
            bail!("cannot open {}: there is no such file", given.display())
        };
        if absolute.is_dir() { self.add_folder(given, &absolute) } else { self.add_file(given, &absolute) }
    }

    fn add_folder(&mut self, given: &Path, absolute: &Path) -> anyhow::Result<()> {
        let root = root_of(absolute)?;
        let prefix = match given {
            _ if root != absolute => String::new(),
            given if given == Path::new(".") => String::new(),
            given => format!("{}/", given.display().to_string().trim_end_matches('/')),
        };
        let mut found = discover(&root)?;
        if root.join(SLUICE_YAML).is_file() {
            found.take(SLUICE_YAML.to_owned(), &root.join(SLUICE_YAML));
        }
        let folder = self.folders.len();
        for (path, text) in &found.files {
            if self.seen.insert(root.join(path)) {
                let name = format!("{prefix}{path}");
                self.documents.push(Document { name, path: path.clone(), text: text.clone(), folder });
            }
        }
        let name = |path: &str| format!("{prefix}{path}");
        self.unreadable.extend(found.unreadable.into_iter().map(|diagnostic| renamed(diagnostic, &name)));
        self.folders.push(Folder { root, prefix, files: found.files });
        Ok(())
    }

    fn add_file(&mut self, given: &Path, absolute: &Path) -> anyhow::Result<()> {
        if !self.seen.insert(absolute.to_owned()) {
            return Ok(());
        }
        let folder = self.folder_of(absolute.parent().unwrap_or(Path::new("/")))?;
        let name = given.display().to_string();
        let mut found = Found::default();
        found.take(name, absolute);
        let relative = relative_path(&self.folders[folder].root, absolute);
        let Some(path) = path_in_repository(&relative) else {
            bail!("{} is no pipeline file: their names end with .yml or .yaml", given.display())
        };
        self.unreadable.extend(found.unreadable);
        let documents = found.files.into_iter();
        self.documents.extend(documents.map(|(name, text)| Document {
            name,
            path: path.clone(),
            text,
            folder,
        }));
        Ok(())
    }

    /// The repository that a single file is in, looked for once a folder.
    fn folder_of(&mut self, parent: &Path) -> anyhow::Result<usize> {
        if let Some((_, folder)) = self.parents.iter().find(|(known, _)| known == parent) {
            return Ok(*folder);
        }
        let root = root_of(parent)?;
        let folder = match self.folders.iter().position(|folder| folder.root == root) {
            Some(folder) => folder,
            None => {
                let files = discover(&root)?.files;
                self.folders.push(Folder { root, prefix: String::new(), files });
                self.folders.len() - 1
            }
        };
        self.parents.push((parent.to_owned(), folder));
        Ok(folder)
    }

    /// All findings, in the order of the documents. Reads on every core.
    pub fn check(&self) -> Vec<Diagnostic> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(document) = self.documents.get(index) else { return done };
                done.push((index, self.check_document(document)));
            }
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let helpers = cores.min(self.documents.len()).saturating_sub(1);
        let mut done = std::thread::scope(|scope| {
            let helpers: Vec<_> = (0..helpers).map(|_| scope.spawn(work)).collect();
            let mut done = work();
            for helper in helpers {
                done.extend(helper.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            done
        });
        done.sort_by_key(|(index, _)| *index);
        done.into_iter().flat_map(|(_, diagnostics)| diagnostics).collect()
    }

    fn check_document(&self, document: &Document) -> Vec<Diagnostic> {
        let folder = &self.folders[document.folder];
        let found = match document.path.as_str() {
            SLUICE_YAML => sluice_release::parse(SLUICE_YAML, &document.text).diagnostics,
            path => Pipelines::new(&folder.files).check_file(path, &document.text),
        };
        let name = |path: &str| match path == document.path {
            true => document.name.clone(),
            false => format!("{}{path}", folder.prefix),
        };
        found.into_iter().map(|diagnostic| renamed(diagnostic, &name)).collect()
    }

    /// The texts by the names that findings have them by.
    pub fn sources(&self) -> Files {
        let called = self.folders.iter().flat_map(|folder| {
            folder.files.iter().map(|(path, text)| (format!("{}{path}", folder.prefix), text.clone()))
        });
        let given = self.documents.iter().map(|document| (document.name.clone(), document.text.clone()));
        called.chain(given).collect()
    }
}

fn renamed(mut diagnostic: Diagnostic, name: &dyn Fn(&str) -> String) -> Diagnostic {
    let labels = diagnostic.labels.iter_mut().map(|label| &mut label.location);
    for location in labels.chain([&mut diagnostic.location]) {
        location.path = name(&location.path);
    }
    diagnostic
}

/// A single file that is at no place where a service looks is read as the workflow that it was called for. None where it
/// can be no pipeline file at all.
fn path_in_repository(relative: &str) -> Option<String> {
    let name = relative.rsplit('/').next().unwrap_or(relative);
    match relative {
        _ if kind(relative).is_some() => Some(relative.to_owned()),
        _ if name == SLUICE_YAML => Some(SLUICE_YAML.to_owned()),
        _ if relative.contains("circleci") || name == "config.yml" => Some(CIRCLECI_FILE.to_owned()),
        _ if name.ends_with(".yml") || name.ends_with(".yaml") => Some(format!(".github/workflows/{name}")),
        _ => None,
    }
}
