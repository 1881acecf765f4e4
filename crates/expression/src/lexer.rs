use crate::number;
use crate::tree::Span;
use crate::{ErrorKind, ParseError};

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum TokenKind {
    LeftParen,
    RightParen,
    LeftBracket,
    RightBracket,
    Comma,
    Dot,
    Not,
    NotEqual,
    Equal,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    And,
    Or,
    Star,
    Number(f64),
    Text,
    Identifier,
    True,
    False,
    Null,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    /// In bytes of the source.
    start: usize,
    end: usize,
    pub(crate) span: Span,
}

impl Token {
    pub(crate) fn lexeme<'a>(&self, source: &'a str) -> &'a str {
        &source[self.start..self.end]
    }
}

/// GitHub's words, with the place as a count of UTF-16 units from 1.
pub(crate) fn located(description: &str, lexeme: &str, byte: usize, source: &str) -> String {
    let position = source[..byte].encode_utf16().count() + 1;
    format!("{description}: '{lexeme}'. Located at position {position} within expression: {source}")
}

impl Token {
    pub(crate) fn error(&self, description: &str, source: &str) -> ParseError {
        ParseError {
            kind: ErrorKind::Parsing,
            message: located(description, self.lexeme(source), self.start, source),
            offset: self.span.start,
        }
    }
}

/// The characters at which a name or a number ends.
fn is_boundary(c: char) -> bool {
    matches!(c, '(' | '[' | ')' | ']' | ',' | '.' | '!' | '>' | '<' | '=' | '&' | '|') || c.is_whitespace()
}

/// Letters, digits, `_` and `-`, not beginning with a digit or a `-`.
pub(crate) fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
}

/// The text of a literal without its quotes.
pub(crate) fn unquote(lexeme: &str) -> String {
    lexeme[1..lexeme.len() - 1].replace("''", "'")
}

pub(crate) fn tokens(source: &str) -> Result<Vec<Token>, ParseError> {
    let mut lexer = Lexer { source, at: 0, at_char: 0, tokens: Vec::new() };
    while let Some(c) = lexer.peek() {
        if c.is_whitespace() {
            lexer.bump();
        } else {
            lexer.token(c)?;
        }
    }
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    source: &'a str,
    /// Bytes and characters that were read.
    at: usize,
    at_char: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.source[self.at..].chars().next()
    }

    fn bump(&mut self) {
        if let Some(c) = self.peek() {
            self.at += c.len_utf8();
            self.at_char += 1;
        }
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.bump();
        }
    }

    fn token(&mut self, first: char) -> Result<(), ParseError> {
        let (start, start_char) = (self.at, self.at_char);
        let kind = match first {
            '\'' => self.text(start),
            '.' if self.follows_a_value() => self.single(TokenKind::Dot),
            '.' | '-' | '+' | '0'..='9' => self.number(start),
            _ => match self.symbol(first) {
                Some(kind) => Some(kind),
                None => self.name(start),
            },
        };
        let Some(kind) = kind else {
            return Err(ParseError {
                kind: ErrorKind::Lexing,
                message: located("Unexpected symbol", &self.source[start..self.at], start, self.source),
                offset: start_char,
            });
        };
        let span = Span { start: start_char, end: self.at_char };
        self.tokens.push(Token { kind, start, end: self.at, span });
        Ok(())
    }

    /// Whether a `.` takes a member of what stands before it; elsewhere it begins a number.
    fn follows_a_value(&self) -> bool {
        use TokenKind::{Identifier, RightBracket, RightParen, Star};
        self.tokens
            .last()
            .is_some_and(|last| matches!(last.kind, Identifier | RightBracket | RightParen | Star))
    }

    fn single(&mut self, kind: TokenKind) -> Option<TokenKind> {
        self.bump();
        Some(kind)
    }

    fn symbol(&mut self, first: char) -> Option<TokenKind> {
        let rest = &self.source[self.at..];
        let doubled = |pair: &str| rest.starts_with(pair);
        let kind = match first {
            '(' => TokenKind::LeftParen,
            ')' => TokenKind::RightParen,
            '[' => TokenKind::LeftBracket,
            ']' => TokenKind::RightBracket,
            ',' => TokenKind::Comma,
            '*' => TokenKind::Star,
            '!' if doubled("!=") => TokenKind::NotEqual,
            '!' => TokenKind::Not,
            '<' if doubled("<=") => TokenKind::LessOrEqual,
            '<' => TokenKind::Less,
            '>' if doubled(">=") => TokenKind::GreaterOrEqual,
            '>' => TokenKind::Greater,
            '=' if doubled("==") => TokenKind::Equal,
            '&' if doubled("&&") => TokenKind::And,
            '|' if doubled("||") => TokenKind::Or,
            _ => return None,
        };
        self.bump();
        if matches!(
            kind,
            TokenKind::NotEqual
                | TokenKind::LessOrEqual
                | TokenKind::GreaterOrEqual
                | TokenKind::Equal
                | TokenKind::And
                | TokenKind::Or
        ) {
            self.bump();
        }
        Some(kind)
    }

    /// A text in single quotes, in which two stand for one. None: it has no end.
    fn text(&mut self, start: usize) -> Option<TokenKind> {
        self.bump();
        loop {
            self.take_while(|c| c != '\'');
            self.peek()?;
            self.bump();
            if self.peek() != Some('\'') {
                debug_assert!(self.at > start + 1);
                return Some(TokenKind::Text);
            }
            self.bump();
        }
    }

    fn number(&mut self, start: usize) -> Option<TokenKind> {
        self.bump();
        self.take_while(|c| c == '.' || !is_boundary(c));
        let number = number::parse(&self.source[start..self.at]);
        (!number.is_nan()).then_some(TokenKind::Number(number))
    }

    fn name(&mut self, start: usize) -> Option<TokenKind> {
        self.bump();
        self.take_while(|c| !is_boundary(c));
        let lexeme = &self.source[start..self.at];
        let is_member = self.tokens.last().is_some_and(|last| last.kind == TokenKind::Dot);
        match lexeme {
            _ if !is_identifier(lexeme) => None,
            _ if is_member => Some(TokenKind::Identifier),
            "true" => Some(TokenKind::True),
            "false" => Some(TokenKind::False),
            "null" => Some(TokenKind::Null),
            "NaN" => Some(TokenKind::Number(f64::NAN)),
            "Infinity" => Some(TokenKind::Number(f64::INFINITY)),
            _ => Some(TokenKind::Identifier),
        }
    }
}
