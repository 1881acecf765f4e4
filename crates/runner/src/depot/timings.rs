use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::layout::{names, safe_name};
use super::{Depot, DepotError};

/// Of how many earlier runs of a job what its tests took is kept.
const RUNS_KEPT: usize = 10;
/// The most that one file of it may hold.
const BYTES_LIMIT: u64 = 64 << 20;

impl Depot {
    /// Keeps what tests took, of one node of a job of this run. A node may store results more than once.
    pub fn keep_timings(&self, job: &str, node: u64, tests: &[Value]) -> Result<(), DepotError> {
        if tests.is_empty() {
            return Ok(());
        }
        let folder = self.tests.join(safe_name(job)).join(format!("{:020}", self.run.0));
        let failed = |error| DepotError::File { path: folder.clone(), error };
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let name = format!("{node}-{:016x}.json", rand::random::<u64>());
        write(&folder, &name, &json!({ "tests": tests })).map_err(failed)?;
        self.forget_old(job)
    }

    /// What the job's tests took in earlier runs, as `circleci tests split` reads it; none where there were none.
    ///
    /// Settled once a run, for all nodes of a job have to part their tests alike, also those that begin when others have
    /// ended already.
    pub fn timings(&self, job: &str) -> Result<Option<Vec<u8>>, DepotError> {
        let folder = self.run_folder.join("timings");
        let settled = folder.join(format!("{}.json", safe_name(job)));
        let failed = |error| DepotError::File { path: settled.clone(), error };
        if !settled.exists() {
            let Some(known) = self.earlier(job)? else { return Ok(None) };
            std::fs::create_dir_all(&folder).map_err(failed)?;
            let part = folder.join(format!("part-{:016x}", rand::random::<u64>()));
            std::fs::write(&part, known.to_string()).map_err(failed)?;
            // The first of several nodes settles it.
            let linked = std::fs::hard_link(&part, &settled);
            std::fs::remove_file(&part).map_err(failed)?;
            match linked {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(failed(error)),
                _ => (),
            }
        }
        std::fs::read(&settled).map(Some).map_err(failed)
    }

    /// The newest earlier run's tests, and those of older runs whose file (or class, where they name no file) it lacks.
    fn earlier(&self, job: &str) -> Result<Option<Value>, DepotError> {
        let mut tests: Vec<Value> = Vec::new();
        let mut known: HashSet<String> = HashSet::new();
        for run in self.runs_of(job)?.into_iter().rev() {
            let mut of_run = Vec::new();
            for name in names(&run)?.iter().filter(|name| name.ends_with(".json")) {
                of_run.extend(read(&run.join(name)));
            }
            let of_run: Vec<_> = of_run.into_iter().filter(|test| !known.contains(&group(test))).collect();
            known.extend(of_run.iter().map(group));
            tests.extend(of_run);
        }
        Ok((!tests.is_empty()).then(|| json!({ "tests": tests })))
    }

    /// The folders of the job's runs but this one, the oldest first.
    fn runs_of(&self, job: &str) -> Result<Vec<PathBuf>, DepotError> {
        let folder = self.tests.join(safe_name(job));
        let own = format!("{:020}", self.run.0);
        Ok(names(&folder)?.into_iter().filter(|run| *run != own).map(|run| folder.join(run)).collect())
    }

    fn forget_old(&self, job: &str) -> Result<(), DepotError> {
        let runs = self.runs_of(job)?;
        let surplus = runs.len().saturating_sub(RUNS_KEPT);
        for old in &runs[..surplus] {
            // Another job may have removed it first.
            let _ = std::fs::remove_dir_all(old);
        }
        Ok(())
    }
}

fn group(test: &Value) -> String {
    let field = |name: &str| test.get(name).and_then(Value::as_str).unwrap_or_default();
    match field("file") {
        "" => format!("class {}", field("classname")),
        file => format!("file {file}"),
    }
}

/// The tests of one file; one that cannot be read tells nothing, and is no reason to fail a job.
fn read(path: &Path) -> Vec<Value> {
    let is_small = std::fs::metadata(path).is_ok_and(|seen| seen.len() <= BYTES_LIMIT);
    let text = if is_small { std::fs::read(path).ok() } else { None };
    let value = text.and_then(|text| serde_json::from_slice::<Value>(&text).ok());
    value.and_then(|value| value.get("tests").and_then(Value::as_array).cloned()).unwrap_or_default()
}

/// Under its name when it is whole.
fn write(folder: &Path, name: &str, value: &Value) -> std::io::Result<()> {
    let part = folder.join(format!("{name}.part"));
    let mut file = std::fs::File::create(&part)?;
    file.write_all(value.to_string().as_bytes())?;
    std::fs::rename(&part, folder.join(name))
}

#[cfg(test)]
mod tests {
    use sluice_model::RunId;

    use super::*;

    fn depot(folder: &Path, run: u64) -> Depot {
        Depot::new(folder, RunId(run), &"acme/store".parse().unwrap(), &"test".parse().unwrap(), 1)
    }

    fn shown(depot: &Depot) -> String {
        let Some(content) = depot.timings("test").unwrap() else { return "none".to_owned() };
        let value: Value = serde_json::from_slice(&content).unwrap();
        let tests = value["tests"].as_array().unwrap().iter();
        let mut tests: Vec<String> =
            tests.map(|test| format!("{} {}", test["file"], test["run_time"])).collect();
        tests.sort();
        tests.join(", ").replace('"', "")
    }

    #[test]
    fn a_run_sees_what_earlier_ones_took_and_the_same_on_every_node() {
        let folder = tempfile::tempdir().unwrap();
        let took = |file: &str, seconds: f64| json!({ "file": file, "name": "t", "run_time": seconds });
        assert_eq!(shown(&depot(folder.path(), 1)), "none");
        depot(folder.path(), 1).keep_timings("test", 0, &[took("a", 1.0), took("b", 2.0)]).unwrap();
        depot(folder.path(), 1).keep_timings("test", 1, &[took("c", 3.0)]).unwrap();
        assert_eq!(shown(&depot(folder.path(), 1)), "none", "a run does not see its own");
        assert_eq!(shown(&depot(folder.path(), 2)), "a 1.0, b 2.0, c 3.0");
        depot(folder.path(), 2).keep_timings("test", 0, &[took("a", 9.0), took("a", 1.0)]).unwrap();
        assert_eq!(shown(&depot(folder.path(), 3)), "a 1.0, a 9.0, b 2.0, c 3.0");
        depot(folder.path(), 2).keep_timings("test", 1, &[took("d", 4.0)]).unwrap();
        assert_eq!(shown(&depot(folder.path(), 3)), "a 1.0, a 9.0, b 2.0, c 3.0", "settled once a run");
        assert_eq!(shown(&depot(folder.path(), 4)), "a 1.0, a 9.0, b 2.0, c 3.0, d 4.0");
    }

    #[test]
    fn only_the_last_runs_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for run in 1..=30 {
            let tests = [json!({ "file": format!("f{run}"), "run_time": 1 })];
            depot(folder.path(), run).keep_timings("test", 0, &tests).unwrap();
        }
        let kept = std::fs::read_dir(folder.path().join("tests/acme/store/test")).unwrap().count();
        assert_eq!(kept, RUNS_KEPT + 1);
    }
}
