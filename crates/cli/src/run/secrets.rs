//! Where the secrets of a run come from: a file, the environment, or the terminal. Never the command line, which every
//! process of the machine can read.

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;

use anyhow::{Context, bail};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use sluice_server::Secrets;
use sluice_wire::Secret;

/// A larger file is none of secrets.
const FILE_LIMIT_BYTES: u64 = 1 << 20;

/// All secrets: those of the file first, then those that are named one by one. `CONTEXT/NAME` is one of a CircleCI
/// context, which only jobs see that name it; `NAME` is the project's.
pub fn gather(file: Option<&Path>, names: &[String]) -> anyhow::Result<Secrets> {
    let mut secrets = Secrets::default();
    if let Some(path) = file {
        let shown = path.display();
        let size = std::fs::metadata(path).with_context(|| format!("cannot read {shown}"))?.len();
        if size > FILE_LIMIT_BYTES {
            bail!("{shown} is larger than {} MiB, the most that is read of secrets", FILE_LIMIT_BYTES >> 20);
        }
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        match parse(&text) {
            Ok(sections) => {
                for Section { context, pairs } in sections {
                    let place = place(&mut secrets, context.as_deref());
                    place.extend(pairs.into_iter().map(|(name, value)| (name, Secret::new(value))));
                }
            }
            // The line itself may be a secret, so it is not shown.
            Err((line, problem)) => bail!("{shown}:{line}: {problem}"),
        }
    }
    for name in names {
        if let Some((name, _)) = name.split_once('=') {
            bail!(
                "--secret {name}=…: a value on the command line can be read by every process of this machine; \
                 give `--secret {name}` and the value in the environment, or a --secret-file"
            );
        }
        let (context, variable) =
            name.rsplit_once('/').map_or((None, name.as_str()), |(context, name)| (Some(context), name));
        let value = Secret::new(value_of(name, variable)?);
        place(&mut secrets, context).insert(variable.to_owned(), value);
    }
    Ok(secrets)
}

fn place<'a>(secrets: &'a mut Secrets, context: Option<&str>) -> &'a mut BTreeMap<String, Secret> {
    match context {
        Some(context) => secrets.contexts.entry(context.to_owned()).or_default(),
        None => &mut secrets.project,
    }
}

/// Those of `names`, whatever context they are of, that can be had now: out of the file, the environment, or from the
/// person at the terminal.
pub fn gather_known(file: Option<&Path>, names: &[String]) -> anyhow::Result<BTreeMap<String, Secret>> {
    // A file that is gone since has nothing to give.
    let Secrets { project, contexts, ssh_keys: _ } = gather(file.filter(|file| file.exists()), &[])?;
    let mut secrets = project;
    secrets.extend(contexts.into_values().flatten());
    secrets.retain(|name, _| names.contains(name));
    for name in names {
        let can_ask = std::io::stdin().is_terminal();
        if !secrets.contains_key(name) && (can_ask || std::env::var_os(name).is_some()) {
            secrets.insert(name.clone(), Secret::new(value_of(name, name)?));
        }
    }
    Ok(secrets)
}

fn value_of(name: &str, variable: &str) -> anyhow::Result<String> {
    match std::env::var(variable) {
        Ok(value) => Ok(value),
        Err(std::env::VarError::NotUnicode(_)) => bail!("--secret {name}: the variable's value is not text"),
        Err(std::env::VarError::NotPresent) if std::io::stdin().is_terminal() => ask(name),
        Err(std::env::VarError::NotPresent) => bail!(
            "--secret {name}: there is no such variable `{variable}` in the environment, and no terminal to ask on; \
             set it, or give a --secret-file"
        ),
    }
}

/// Reads a line from the terminal, which does not show it.
fn ask(name: &str) -> anyhow::Result<String> {
    let terminal = std::io::stdin();
    let usual = tcgetattr(&terminal).context("cannot ask for a secret on this terminal")?;
    let mut silent = usual.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    silent.local_modes.insert(LocalModes::ECHONL);
    eprint!("secret {name}: ");
    std::io::stderr().flush()?;
    tcsetattr(&terminal, OptionalActions::Now, &silent)?;
    let mut line = String::new();
    let read = terminal.lock().read_line(&mut line);
    tcsetattr(&terminal, OptionalActions::Now, &usual)?;
    if read? == 0 {
        bail!("--secret {name}: no value was given");
    }
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

/// The secrets of one context, or of the project.
#[derive(Default)]
struct Section {
    context: Option<String>,
    pairs: Vec<(String, String)>,
}

/// Reads `NAME=VALUE` lines. A value may stand in single quotes, where everything is itself, or in double quotes, where
/// `\n`, `\t`, `\"`, `\\` and `\$` are escapes; in quotes it may go over several lines. `export ` before a name, blank
/// lines, and lines that begin with `#` mean nothing. What stands below a line `[CONTEXT]` is that context's, up to the
/// next such line; below `[]` it is the project's again.
///
/// An error says the line, from 1.
fn parse(text: &str) -> Result<Vec<Section>, (usize, String)> {
    let mut sections = vec![Section::default()];
    let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let number = index + 1;
        let entry = line.trim();
        let entry = entry.strip_prefix("export ").unwrap_or(entry).trim_start();
        if entry.is_empty() || entry.starts_with('#') {
            continue;
        }
        if let Some(context) = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let context = Some(context.trim().to_owned()).filter(|context| !context.is_empty());
            sections.push(Section { context, pairs: Vec::new() });
            continue;
        }
        let Some((name, value)) = entry.split_once('=') else {
            return Err((number, "this entry is neither NAME=VALUE nor [CONTEXT]".to_owned()));
        };
        let (name, value) = (name.trim(), value.trim());
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_name) || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err((number, "the name has other characters than letters, digits and `_`".to_owned()));
        }
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let mut whole = value[1..].to_owned();
                loop {
                    if let Some(value) = unquoted(&whole, quote) {
                        break value.map_err(|problem| (number, problem))?;
                    }
                    let Some((_, more)) = lines.next() else {
                        return Err((number, "the quotes of this value are never closed".to_owned()));
                    };
                    whole.push('\n');
                    whole.push_str(more);
                }
            }
            _ => value.to_owned(),
        };
        if let Some(section) = sections.last_mut() {
            section.pairs.push((name.to_owned(), value));
        }
    }
    Ok(sections)
}

/// What stands before the closing quote. None: it has not come yet.
fn unquoted(text: &str, quote: char) -> Option<Result<String, String>> {
    let mut value = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            end if end == quote => {
                let rest = characters.as_str().trim();
                let is_clean = rest.is_empty() || rest.starts_with('#');
                return Some(if is_clean {
                    Ok(value)
                } else {
                    Err("something stands behind the closing quote".to_owned())
                });
            }
            '\\' if quote == '"' => match characters.next() {
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some(plain @ ('"' | '\\' | '$')) => value.push(plain),
                Some(other) => value.extend(['\\', other]),
                None => return None,
            },
            plain => value.push(plain),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text).unwrap().remove(0).pairs
    }

    #[test]
    fn secrets_are_the_projects_or_a_contexts() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "A=1\n[deploy]\nA=3\nK='a\n[b]'\n\n[ empty ]\n[]\nC=a=b\n[org/team]\nA=4\n";
        std::fs::write(file.path(), text).unwrap();
        let secrets = gather(Some(file.path()), &["deploy/PATH".to_owned()]).unwrap();
        let shown = |all: &BTreeMap<String, Secret>| {
            all.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect::<Vec<_>>()
        };
        assert_eq!(shown(&secrets.project), ["A=1", "C=a=b"]);
        let contexts: Vec<&String> = secrets.contexts.keys().collect();
        assert_eq!(contexts, ["deploy", "empty", "org/team"]);
        let path = std::env::var("PATH").unwrap();
        assert_eq!(shown(&secrets.contexts["deploy"]), ["A=3", "K=a\n[b]", &format!("PATH={path}")]);
        assert_eq!(shown(&secrets.contexts["org/team"]), ["A=4"]);
    }

    #[test]
    fn values_are_plain_or_in_quotes_over_several_lines() {
        let text = "# comment\nexport A = plain # and all of it\n\nB='it is $HOME \\n'\nC=\"two\\nlines \\\"q\\\"\"\nD=\"-----BEGIN\nabc=\n-----END\"  # key\nE=\n";
        let found = pairs(text);
        let value = |name: &str| &found.iter().find(|(known, _)| known == name).unwrap().1;
        assert_eq!(value("A"), "plain # and all of it");
        assert_eq!(value("B"), "it is $HOME \\n");
        assert_eq!(value("C"), "two\nlines \"q\"");
        assert_eq!(value("D"), "-----BEGIN\nabc=\n-----END");
        assert_eq!(value("E"), "");
    }

    #[test]
    fn an_error_says_the_line_and_never_the_value() {
        for (text, line) in
            [("A=1\nhunter2\n", 2), ("A=\"hunter2\n\n", 1), ("A='hunter2' hunter2", 1), ("hun ter2=1", 1)]
        {
            let (number, problem) = parse(text).err().unwrap();
            assert_eq!(number, line, "{text}");
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }
}
