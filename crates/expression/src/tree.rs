use crate::Value;

/// Characters from the start of the expression, `start` included, `end` not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogicalOperator {
    And,
    Or,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOperator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A parsed expression. Its height is at most [`crate::MAX_DEPTH`], so that recursion over it is safe.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// Null, a boolean, a number or a text.
    Literal {
        value: Value,
        span: Span,
    },
    /// `github`: a name that the caller's context knows.
    Context {
        name: String,
        span: Span,
    },
    /// `of.key` (the key is a text) or `of[key]`.
    Index {
        of: Box<Node>,
        key: Box<Node>,
    },
    /// `of.*` or `of[*]`.
    Star {
        of: Box<Node>,
    },
    Call {
        function: String,
        arguments: Vec<Node>,
        span: Span,
    },
    Not {
        operand: Box<Node>,
    },
    Binary {
        operator: BinaryOperator,
        left: Box<Node>,
        right: Box<Node>,
    },
    /// A chain of one operator, at least two operands.
    Logical {
        operator: LogicalOperator,
        operands: Vec<Node>,
    },
}

impl Node {
    /// Calls `visit` with this node and every node below it, parents first.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Node)) {
        visit(self);
        self.children().into_iter().for_each(|child| child.walk(visit));
    }

    /// `github.event.commits.*.message` as its names in lower case, where each key is a fixed text. `*` stands for itself.
    pub fn path(&self) -> Option<Vec<String>> {
        match self {
            Self::Context { name, .. } => Some(vec![name.to_lowercase()]),
            Self::Index { of, key } => {
                let Self::Literal { value: Value::String(key), .. } = key.as_ref() else { return None };
                let mut path = of.path()?;
                path.push(key.to_lowercase());
                Some(path)
            }
            Self::Star { of } => {
                let mut path = of.path()?;
                path.push("*".to_owned());
                Some(path)
            }
            _ => None,
        }
    }

    /// The nodes directly below this one.
    pub fn children(&self) -> Vec<&Node> {
        match self {
            Self::Literal { .. } | Self::Context { .. } => Vec::new(),
            Self::Index { of, key } => vec![of.as_ref(), key.as_ref()],
            Self::Star { of } => vec![of.as_ref()],
            Self::Not { operand } => vec![operand.as_ref()],
            Self::Binary { left, right, .. } => vec![left.as_ref(), right.as_ref()],
            Self::Call { arguments: nodes, .. } | Self::Logical { operands: nodes, .. } => {
                nodes.iter().collect()
            }
        }
    }

    /// The tree with every node for which `replace` gives another in its place, outermost first; what is put in stays.
    pub fn replaced(&self, replace: &impl Fn(&Node) -> Option<Node>) -> Node {
        if let Some(node) = replace(self) {
            return node;
        }
        let boxed = |node: &Node| Box::new(node.replaced(replace));
        let all = |nodes: &[Node]| nodes.iter().map(|node| node.replaced(replace)).collect();
        match self {
            Self::Literal { .. } | Self::Context { .. } => self.clone(),
            Self::Index { of, key } => Self::Index { of: boxed(of), key: boxed(key) },
            Self::Star { of } => Self::Star { of: boxed(of) },
            Self::Not { operand } => Self::Not { operand: boxed(operand) },
            Self::Binary { operator, left, right } => {
                Self::Binary { operator: *operator, left: boxed(left), right: boxed(right) }
            }
            Self::Call { function, arguments, span } => {
                Self::Call { function: function.clone(), arguments: all(arguments), span: *span }
            }
            Self::Logical { operator, operands } => {
                Self::Logical { operator: *operator, operands: all(operands) }
            }
        }
    }

    /// Every [`Node::path`] in the expression, the longest form of each, with where it begins.
    pub fn paths(&self) -> Vec<(Vec<String>, Span)> {
        match self.path() {
            Some(path) => vec![(path, self.span())],
            None => self.children().into_iter().flat_map(Node::paths).collect(),
        }
    }

    /// Where the node's first named or literal part stands.
    pub fn span(&self) -> Span {
        match self {
            Self::Literal { span, .. } | Self::Context { span, .. } | Self::Call { span, .. } => *span,
            Self::Index { of, .. } | Self::Star { of } => of.span(),
            Self::Not { operand } => operand.span(),
            Self::Binary { left, .. } => left.span(),
            Self::Logical { operands, .. } => operands.first().map(Node::span).unwrap_or_default(),
        }
    }
}
