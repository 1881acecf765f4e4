//! What the environment says, checked before anything starts.

use axum::http::HeaderValue;
use sqlx::postgres::PgConnectOptions;
use tracing::level_filters::LevelFilter;
use url::Url;

/// The API's whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    pub port: u16,
    pub log_level: LevelFilter,
    pub database: PgConnectOptions,
    pub redis: redis::Client,
    pub greeting: String,
    /// The web's origin, which may read what the API answers; none: any may, for nothing here is private.
    pub web_origin: Option<HeaderValue>,
    pub build: Build,
}

/// Who this is; the image's build says it.
#[derive(Debug, Clone, Default)]
pub struct Build {
    pub version: String,
    pub commit: String,
    /// As RFC 3339.
    pub built_at: String,
}

impl Config {
    /// Reads and checks every variable.
    ///
    /// # Errors
    /// Everything that is wrong, at once: a sentence a variable. Values that may hold a password are not in them.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<String>> {
        let mut reader = Reader { variable, problems: Vec::new() };
        let port = reader.parsed("PORT", Some("8000"), "a number from 1 to 65535", |text| {
            text.parse::<u16>().ok().filter(|port| *port > 0)
        });
        let log_level = reader.parsed("LOG_LEVEL", Some("info"), "one of debug, info, warn, error", |text| {
            ["debug", "info", "warn", "error"].contains(&text).then(|| text.parse().ok()).flatten()
        });
        let database = reader.address("DATABASE_URL", "postgres://user@host:5432/name", |url| {
            let is_whole = ["postgres", "postgresql"].contains(&url.scheme()) && url.host().is_some();
            is_whole.then(|| url.as_str().parse().ok()).flatten()
        });
        let redis = reader.address("REDIS_URL", "redis://host:6379/0", |url| redis::Client::open(url.as_str()).ok());
        let greeting = reader.parsed("GREETING", Some("Welcome to the storefront"), "a sentence", |text| {
            (!text.trim().is_empty()).then(|| text.to_owned())
        });
        let web_origin =
            reader.parsed("WEB_ORIGIN", Some("*"), "`*` or an origin such as https://shop.example", |text| {
                if text == "*" {
                    return Some(None);
                }
                let url = Url::parse(text).ok()?;
                let is_origin = url.origin().is_tuple() && url.origin().ascii_serialization() == text;
                is_origin.then(|| HeaderValue::from_str(text).ok()).flatten().map(Some)
            });
        let mut of_build =
            |name| reader.parsed(name, None, "what the image's build gives it", |text| Some(text.to_owned()));
        let (version, commit, built_at) = (of_build("VERSION"), of_build("COMMIT"), of_build("BUILT_AT"));
        let whole = (|| {
            Some(Self {
                port: port?,
                log_level: log_level?,
                database: database?,
                redis: redis?,
                greeting: greeting?,
                web_origin: web_origin?,
                build: Build { version: version?, commit: commit?, built_at: built_at? },
            })
        })();
        whole.ok_or(reader.problems)
    }
}

struct Reader<F> {
    variable: F,
    problems: Vec<String>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    fn value(&mut self, name: &str, default: Option<&str>, expected: &str) -> Option<String> {
        let value = (self.variable)(name).filter(|value| !value.is_empty()).or(default.map(str::to_owned));
        if value.is_none() {
            self.problems.push(format!("{name} is not set, expected {expected}"));
        }
        value
    }

    fn parsed<T>(
        &mut self,
        name: &str,
        default: Option<&str>,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(name, default, expected)?;
        let parsed = parse(&value);
        if parsed.is_none() {
            self.problems.push(format!("{name} is `{value}`, expected {expected}"));
        }
        parsed
    }

    fn address<T>(&mut self, name: &str, like: &str, parse: impl Fn(&Url) -> Option<T>) -> Option<T> {
        let expected = format!("an address such as {like}");
        let value = self.value(name, None, &expected)?;
        let parsed = Url::parse(&value).ok().and_then(|url| parse(&url));
        if parsed.is_none() {
            self.problems.push(format!("{name} has another form than expected: {expected}"));
        }
        parsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENOUGH: [(&str, &str); 5] = [
        ("DATABASE_URL", "postgres://storefront:secret@localhost:5432/dev"),
        ("REDIS_URL", "redis://localhost:6379/0"),
        ("VERSION", "1.0.0"),
        ("COMMIT", "abc"),
        ("BUILT_AT", "2026-01-01T00:00:00Z"),
    ];

    fn read(pairs: &[(&str, &str)]) -> Result<Config, Vec<String>> {
        Config::read(|name| pairs.iter().rfind(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn defaults_fill_what_is_not_said() {
        let config = read(&ENOUGH).unwrap();
        assert_eq!((config.port, config.greeting.as_str()), (8000, "Welcome to the storefront"));
        assert_eq!((config.log_level, config.web_origin), (LevelFilter::INFO, None));
    }

    #[test]
    fn everything_that_is_wrong_is_listed() {
        let wrong = [
            ("PORT", "high"),
            ("LOG_LEVEL", "loud"),
            ("REDIS_URL", "memcached://localhost"),
            ("GREETING", " "),
            ("WEB_ORIGIN", "https://shop.example/path"),
        ];
        let problems = read(&wrong).unwrap_err();
        assert_eq!(problems.len(), 9, "{problems:?}");
        assert_eq!(problems[0], "PORT is `high`, expected a number from 1 to 65535");
        assert_eq!(problems[1], "LOG_LEVEL is `loud`, expected one of debug, info, warn, error");
        assert_eq!(problems[2], "DATABASE_URL is not set, expected an address such as postgres://user@host:5432/name");
    }

    #[test]
    fn a_password_is_in_no_message() {
        for address in ["mysql://me:secret@localhost/dev", "me:secret@localhost"] {
            let problems = read(&[ENOUGH.as_slice(), &[("DATABASE_URL", address)]].concat()).unwrap_err();
            assert_eq!(problems.len(), 1);
            assert!(!problems[0].contains("secret"), "{problems:?}");
        }
    }
}
