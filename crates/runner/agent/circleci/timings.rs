use std::collections::HashMap;

use super::json::Value;

/// Which field of a recorded test a name is looked up by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TimingsType {
    Autodetect,
    File,
    Class,
    Test,
}

impl TimingsType {
    /// `tests run` spells two of them otherwise than `tests split`; both take both.
    pub fn read(text: Option<&str>) -> Result<Self, String> {
        Ok(match text.unwrap_or("autodetect") {
            "autodetect" => Self::Autodetect,
            "filename" | "file" => Self::File,
            "classname" => Self::Class,
            "testname" | "name" => Self::Test,
            other => {
                return Err(format!(
                    "`--timings-type` is `autodetect`, `filename`, `classname` or `testname`, not `{other}`"
                ));
            }
        })
    }
}

/// How long tests took in an earlier run: seconds by file, by class and by name, each the sum of its tests.
#[derive(Default)]
pub struct Timings {
    files: HashMap<String, f64>,
    classes: HashMap<String, f64>,
    names: HashMap<String, f64>,
}

const FALLBACK: &str =
    "Requested weighting by historical based timing, but they are not present. Falling back to weighting by name.";

impl Timings {
    /// Reads `{"tests": [{"file": …, "classname": …, "name": …, "run_time": seconds}]}`. The error says that names are
    /// the fallback, in CircleCI's words.
    pub fn read(path: &str) -> Result<Self, String> {
        let wrong = |what: &dyn std::fmt::Display| format!("Error reading historical timing data: {what}\n{FALLBACK}");
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => wrong(&"file does not exist"),
            _ => wrong(&error),
        })?;
        let value = Value::parse(&text).map_err(|error| wrong(&error))?;
        let mut timings = Self::default();
        for test in value.get("tests").map(Value::items).unwrap_or_default() {
            let seconds = test.get("run_time").and_then(Value::number).unwrap_or(0.0).max(0.0);
            let add = |map: &mut HashMap<String, f64>, field: &str| {
                if let Some(text) = test.get(field).and_then(Value::text).filter(|text| !text.is_empty()) {
                    *map.entry(relative(text)).or_default() += seconds;
                }
            };
            add(&mut timings.files, "file");
            add(&mut timings.classes, "classname");
            add(&mut timings.names, "name");
        }
        Ok(timings)
    }

    /// The time of each name. The error says why names are the fallback.
    pub fn lookup(&self, kind: TimingsType, names: &[String]) -> Result<Vec<Option<f64>>, String> {
        let find = |map: &HashMap<String, f64>| -> Vec<Option<f64>> {
            names.iter().map(|name| map.get(&relative(name)).copied()).collect()
        };
        let table = match kind {
            TimingsType::File => &self.files,
            TimingsType::Class => &self.classes,
            TimingsType::Test => &self.names,
            TimingsType::Autodetect => {
                let knows_one = |map: &&HashMap<String, f64>| names.iter().any(|name| map.contains_key(&relative(name)));
                let found = [&self.files, &self.classes].into_iter().find(knows_one);
                found.ok_or_else(|| self.not_detected(names))?
            }
        };
        Ok(find(table))
    }

    fn not_detected(&self, names: &[String]) -> String {
        let mut files: Vec<&String> = self.files.keys().collect();
        files.sort();
        format!(
            "Error auto-detecting timing type, falling back to weighting by name. Autodetect no matching filename or \
             classname.  If file names are used, double check paths for absolute vs relative.\n\
             Example input file: \"{}\"\nExample file from timings: \"{}\"",
            names.first().map_or("", String::as_str),
            files.first().map_or("", |file| file.as_str())
        )
    }
}

/// A file by its way from the working directory, which is another one in every run.
fn relative(name: &str) -> String {
    let home = std::env::var("HOME").unwrap_or_default();
    let work = std::env::var("CIRCLE_WORKING_DIRECTORY").unwrap_or_default();
    let work = match work.strip_prefix('~') {
        Some(below) => format!("{home}{below}"),
        None => work,
    };
    let below = name.strip_prefix(work.as_str()).filter(|_| !work.is_empty()).and_then(|below| below.strip_prefix('/'));
    below.unwrap_or(name.strip_prefix("./").unwrap_or(name)).to_owned()
}
