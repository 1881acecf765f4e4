use super::arguments::{Flags, Known};
use super::timings::{Timings, TimingsType};

/// The folder that runner and helper share.
pub const TASK_DATA: &str = "CIRCLE_INTERNAL_TASK_DATA";

pub const FLAGS: [Known; 7] = [
    ("index", true),
    ("total", true),
    ("split-by", true),
    ("timings-type", true),
    ("time-default", true),
    ("timings-file", true),
    ("show-counts", false),
];

/// What a test without a recorded time weighs beside others that have one. CircleCI takes a small random time; the
/// nodes have to agree, so here it is always the same.
const UNKNOWN_TIME_S: f64 = 0.01;

/// How to part a list of names among the nodes of a job, the same on each of them.
pub struct Split {
    index: usize,
    total: usize,
    by: Weight,
    show_counts: bool,
}

enum Weight {
    Name,
    FileSize,
    Timings { kind: TimingsType, file: String, default_s: f64 },
}

impl Split {
    pub fn of(flags: &Flags) -> Result<Self, String> {
        let number = |flag: &str, variable: &str, missing: usize| {
            let given = flags.get(flag).map(str::to_owned).or_else(|| std::env::var(variable).ok());
            let Some(text) = given else { return Ok(missing) };
            text.trim().parse::<usize>().map_err(|_| format!("`--{flag}` is a whole number, not `{text}`"))
        };
        let index = number("index", "CIRCLE_NODE_INDEX", 0)?;
        let total = number("total", "CIRCLE_NODE_TOTAL", 1)?;
        if index >= total {
            return Err(format!("the index {index} is not below the total {total}; the first node has index 0"));
        }
        let by = match flags.get("split-by").unwrap_or("name") {
            "name" => Weight::Name,
            "filesize" => Weight::FileSize,
            "timings" => Weight::Timings {
                kind: TimingsType::read(flags.get("timings-type"))?,
                file: flags.get("timings-file").map_or_else(recorded, str::to_owned),
                default_s: flags.get("time-default").map_or(Ok(UNKNOWN_TIME_S), seconds)?,
            },
            other => return Err(format!("`--split-by` is `name`, `filesize` or `timings`, not `{other}`")),
        };
        Ok(Self { index, total, by, show_counts: flags.is_set("show-counts") })
    }

    /// This node's part of the names, in alphabetical order.
    pub fn part(&self, names: &[String]) -> Result<Vec<String>, String> {
        let mut names = names.to_vec();
        names.sort();
        let weights = self.weights(&names)?;
        // The heaviest first, each to the node that has least so far. With equal weights they go round in turn.
        let mut order: Vec<usize> = (0..names.len()).collect();
        order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]).then(a.cmp(b)));
        let mut loads = vec![(0.0_f64, 0_usize); self.total];
        let mut own = Vec::new();
        for at in order {
            let lightest = |a: &usize, b: &usize| loads[*a].0.total_cmp(&loads[*b].0).then(loads[*a].1.cmp(&loads[*b].1));
            let node = (0..self.total).min_by(lightest).unwrap_or(0);
            loads[node] = (loads[node].0 + weights[at], loads[node].1 + 1);
            if node == self.index {
                own.push(at);
            }
        }
        own.sort_unstable();
        if self.show_counts {
            eprintln!("{} of {} names are for node {} of {}", own.len(), names.len(), self.index, self.total);
        }
        Ok(own.into_iter().map(|at| names[at].clone()).collect())
    }

    fn weights(&self, names: &[String]) -> Result<Vec<f64>, String> {
        let equal = || vec![1.0; names.len()];
        Ok(match &self.by {
            Weight::Name => equal(),
            Weight::FileSize => names.iter().map(|name| size(name)).collect::<Result<_, _>>()?,
            Weight::Timings { kind, file, default_s } => {
                match Timings::read(file).and_then(|timings| timings.lookup(*kind, names)) {
                    Ok(times) => {
                        for (name, _) in names.iter().zip(&times).filter(|(_, time)| time.is_none()) {
                            eprintln!("No timing found for \"{name}\"");
                        }
                        times.into_iter().map(|time| time.unwrap_or(*default_s)).collect()
                    }
                    Err(problem) => {
                        eprintln!("{problem}");
                        equal()
                    }
                }
            }
        })
    }
}

/// Where the runner leaves what earlier runs of the job took.
fn recorded() -> String {
    let folder = std::env::var(TASK_DATA).unwrap_or_default();
    format!("{folder}/circle-test-results/results.json")
}

fn size(name: &str) -> Result<f64, String> {
    let seen = std::fs::metadata(name).map_err(|error| format!("`--split-by=filesize`: {name}: {error}"))?;
    Ok(seen.len() as f64)
}

/// `10s`, `1m30s`, `250ms`, `1.5h`; a number alone is seconds.
fn seconds(text: &str) -> Result<f64, String> {
    let wrong = || format!("`--time-default` is a time such as `10s`, `1m30s` or `250ms`, not `{text}`");
    let (mut rest, mut total) = (text.trim(), 0.0);
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let number: f64 = number.parse().map_err(|_| wrong())?;
        total += number
            * match unit {
                "h" => 3600.0,
                "m" => 60.0,
                "s" | "" => 1.0,
                "ms" => 0.001,
                _ => return Err(wrong()),
            };
        rest = after;
    }
    Ok(total)
}
