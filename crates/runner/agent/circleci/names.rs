use std::io::Read;

/// The names to split: the lines of a file, or of the standard input.
pub fn of(rest: &[String]) -> Result<Vec<String>, String> {
    let text = match rest {
        [] => from_input()?,
        [path] if path == "-" => from_input()?,
        [path] => std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?,
        [_, second, ..] => return Err(format!("`{second}` is too much: names come from one file, or from the input")),
    };
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn from_input() -> Result<String, String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(|error| format!("the input: {error}"))?;
    Ok(text)
}
