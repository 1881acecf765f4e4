/// Splits `args` of a step into words as GitHub's runner does, which hands them to the engine's program: blanks part
/// words, double quotes hold them together, and `\\"` is a quote. Single quotes mean nothing.
pub(super) fn split_arguments(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&'"') => {
                word.get_or_insert_default().extend(characters.next());
            }
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            blank if blank.is_whitespace() && !is_quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::split_arguments;

    #[test]
    fn arguments_are_split_as_the_runner_does() {
        for (text, words) in [
            ("", &[][..]),
            ("  a  b\n c ", &["a", "b", "c"]),
            ("-c \"echo x; ls\" '' ", &["-c", "echo x; ls", "''"]),
            (r#"a\b "" say \"hi\" it's"#, &[r"a\b", "", "say", "\"hi\"", "it's"]),
        ] {
            assert_eq!(split_arguments(text), words, "{text}");
        }
    }
}
