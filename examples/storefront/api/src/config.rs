//! What the environment says, checked before anything starts.

/// The API's whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub port: u16,
    pub greeting: String,
    pub version: String,
    pub commit: String,
}

impl Config {
    /// Reads and checks every variable, and lists everything that is wrong at once.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let port = variable("PORT").unwrap_or_else(|| "8000".to_owned());
        let port = port.parse::<u16>().ok().filter(|port| *port > 0).unwrap_or_else(|| {
            problems.push(format!("PORT is `{port}`, expected a number from 1 to 65535"));
            0
        });
        let greeting = variable("GREETING").unwrap_or_else(|| "Welcome to the storefront".to_owned());
        if greeting.trim().is_empty() {
            problems.push("GREETING is empty, expected a sentence".to_owned());
        }
        let mut required = |name: &str| {
            variable(name).filter(|value| !value.is_empty()).unwrap_or_else(|| {
                problems.push(format!("{name} is not set; the image build sets it (--build-arg {name}=…)"));
                String::new()
            })
        };
        let version = required("VERSION");
        let commit = required("COMMIT");
        if problems.is_empty() { Ok(Self { port, greeting, version, commit }) } else { Err(problems) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        Config::read(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn defaults_fill_what_is_not_said() {
        let config = read(&[("VERSION", "1.0.0"), ("COMMIT", "abc")]).unwrap();
        assert_eq!((config.port, config.greeting.as_str()), (8000, "Welcome to the storefront"));
    }

    #[test]
    fn everything_that_is_wrong_is_listed() {
        let problems = read(&[("PORT", "high"), ("GREETING", " ")]).unwrap_err();
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert_eq!(problems[0], "PORT is `high`, expected a number from 1 to 65535");
    }
}
