//! What the environment says, checked before anything starts.

/// The web's whole configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct Config {
    pub port: u16,
    /// Where browsers find the API, without a slash at the end.
    pub api_url: String,
    pub version: String,
    pub commit: String,
    pub built_at: String,
}

impl Config {
    /// # Errors
    /// Everything that is wrong, at once: a sentence a variable.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let mut value = |name: &str, default: &str, expected: &str, is_right: fn(&str) -> bool| {
            let value = variable(name).unwrap_or_else(|| default.to_owned());
            if value.is_empty() {
                problems.push(format!("{name} is not set, expected {expected}"));
            } else if !is_right(&value) {
                problems.push(format!("{name} is `{value}`, expected {expected}"));
            }
            value
        };
        let is_port = |text: &str| text.parse::<u16>().is_ok_and(|port| port > 0);
        let is_address = |text: &str| {
            let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
            // It becomes a part of a header.
            rest.is_some_and(|rest| {
                !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';')
            })
        };
        let port = value("PORT", "8080", "a number from 1 to 65535", is_port);
        let api_url = value("API_URL", "", "the API's address, such as http://localhost:8000", is_address);
        let mut of_build = |name| value(name, "", "what the image's build gives it", |_| true);
        let (version, commit, built_at) = (of_build("VERSION"), of_build("COMMIT"), of_build("BUILT_AT"));
        if !problems.is_empty() {
            return Err(problems);
        }
        let api_url = api_url.trim_end_matches('/').to_owned();
        Ok(Self { port: port.parse().unwrap_or_default(), api_url, version, commit, built_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        Config::read(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn the_address_loses_its_slash() {
        let build = [("VERSION", "1"), ("COMMIT", "c"), ("BUILT_AT", "now")];
        let config = read(&[build.as_slice(), &[("API_URL", "http://api:8000/")]].concat()).unwrap();
        assert_eq!((config.port, config.api_url.as_str()), (8080, "http://api:8000"));
    }

    #[test]
    fn everything_that_is_wrong_is_listed() {
        let problems = read(&[("PORT", "0"), ("API_URL", "http://api; script-src *")]).unwrap_err();
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert_eq!(problems[0], "PORT is `0`, expected a number from 1 to 65535");
    }
}
