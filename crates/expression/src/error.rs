/// At which stage an expression was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// A symbol that is no part of the language.
    Lexing,
    /// Symbols in an order that means nothing, a name or a function that is not available here, or a limit.
    Parsing,
    /// The expression is sound, but its values are not.
    Evaluation,
}

impl ErrorKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lexing => "lexing",
            Self::Parsing => "parsing",
            Self::Evaluation => "evaluation",
        }
    }
}

/// Why a text is not an expression or a template, in GitHub's own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ParseError {
    pub kind: ErrorKind,
    /// `Unexpected symbol: ')'. Located at position 5 within expression: 1 < )`
    pub message: String,
    /// Characters from the start of the text that was parsed.
    pub offset: usize,
}

/// Why an expression has no value, in GitHub's own words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluationError {
    #[error(
        "Unrecognized named-value: '{name}'. Located at position {position} within expression: {expression}"
    )]
    UnknownContext { name: String, position: usize, expression: String },
    #[error(
        "Unrecognized function: '{name}'. Located at position {position} within expression: {expression}"
    )]
    UnknownFunction { name: String, position: usize, expression: String },
    #[error("The maximum allowed memory size was exceeded")]
    OutOfMemory,
    #[error("The following format string is invalid: {0}")]
    InvalidFormat(String),
    #[error("The following format string references more arguments than were supplied: {0}")]
    FormatArgument(String),
    #[error("The format specifiers '{specifiers}' are not valid for objects of type '{kind}'")]
    FormatSpecifiers { specifiers: String, kind: &'static str },
    #[error("case predicate must evaluate to a boolean value")]
    CasePredicate,
    /// GitHub's words for an empty text are its JSON library's.
    #[error("Error reading JToken from JsonReader. Path '', line 0, position 0.")]
    EmptyJson,
    #[error("Error parsing fromJson: {0}")]
    Json(#[from] crate::JsonError),
    /// What the caller's `hashFiles` answered.
    #[error("{0}")]
    HashFiles(String),
}
