//! The one-line conditions of `when:` of a workflow and `filters:` of a job: `pipeline.git.branch == "main" and not x`.
//!
//! CircleCI configuration reference, "Expression-based job filters".

use crate::values::Value;

const DEEPEST: usize = 100;
const LONGEST_BYTES: usize = 10_000;

/// What a part of a condition comes to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    Flag(bool),
    Number(f64),
    Text(String),
    Null,
}

impl Operand {
    pub(crate) fn is_truthy(&self) -> bool {
        match self {
            Self::Flag(flag) => *flag,
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::Text(text) => !text.is_empty(),
            Self::Null => false,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Flag(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::Null => "null",
        }
    }
}

impl From<Value> for Operand {
    fn from(value: Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(text),
            Value::Number(number) => Self::Number(number as f64),
            Value::Flag(flag) => Self::Flag(flag),
        }
    }
}

/// Why a condition cannot be decided, as a sentence, with the characters before the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExpressionError {
    pub(crate) message: String,
    pub(crate) offset: usize,
}

/// Decides a condition. `lookup` gives the value of a whole name such as `pipeline.git.branch`.
pub(crate) fn evaluate(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<Operand>,
) -> Result<bool, ExpressionError> {
    if text.len() > LONGEST_BYTES {
        let message = format!("a condition may have {LONGEST_BYTES} bytes, and this has {}", text.len());
        return Err(ExpressionError { message, offset: 0 });
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0, end: text.chars().count(), lookup };
    let value = parser.either()?;
    match parser.peek() {
        None => Ok(value.is_truthy()),
        Some(token) => {
            Err(parser
                .error_at(token.offset, format!("expected `and`, `or` or the end, found {}", token.kind)))
        }
    }
}

struct Token {
    kind: TokenKind,
    offset: usize,
}

#[derive(Debug, Clone, PartialEq)]
enum TokenKind {
    Word(String),
    Text(String),
    Number(f64),
    Symbol(&'static str),
}

impl std::fmt::Display for TokenKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Word(word) => write!(f, "`{word}`"),
            Self::Text(text) => write!(f, "\"{text}\""),
            Self::Number(number) => write!(f, "{number}"),
            Self::Symbol(symbol) => write!(f, "`{symbol}`"),
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, ExpressionError> {
    let characters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&c) = characters.get(at) {
        let offset = at;
        let rest = &characters[at..];
        let kind = if c.is_whitespace() {
            at += 1;
            continue;
        } else if let Some(symbol) = symbol(rest) {
            at += symbol.len();
            TokenKind::Symbol(symbol)
        } else if c == '"' || c == '\'' {
            let (text, length) = quoted(rest, c)
                .ok_or_else(|| ExpressionError { message: "this string is not closed".to_owned(), offset })?;
            at += length;
            TokenKind::Text(text)
        } else if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') {
            let length =
                rest.iter().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')).count();
            let word: String = rest[..length].iter().collect();
            at += length;
            let is_number = c.is_ascii_digit() || c == '-';
            match word.parse::<f64>() {
                Ok(number) if is_number => TokenKind::Number(number),
                _ => TokenKind::Word(word),
            }
        } else {
            return Err(ExpressionError { message: format!("unexpected `{c}`"), offset });
        };
        tokens.push(Token { kind, offset });
    }
    Ok(tokens)
}

fn symbol(rest: &[char]) -> Option<&'static str> {
    ["==", "!=", ">=", "<=", ">", "<", "(", ")"]
        .into_iter()
        .find(|symbol| symbol.chars().enumerate().all(|(i, c)| rest.get(i) == Some(&c)))
}

/// The text between two quotes, in which a backslash takes the next character as it is, and the characters consumed.
fn quoted(rest: &[char], quote: char) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut at = 1;
    loop {
        match *rest.get(at)? {
            '\\' => {
                text.push(*rest.get(at + 1)?);
                at += 2;
            }
            c if c == quote => return Some((text, at + 1)),
            c => {
                text.push(c);
                at += 1;
            }
        }
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
    end: usize,
    lookup: &'a dyn Fn(&str) -> Option<Operand>,
}

impl Parser<'_> {
    fn either(&mut self) -> Result<Operand, ExpressionError> {
        let mut value = self.both()?;
        while self.word("or") {
            let right = self.both()?;
            value = Operand::Flag(value.is_truthy() || right.is_truthy());
        }
        Ok(value)
    }

    fn both(&mut self) -> Result<Operand, ExpressionError> {
        let mut value = self.comparison()?;
        while self.word("and") {
            let right = self.comparison()?;
            value = Operand::Flag(value.is_truthy() && right.is_truthy());
        }
        Ok(value)
    }

    fn comparison(&mut self) -> Result<Operand, ExpressionError> {
        let left = self.unary()?;
        let offset = self.offset();
        if self.word("starts-with") {
            let right = self.unary()?;
            return match (&left, &right) {
                (Operand::Text(text), Operand::Text(prefix)) => {
                    Ok(Operand::Flag(text.starts_with(prefix.as_str())))
                }
                _ => Err(self.error_at(
                    offset,
                    format!("`starts-with` compares strings, not {} and {}", left.kind(), right.kind()),
                )),
            };
        }
        let operator = match self.peek().map(|token| &token.kind) {
            Some(TokenKind::Symbol(symbol)) if !matches!(*symbol, "(" | ")") => *symbol,
            _ => return Ok(left),
        };
        self.at += 1;
        let right = self.unary()?;
        // Operands of different types are not equal, which is no error.
        match operator {
            "==" => return Ok(Operand::Flag(left == right)),
            "!=" => return Ok(Operand::Flag(left != right)),
            _ => {}
        }
        let (Operand::Number(a), Operand::Number(b)) = (&left, &right) else {
            let message = format!("`{operator}` compares numbers, not {} and {}", left.kind(), right.kind());
            return Err(self.error_at(offset, message));
        };
        Ok(Operand::Flag(match operator {
            ">=" => a >= b,
            "<=" => a <= b,
            ">" => a > b,
            _ => a < b,
        }))
    }

    /// `not` binds tightest: `not a and b` is `(not a) and b`.
    fn unary(&mut self) -> Result<Operand, ExpressionError> {
        if self.depth >= DEEPEST {
            return Err(
                self.error_at(self.offset(), format!("a condition is nested deeper than {DEEPEST} levels"))
            );
        }
        self.depth += 1;
        let value = if self.word("not") {
            self.unary().map(|value| Operand::Flag(!value.is_truthy()))
        } else {
            self.primary()
        };
        self.depth -= 1;
        value
    }

    fn primary(&mut self) -> Result<Operand, ExpressionError> {
        let offset = self.offset();
        let Some(token) = self.peek() else {
            return Err(self.error_at(offset, "expected a value, and the condition ends here".to_owned()));
        };
        let kind = token.kind.clone();
        self.at += 1;
        match kind {
            TokenKind::Text(text) => Ok(Operand::Text(text)),
            TokenKind::Number(number) => Ok(Operand::Number(number)),
            TokenKind::Symbol("(") => {
                let value = self.either()?;
                match self.peek().map(|token| &token.kind) {
                    Some(TokenKind::Symbol(")")) => {
                        self.at += 1;
                        Ok(value)
                    }
                    _ => Err(self.error_at(self.offset(), "expected `)`".to_owned())),
                }
            }
            TokenKind::Symbol(symbol) => {
                Err(self.error_at(offset, format!("expected a value, found `{symbol}`")))
            }
            TokenKind::Word(word) => match word.as_str() {
                "true" => Ok(Operand::Flag(true)),
                "false" => Ok(Operand::Flag(false)),
                "null" => Ok(Operand::Null),
                _ => (self.lookup)(&word).ok_or_else(|| {
                    self.error_at(offset, format!("`{word}` is no value that a condition can use"))
                }),
            },
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn offset(&self) -> usize {
        self.peek().map_or(self.end, |token| token.offset)
    }

    fn word(&mut self, word: &str) -> bool {
        let is_next = matches!(self.peek(), Some(Token { kind: TokenKind::Word(next), .. }) if next == word);
        self.at += usize::from(is_next);
        is_next
    }

    fn error_at(&self, offset: usize, message: String) -> ExpressionError {
        ExpressionError { message, offset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str) -> String {
        let lookup = |name: &str| match name {
            "pipeline.git.branch" => Some(Operand::Text("main".to_owned())),
            "pipeline.number" => Some(Operand::Number(7.0)),
            "pipeline.parameters.my-flag" => Some(Operand::Flag(true)),
            _ => None,
        };
        match evaluate(text, &lookup) {
            Ok(holds) => holds.to_string(),
            Err(error) => format!("{}: {}", error.offset, error.message),
        }
    }

    #[test]
    fn conditions() {
        let cases = [
            (r#"pipeline.git.branch == "main""#, "true"),
            (r#"pipeline.git.branch != 'main'"#, "false"),
            (r#"pipeline.git.branch starts-with "ma""#, "true"),
            ("pipeline.number >= 7 and pipeline.number < 8", "true"),
            ("pipeline.number == \"7\"", "false"),
            ("pipeline.parameters.my-flag", "true"),
            ("not pipeline.parameters.my-flag and false", "false"),
            ("not (pipeline.parameters.my-flag and false)", "true"),
            ("false or\n  true", "true"),
            ("true or false and false", "true"),
            ("always", "0: `always` is no value that a condition can use"),
            (
                "pipeline.number starts-with \"7\"",
                "16: `starts-with` compares strings, not a number and a string",
            ),
            ("pipeline.git.branch > 1", "20: `>` compares numbers, not a string and a number"),
            ("(true", "5: expected `)`"),
            ("true true", "5: expected `and`, `or` or the end, found `true`"),
            ("", "0: expected a value, and the condition ends here"),
            ("\"x", "0: this string is not closed"),
            ("a $ b", "2: unexpected `$`"),
        ];
        for (text, expected) in cases {
            assert_eq!(verdict(text), expected, "{text}");
        }
        assert!(verdict(&"not ".repeat(1000)).contains("nested deeper"));
        assert!(verdict(&"(".repeat(1000)).contains("nested deeper"));
        assert!(verdict(&"a".repeat(20_000)).contains("10000 bytes"));
    }
}
