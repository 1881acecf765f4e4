/// A flag's name, and whether it takes a value.
pub type Known = (&'static str, bool);

/// The flags that were given, `--name value` or `--name=value`.
pub struct Flags(Vec<(&'static str, String)>);

impl Flags {
    /// The flags, and the words that are none.
    pub fn read(words: &[String], known: &[Known]) -> Result<(Self, Vec<String>), String> {
        let (mut flags, mut rest) = (Vec::new(), Vec::new());
        let mut words = words.iter();
        while let Some(word) = words.next() {
            if word == "--" {
                rest.extend(words.cloned());
                break;
            }
            // `-` alone is the standard input.
            let Some(flag) = word.strip_prefix('-').filter(|flag| !flag.is_empty()) else {
                rest.push(word.clone());
                continue;
            };
            let flag = if flag == "v" { "verbose" } else { flag.trim_start_matches('-') };
            let (name, given) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
            let Some((name, takes_value)) = known.iter().find(|(known, _)| *known == name) else {
                let all: Vec<String> = known.iter().map(|(name, _)| format!("--{name}")).collect();
                return Err(format!("there is no flag `{word}`; there are {}", all.join(", ")));
            };
            let value = match (given, takes_value) {
                (Some(value), _) => value.to_owned(),
                (None, true) => words.next().cloned().ok_or_else(|| format!("`--{name}` needs a value"))?,
                (None, false) => "true".to_owned(),
            };
            flags.push((*name, value));
        }
        Ok((Self(flags), rest))
    }

    /// The last value that was given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    pub fn is_set(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value != "false")
    }
}
