use std::io::Read;

/// Prints the text, or the input, with variables filled in.
pub fn print(words: &[&str]) -> Result<(), String> {
    let text = match words {
        [] => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|error| format!("the input: {error}"))?;
            text
        }
        [text] => (*text).to_owned(),
        [_, second, ..] => return Err(format!("`{second}` is too much: `env subst` takes one text")),
    };
    if !text.is_empty() {
        print!("{}", fill(&text, &|name| std::env::var(name).ok())?);
    }
    Ok(())
}

type Lookup<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// `$NAME`, `${NAME}` and the forms with a default, as the `envsubst` that CircleCI wraps has them (a8m/envsubst,
/// README): `-` and `=` for unset, `+` for set, a colon before them for empty too; `$$` is a dollar sign.
fn fill(text: &str, lookup: &Lookup) -> Result<String, String> {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('$') {
        filled.push_str(before);
        rest = if let Some(after) = after.strip_prefix('$') {
            filled.push('$');
            after
        } else if let Some(after) = after.strip_prefix('{') {
            let end = closing(after).ok_or_else(|| format!("`${{{after}` has no closing brace"))?;
            filled.push_str(&braced(&after[..end], lookup)?);
            &after[end + 1..]
        } else {
            let length = name_length(after);
            match length {
                0 => filled.push('$'),
                _ => filled.push_str(&lookup(&after[..length]).unwrap_or_default()),
            }
            &after[length..]
        };
    }
    Ok(filled + rest)
}

/// The inside of `${…}`.
fn braced(inside: &str, lookup: &Lookup) -> Result<String, String> {
    let (name, form) = inside.split_at(name_length(inside));
    if name.is_empty() {
        return Err(format!("`${{{inside}}}` names no variable"));
    }
    let value = lookup(name);
    let (empty_counts, form) = form.strip_prefix(':').map_or((false, form), |form| (true, form));
    let is_there = value.as_ref().is_some_and(|value| !(empty_counts && value.is_empty()));
    match form.split_at_checked(1) {
        None if !empty_counts => Ok(value.unwrap_or_default()),
        Some(("-" | "=", _)) if is_there => Ok(value.unwrap_or_default()),
        Some(("-" | "=", other)) => fill(other, lookup),
        Some(("+", other)) if is_there => fill(other, lookup),
        Some(("+", _)) => Ok(String::new()),
        _ => Err(format!("`${{{inside}}}` is no form that `env subst` knows")),
    }
}

/// Where the brace closes, past those of nested variables.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    text.bytes().enumerate().find_map(|(at, byte)| match byte {
        b'{' => {
            depth += 1;
            None
        }
        b'}' if depth == 0 => Some(at),
        b'}' => {
            depth -= 1;
            None
        }
        _ => None,
    })
}

/// A name may begin with a digit there, so that `$1` is a variable too.
fn name_length(text: &str) -> usize {
    text.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap_or(text.len())
}
