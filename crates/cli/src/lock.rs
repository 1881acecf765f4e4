use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sluice_dialect_github::read_action;
use sluice_pipelines::Pipelines;
use sluice_plan::{ActionLock, ActionReference, RemoteSource};
use sluice_runner::{ActionStore, is_built_in};

use crate::actions::ActionArgs;
use crate::tree::{Calls, discover, root_of, state_folder};
use crate::{Exit, run};

#[derive(clap::Args)]
pub struct Args {
    /// The repository
    #[arg(short = 'C', long = "directory", value_name = "DIR", default_value = ".")]
    path: PathBuf,
    /// Take every branch and tag at the commit that it stands for now, those that are locked already too
    #[arg(long)]
    update: bool,
    #[command(flatten)]
    actions: ActionArgs,
}

/// Writes `sluice.lock`: the commit of each branch and tag that actions and reusable workflows are taken from.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    run::on_runtime(lock(args))
}

async fn lock(args: &Args) -> anyhow::Result<Exit> {
    let root = root_of(&args.path)?;
    let store = ActionStore::new(&state_folder(&root)?, args.actions.source()?);
    let mut files = discover(&root)?.files;
    let earlier = Pipelines::new(&files).lock().map_err(|diagnostic| anyhow::anyhow!("{diagnostic}"))?;
    let earlier = earlier.unwrap_or_default();
    let mut writing = Writing {
        root: &root,
        store: &store,
        kept: if args.update { ActionLock::default() } else { earlier.clone() },
        lock: ActionLock::default(),
        seen: BTreeSet::new(),
    };
    // What the lock does not know yet is taken at what it stands for now.
    let calls = Calls { store: &store, lock: (!args.update).then_some(&earlier), strict: false };
    let fetched = calls.fetch(&mut files).await?;
    if let Some((_, error)) = fetched.missed.into_iter().next() {
        return Err(error);
    }
    for (source, commit) in fetched.taken {
        writing.lock.insert(source, commit);
    }
    for action in Pipelines::new(&files).actions() {
        writing.add(&action).await?;
    }
    let lock = writing.lock;
    tell(&earlier, &lock);
    let path = root.join(ActionLock::FILE);
    if lock.is_empty() && !path.exists() {
        println!("no action of another repository is taken from a branch or a tag: there is nothing to lock");
        return Ok(Exit::Done);
    }
    std::fs::write(&path, lock.to_string()).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{} has {}", ActionLock::FILE, entries(lock.iter().count()));
    Ok(Exit::Done)
}

fn entries(count: usize) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}

/// The lock in the making.
struct Writing<'a> {
    root: &'a Path,
    store: &'a ActionStore,
    /// Entries that stay as they are.
    kept: ActionLock,
    lock: ActionLock,
    seen: BTreeSet<String>,
}

impl Writing<'_> {
    /// Adds an action, and those that it names itself.
    async fn add(&mut self, action: &ActionReference) -> anyhow::Result<()> {
        if is_built_in(action) || !self.seen.insert(action.to_string()) {
            return Ok(());
        }
        let nested = match action {
            ActionReference::Docker { .. } => return Ok(()),
            // A workflow may check it out or make it first; what is there now is read.
            ActionReference::Local { path } => self.local(path),
            ActionReference::Repository { path, .. } => {
                let source = RemoteSource::of_action(action).context("an action of another repository")??;
                self.remote(&source, path).await?
            }
        };
        for action in nested {
            Box::pin(self.add(&action)).await?;
        }
        Ok(())
    }

    fn local(&self, path: &str) -> Vec<ActionReference> {
        let folder = self.root.join(path);
        let read = |name: &&str| std::fs::read_to_string(folder.join(name)).ok();
        let text = MANIFESTS.iter().find_map(read).unwrap_or_default();
        named_by(path, &text)
    }

    async fn remote(&mut self, source: &RemoteSource, path: &str) -> anyhow::Result<Vec<ActionReference>> {
        let commit = match self.lock.get(source).or(self.kept.get(source)) {
            Some(commit) => commit.clone(),
            None => self.store.resolve(source).await?,
        };
        self.store.fetch(source, &commit).await?;
        for name in MANIFESTS {
            if let Some(bytes) = self.store.read(source, &commit, &format!("{path}/{name}")).await {
                self.keep(source, commit);
                return Ok(named_by(&source.to_string(), &String::from_utf8_lossy(&bytes)));
            }
        }
        if self.store.read(source, &commit, &format!("{path}/Dockerfile")).await.is_none() {
            bail!("`{source}` has no action in `/{path}`: there is neither action.yml nor Dockerfile");
        }
        self.keep(source, commit);
        Ok(Vec::new())
    }

    fn keep(&mut self, source: &RemoteSource, commit: sluice_model::CommitSha) {
        // A whole commit says itself what it is.
        if source.commit().is_none() {
            self.lock.insert(source.clone(), commit);
        }
    }
}

const MANIFESTS: [&str; 2] = ["action.yml", "action.yaml"];

/// The actions that a composite action's steps name.
fn named_by(path: &str, text: &str) -> Vec<ActionReference> {
    let manifest = read_action(path, text).manifest;
    let steps = manifest.iter().flat_map(|manifest| manifest.steps());
    steps.filter_map(|step| step.action.uses().map(|uses| uses.action.clone())).collect()
}

fn tell(earlier: &ActionLock, now: &ActionLock) {
    for (source, commit) in now.iter() {
        match earlier.get(source) {
            None => println!("  + {source} {commit}"),
            Some(before) if before != commit => println!("  ~ {source} {} → {commit}", before.short()),
            Some(_) => {}
        }
    }
    for (source, _) in earlier.iter().filter(|(source, _)| now.get(source).is_none()) {
        println!("  - {source}, which nothing uses any more");
    }
}
