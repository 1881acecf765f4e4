use std::collections::HashSet;

const MAX_LENGTH: usize = 100;
const MAX_ATTEMPTS: usize = 1000;

/// The ids of one scope: those that the file gives, and those that GitHub makes up beside them.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    taken: HashSet<String>,
}

impl Ids {
    /// Takes an id that the file gives, or says in GitHub's words why it is none.
    pub(crate) fn add(&mut self, id: &str) -> Result<(), String> {
        let mut chars = id.chars();
        let is_valid = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if !is_valid || id.len() >= MAX_LENGTH {
            // The doubled word is in GitHub's message.
            return Err(format!(
                "The identifier '{id}' is invalid. IDs may only contain alphanumeric characters, '_', and '-'. IDs must \
                 start with a letter or '_' and and must be less than {MAX_LENGTH} characters."
            ));
        }
        if id.starts_with("__") {
            return Err(format!("The identifier '{id}' is invalid. IDs starting with '__' are reserved."));
        }
        if !self.taken.insert(id.to_ascii_lowercase()) {
            return Err(format!(
                "The identifier '{id}' may not be used more than once within the same scope."
            ));
        }
        Ok(())
    }

    /// Makes an id up: `__run`, then `__run_2`. None when a thousand are taken.
    pub(crate) fn make(&mut self, base: &str) -> Option<String> {
        let legal = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') { c } else { '_' };
        let base: String = "__".chars().chain(base.chars().map(legal)).collect();
        (1..MAX_ATTEMPTS).find_map(|attempt| {
            let suffix = if attempt == 1 { String::new() } else { format!("_{attempt}") };
            let kept = base.len().min(MAX_LENGTH - suffix.len());
            let id = format!("{}{suffix}", &base[..kept]);
            self.taken.insert(id.to_ascii_lowercase()).then_some(id)
        })
    }
}

/// What GitHub calls a step without an id after: the action's owner and name, the image, `self` or `run`.
pub(crate) fn base_of_uses(uses: &str) -> String {
    if let Some(image) = uses.strip_prefix("docker://") {
        return image.to_owned();
    }
    if uses.starts_with("./") || uses.starts_with(".\\") {
        return "self".to_owned();
    }
    match uses.split('@').collect::<Vec<_>>().as_slice() {
        [path, git_ref] if !git_ref.is_empty() => {
            let mut segments = path.split(['/', '\\']).filter(|segment| !segment.is_empty());
            match (segments.next(), segments.next()) {
                (Some(owner), Some(name)) => format!("{owner}/{name}"),
                _ => "run".to_owned(),
            }
        }
        _ => "run".to_owned(),
    }
}
