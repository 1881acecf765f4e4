/// How many arguments a function takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arity {
    pub min: usize,
    pub max: usize,
}

/// A function that is known to the parser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub arity: Arity,
}

/// GitHub's `MAX` in the schema's function signatures.
const UNLIMITED: usize = 255;

/// Functions that are available everywhere.
pub(crate) const WELL_KNOWN: [(&str, Arity); 8] = [
    ("case", Arity { min: 3, max: usize::MAX }),
    ("contains", Arity { min: 2, max: 2 }),
    ("endsWith", Arity { min: 2, max: 2 }),
    ("format", Arity { min: 1, max: UNLIMITED }),
    ("fromJSON", Arity { min: 1, max: 1 }),
    ("join", Arity { min: 1, max: 2 }),
    ("startsWith", Arity { min: 2, max: 2 }),
    ("toJSON", Arity { min: 1, max: 1 }),
];

/// Which contexts and functions may be named at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vocabulary {
    /// None: any.
    contexts: Option<Vec<String>>,
    functions: Vec<Function>,
}

impl Vocabulary {
    /// Any context, and the status functions and `hashFiles` beside the functions that are everywhere.
    pub fn any() -> Self {
        let signatures =
            ["always(0,0)", "cancelled(0,0)", "failure(0,MAX)", "success(0,MAX)", "hashFiles(1,255)"];
        Self { contexts: None, ..Self::of(&signatures) }
    }

    /// Names as GitHub's workflow schema lists them: `github`, `hashFiles(1,255)`, `success(0,MAX)`.
    pub fn of(names: &[&str]) -> Self {
        let mut contexts = Vec::new();
        let mut functions = Vec::new();
        for name in names {
            match name.split_once('(') {
                None => contexts.push(name.to_lowercase()),
                Some((name, bounds)) => {
                    let (min, max) = bounds.trim_end_matches(')').split_once(',').unwrap_or(("0", "MAX"));
                    let arity = Arity {
                        min: min.trim().parse().unwrap_or(0),
                        max: max.trim().parse().unwrap_or(usize::MAX),
                    };
                    functions.push(Function { name: (*name).to_owned(), arity });
                }
            }
        }
        Self { contexts: Some(contexts), functions }
    }

    pub fn knows_context(&self, name: &str) -> bool {
        self.contexts.as_ref().is_none_or(|names| names.iter().any(|known| known.eq_ignore_ascii_case(name)))
    }

    /// The contexts that may be named, in lower case; none where any may.
    pub fn contexts(&self) -> Option<&[String]> {
        self.contexts.as_deref()
    }

    pub(crate) fn arity(&self, function: &str) -> Option<Arity> {
        let well_known = WELL_KNOWN.iter().find(|(name, _)| name.eq_ignore_ascii_case(function));
        let added = || self.functions.iter().find(|known| known.name.eq_ignore_ascii_case(function));
        well_known.map(|(_, arity)| *arity).or_else(|| added().map(|known| known.arity))
    }
}
