use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use sluice_model::JobId;

use super::layout::{names, safe_name};
use super::{ArchiveReader, Depot, DepotError, Stored};
use crate::protocol::EntryKind;
use crate::session::{Packed, Session};

/// How many files that two jobs persisted are named.
const FILES_NAMED: usize = 10;

/// Every job before the one that attaches, with those that it needs itself.
type Upstream = BTreeMap<JobId, Vec<JobId>>;

/// What one `persist_to_workspace` added.
struct Layer {
    path: PathBuf,
    /// As it is in the name of the file.
    job: String,
    /// Which of the job's parallel instances.
    node: u32,
    attempt: u32,
}

impl Depot {
    /// Adds a layer to the run's workspace: what the patterns match below `root`.
    pub async fn persist(
        &self,
        session: &Session,
        root: &str,
        patterns: &[String],
    ) -> Result<Stored, DepotError> {
        let folder = self.run_folder.join("workspace");
        // By time, for a job's layers are laid on one another in the order in which it made them.
        let (time, job) = (crate::log::now().0, safe_name(self.instance.job.as_str()));
        let name = format!("{time:020}--{job}--{}--{}.layer", self.instance.index, self.attempt);
        self.pack(session, root, patterns, &folder.join(name)).await
    }

    /// Lays the layers of all jobs before this one below `at`, in the order of the workflow's graph. The number of
    /// layers (CircleCI, "Using workspaces to share data between jobs").
    ///
    /// Fails where two jobs, or two instances of one, of which none is before the other made the same file.
    pub async fn attach(
        &self,
        session: &Session,
        at: &str,
        upstream: &Upstream,
    ) -> Result<usize, DepotError> {
        let layers = self.layers()?;
        let mut seen = Seen::new(upstream);
        let ordered: Vec<(JobId, &Layer)> = in_order(upstream)
            .into_iter()
            .flat_map(|job| {
                let name = safe_name(job.as_str());
                layers.iter().filter(move |layer| layer.job == name).map(move |layer| (job.clone(), layer))
            })
            .collect();
        if ordered.len() > 1 {
            for (job, layer) in &ordered {
                seen.read(job, layer)?;
            }
            seen.check()?;
        }
        for (_, layer) in &ordered {
            self.unpack(session, &layer.path, at).await?;
        }
        Ok(ordered.len())
    }

    /// Layers in the order of time, of each instance those of its last attempt only.
    fn layers(&self) -> Result<Vec<Layer>, DepotError> {
        let folder = self.run_folder.join("workspace");
        let layers: Vec<Layer> =
            names(&folder)?.iter().filter_map(|name| Layer::read(folder.join(name), name)).collect();
        let mut last: HashMap<(String, u32), u32> = HashMap::new();
        for layer in &layers {
            let last = last.entry((layer.job.clone(), layer.node)).or_default();
            *last = layer.attempt.max(*last);
        }
        let is_last = |layer: &Layer| last.get(&(layer.job.clone(), layer.node)) == Some(&layer.attempt);
        Ok(layers.into_iter().filter(is_last).collect())
    }
}

impl Layer {
    /// `TIME--JOB--NODE--ATTEMPT.layer`
    fn read(path: PathBuf, name: &str) -> Option<Self> {
        let (_, rest) = name.strip_suffix(".layer")?.split_once("--")?;
        let (rest, attempt) = rest.rsplit_once("--")?;
        let (job, node) = rest.rsplit_once("--")?;
        Some(Self { path, job: job.to_owned(), node: node.parse().ok()?, attempt: attempt.parse().ok()? })
    }
}

/// Each job behind all that it needs.
fn in_order(upstream: &Upstream) -> Vec<JobId> {
    let mut ordered: Vec<JobId> = Vec::new();
    loop {
        let is_next = |(job, needs): &(&JobId, &Vec<JobId>)| {
            !ordered.contains(job)
                && needs.iter().all(|need| ordered.contains(need) || !upstream.contains_key(need))
        };
        match upstream.iter().find(is_next).map(|(job, _)| job.clone()) {
            Some(job) => ordered.push(job),
            None => return ordered,
        }
    }
}

/// Which files came from where, to find those that two jobs made at the same time.
struct Seen<'a> {
    upstream: &'a Upstream,
    files: HashMap<Vec<u8>, (JobId, u32)>,
    twice: Vec<String>,
    count: usize,
}

impl<'a> Seen<'a> {
    fn new(upstream: &'a Upstream) -> Self {
        Self { upstream, files: HashMap::new(), twice: Vec::new(), count: 0 }
    }

    fn read(&mut self, job: &JobId, layer: &Layer) -> Result<(), DepotError> {
        let failed = |error| DepotError::File { path: layer.path.clone(), error };
        let mut reader = ArchiveReader::open(&layer.path).map_err(failed)?;
        while let Some(piece) = reader.next().map_err(DepotError::Refused)? {
            if let Packed::Entry(entry) = piece
                && !matches!(entry.kind, EntryKind::Folder)
            {
                self.take(job, layer.node, entry.path);
            }
        }
        Ok(())
    }

    fn take(&mut self, job: &JobId, node: u32, path: Vec<u8>) {
        let shown = String::from_utf8_lossy(&path).into_owned();
        let Some((other, other_node)) = self.files.insert(path, (job.clone(), node)) else { return };
        // A node's own later layer, and that of a job behind the other, are laid over it.
        let is_own = other == *job && other_node == node;
        if !is_own && !self.is_before(&other, job) {
            self.count += 1;
            if self.twice.len() < FILES_NAMED {
                self.twice.push(format!("\n  - {shown}"));
            }
        }
    }

    fn check(&self) -> Result<(), DepotError> {
        if self.count == 0 {
            return Ok(());
        }
        let more = match self.count - self.twice.len() {
            0 => String::new(),
            more => format!("\n  and {more} more"),
        };
        let files = self.twice.concat();
        Err(DepotError::Refused(format!(
            "Concurrent upstream jobs persisted the same file(s) into the workspace:{files}{more}"
        )))
    }

    fn is_before(&self, first: &JobId, second: &JobId) -> bool {
        let mut pending = vec![second];
        let mut visited: Vec<&JobId> = Vec::new();
        while let Some(job) = pending.pop() {
            let needs = self.upstream.get(job).map_or(&[][..], Vec::as_slice);
            if needs.contains(first) {
                return true;
            }
            pending.extend(needs.iter().filter(|need| !visited.contains(need)));
            visited.extend(needs);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use sluice_model::RunId;

    use super::*;

    #[test]
    fn of_each_instance_only_the_last_attempts_layers_count() {
        let folder = tempfile::tempdir().unwrap();
        let name = "acme/store".parse().unwrap();
        let depot = Depot::new(folder.path(), RunId(1), &name, &"build".parse().unwrap(), 1);
        let layers = folder.path().join("runs/1/workspace");
        std::fs::create_dir_all(&layers).unwrap();
        for layer in [
            "1--build--0--1",
            "2--test--0--1",
            "3--build--0--2",
            "4--build--0--2",
            "5--test--1--1",
            "6--a--b--0--1",
        ] {
            std::fs::write(layers.join(format!("{layer}.layer")), "").unwrap();
        }
        std::fs::write(layers.join("7--late--0--1.part-0"), "").unwrap();
        let kept = depot.layers().unwrap();
        let kept: Vec<_> = kept.iter().filter_map(|layer| layer.path.file_stem()?.to_str()).collect();
        assert_eq!(
            kept,
            ["2--test--0--1", "3--build--0--2", "4--build--0--2", "5--test--1--1", "6--a--b--0--1"]
        );
    }

    #[test]
    fn jobs_are_ordered_by_what_they_need() {
        let job = |name: &str| JobId::new(name);
        let upstream: Upstream = [
            (job("a-last"), vec![job("b-middle"), job("filtered")]),
            (job("b-middle"), vec![job("c-first")]),
            (job("c-first"), vec![]),
        ]
        .into();
        assert_eq!(in_order(&upstream), [job("c-first"), job("b-middle"), job("a-last")]);
        let seen = Seen::new(&upstream);
        assert!(seen.is_before(&job("c-first"), &job("a-last")));
        assert!(!seen.is_before(&job("a-last"), &job("c-first")));
    }

    #[test]
    fn a_file_is_made_at_the_same_time_unless_one_job_is_before_the_other() {
        let job = |name: &str| JobId::new(name);
        let upstream: Upstream =
            [(job("a"), vec![]), (job("b"), vec![job("a")]), (job("c"), vec![job("a")])].into();
        let check = |layers: &[(&str, u32)]| {
            let mut seen = Seen::new(&upstream);
            layers.iter().for_each(|(name, node)| seen.take(&job(name), *node, b"dist/x".to_vec()));
            seen.check().map_err(|error| error.to_string())
        };
        assert_eq!(check(&[("a", 0), ("a", 0), ("b", 0)]), Ok(()));
        let twice = "Concurrent upstream jobs persisted the same file(s) into the workspace:\n  - dist/x";
        assert_eq!(check(&[("a", 0), ("b", 0), ("c", 0)]), Err(twice.to_owned()));
        assert_eq!(check(&[("a", 0), ("a", 1)]), Err(twice.to_owned()));
    }
}
