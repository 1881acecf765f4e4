use std::time::Duration;

use sluice_docker::{ContainerSpec, HealthCheck};

/// What `container.options` and `services.*.options` may ask for: flags of `docker create` that let nothing out of the
/// container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    pub user: Option<String>,
    pub hostname: Option<String>,
    pub entrypoint: Option<String>,
    pub env: Vec<(String, String)>,
    pub labels: Vec<(String, String)>,
    pub tmpfs: Vec<String>,
    pub add_hosts: Vec<String>,
    pub cap_drop: Vec<String>,
    pub init: bool,
    pub memory_bytes: Option<i64>,
    pub nano_cpus: Option<i64>,
    pub pids_limit: Option<i64>,
    pub shm_size_bytes: Option<i64>,
    pub health_command: Option<String>,
    pub health_interval: Option<Duration>,
    pub health_timeout: Option<Duration>,
    pub health_start_period: Option<Duration>,
    pub health_retries: Option<u32>,
}

const ALLOWED: &str = "--user, --hostname, --entrypoint, --env, --label, --tmpfs, --add-host, --cap-drop, --init, --memory, --cpus, \
     --pids-limit, --shm-size, --health-cmd, --health-interval, --health-timeout, --health-start-period, --health-retries, \
     --name, --rm";

/// Reads the flags, as a shell would split them.
///
/// The error names the first flag that is not allowed, and the ones that are.
pub fn parse_options(text: &str) -> Result<Options, String> {
    let words = split_words(text)?;
    let mut words = words.into_iter();
    let mut options = Options::default();
    while let Some(word) = words.next() {
        let (flag, inline) = match word.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag.to_owned(), Some(value.to_owned())),
            _ => (word.clone(), None),
        };
        let mut value =
            || inline.clone().or_else(|| words.next()).ok_or_else(|| format!("`{flag}` needs a value"));
        match flag.as_str() {
            "--user" | "-u" => options.user = Some(value()?),
            "--hostname" | "-h" => options.hostname = Some(value()?),
            "--entrypoint" => options.entrypoint = Some(value()?),
            "--env" | "-e" => options.env.push(pair(&value()?)),
            "--label" | "-l" => options.labels.push(pair(&value()?)),
            "--tmpfs" => options.tmpfs.push(value()?),
            "--add-host" => options.add_hosts.push(value()?),
            "--cap-drop" => options.cap_drop.push(value()?),
            "--init" => options.init = true,
            // The runner names and removes containers itself.
            "--name" => drop(value()?),
            "--rm" => (),
            "--memory" | "-m" => options.memory_bytes = Some(bytes(&value()?)?),
            "--shm-size" => options.shm_size_bytes = Some(bytes(&value()?)?),
            "--cpus" => options.nano_cpus = Some(cpus(&value()?)?),
            "--pids-limit" => options.pids_limit = Some(number(&value()?)?),
            "--health-cmd" => options.health_command = Some(value()?),
            "--health-interval" => options.health_interval = Some(duration(&value()?)?),
            "--health-timeout" => options.health_timeout = Some(duration(&value()?)?),
            "--health-start-period" => options.health_start_period = Some(duration(&value()?)?),
            "--health-retries" => options.health_retries = Some(number(&value()?)?),
            other => {
                return Err(format!("the container option `{other}` is not allowed; allowed are {ALLOWED}"));
            }
        }
    }
    Ok(options)
}

impl Options {
    /// Puts the options on top of what a container is asked for.
    pub fn apply(&self, spec: &mut ContainerSpec) {
        spec.env.extend(self.env.iter().cloned());
        for (key, value) in &self.labels {
            // The runner's own labels are what it sweeps by.
            if !key.starts_with("sluice.") {
                spec.labels = std::mem::take(&mut spec.labels).with(key, value);
            }
        }
        spec.hostname = self.hostname.clone().or(spec.hostname.take());
        spec.tmpfs.extend(self.tmpfs.iter().cloned());
        spec.extra_hosts.extend(self.add_hosts.iter().cloned());
        spec.cap_drop.extend(self.cap_drop.iter().cloned());
        spec.init |= self.init;
        spec.memory_bytes = self.memory_bytes;
        spec.nano_cpus = self.nano_cpus;
        spec.pids_limit = self.pids_limit;
        spec.shm_size_bytes = self.shm_size_bytes;
        spec.health = self.health_command.as_ref().map(|command| HealthCheck {
            test: vec!["CMD-SHELL".to_owned(), command.clone()],
            interval: self.health_interval,
            timeout: self.health_timeout,
            start_period: self.health_start_period,
            retries: self.health_retries,
        });
    }
}

fn pair(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (name.to_owned(), value.to_owned())
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}

fn cpus(text: &str) -> Result<i64, String> {
    let count: f64 = number(text)?;
    if !(0.01..=1024.0).contains(&count) {
        return Err(format!("`{text}` is no number of CPUs"));
    }
    Ok((count * 1e9) as i64)
}

/// `512`, `64k`, `512m`, `2g`, with or without a `b` behind.
fn bytes(text: &str) -> Result<i64, String> {
    let lower = text.to_ascii_lowercase();
    let lower = lower.strip_suffix('b').unwrap_or(&lower);
    let (digits, unit) = match lower.as_bytes().last() {
        Some(b'k') => (&lower[..lower.len() - 1], 1 << 10),
        Some(b'm') => (&lower[..lower.len() - 1], 1 << 20),
        Some(b'g') => (&lower[..lower.len() - 1], 1 << 30),
        _ => (lower, 1),
    };
    let count: i64 = digits.parse().map_err(|_| format!("`{text}` is no size; write it like `512m`"))?;
    count.checked_mul(unit).ok_or_else(|| format!("`{text}` is too large"))
}

/// Go's durations: `30s`, `1m30s`, `500ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration; write it like `30s`");
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let unit_end =
            rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |end| digits + end);
        let count: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        let seconds = match &rest[digits..unit_end] {
            "ms" => count / 1e3,
            "s" => count,
            "m" => count * 60.0,
            "h" => count * 3600.0,
            _ => return Err(wrong()),
        };
        total += Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
        rest = &rest[unit_end..];
    }
    Ok(total)
}

/// Words as a POSIX shell splits them: quotes and backslashes, nothing expanded.
fn split_words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' | '"' => {
                let inside = word.get_or_insert_default();
                loop {
                    match characters.next() {
                        Some(end) if end == character => break,
                        Some('\\') if character == '"' => inside.extend(characters.next()),
                        Some(other) => inside.push(other),
                        None => return Err(format!("a {character} in the container options is not closed")),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(characters.next()),
            blank if blank.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_options_are_read() {
        let options = parse_options(
            "--user 1001 --cpus=1.5 -m 512m --health-cmd \"pg_isready -U 'x'\" --health-interval 1m30s --health-retries 5 -e A=b=c",
        )
        .unwrap();
        assert_eq!(options.user.as_deref(), Some("1001"));
        assert_eq!(options.nano_cpus, Some(1_500_000_000));
        assert_eq!(options.memory_bytes, Some(512 << 20));
        assert_eq!(options.health_command.as_deref(), Some("pg_isready -U 'x'"));
        assert_eq!(options.health_interval, Some(Duration::from_secs(90)));
        assert_eq!(options.env, [("A".to_owned(), "b=c".to_owned())]);
    }

    #[test]
    fn what_lets_out_of_the_container_is_refused_by_name() {
        for wrong in [
            "--privileged",
            "-v /:/host",
            "--network host",
            "--pid=host",
            "--cap-add SYS_ADMIN",
            "--device /dev/sda",
        ] {
            let error = parse_options(wrong).unwrap_err();
            let flag = wrong.split([' ', '=']).next().unwrap();
            assert!(error.contains(&format!("`{flag}`")) && error.contains("--health-cmd"), "{error}");
        }
        assert!(parse_options("--memory lots").unwrap_err().contains("lots"));
        assert!(parse_options("--user").unwrap_err().contains("needs a value"));
        assert!(parse_options("--health-cmd 'x").is_err());
    }
}
