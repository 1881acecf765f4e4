use crate::lexer::{self, Token, TokenKind};
use crate::tree::{BinaryOperator, LogicalOperator, Node, Span};
use crate::{ErrorKind, ParseError, Value, Vocabulary};

/// How deep an expression may be nested.
pub const MAX_DEPTH: usize = 50;
/// How long an expression may be, in UTF-16 units.
pub const MAX_LENGTH: usize = 21_000;

/// The tree of an expression, or None for one that is blank.
pub(crate) fn parse(source: &str, vocabulary: &Vocabulary) -> Result<Option<Node>, ParseError> {
    // A UTF-8 text is never shorter in bytes than in UTF-16 units.
    if source.len() > MAX_LENGTH && source.encode_utf16().count() > MAX_LENGTH {
        return Err(limit(format!("Exceeded max expression length {MAX_LENGTH}")));
    }
    let tokens = lexer::tokens(source)?;
    if tokens.is_empty() {
        return Ok(None);
    }
    let mut parser = Parser { source, tokens: &tokens, at: 0, nesting: 0, vocabulary };
    let tree = parser.expression()?;
    match parser.peek() {
        None => Ok(Some(tree.node)),
        Some(_) => Err(parser.unexpected()),
    }
}

fn limit(message: String) -> ParseError {
    ParseError { kind: ErrorKind::Parsing, message, offset: 0 }
}

/// A node and how many nodes stand above each other in it.
struct Tall {
    node: Node,
    height: usize,
}

struct Parser<'a> {
    source: &'a str,
    tokens: &'a [Token],
    at: usize,
    nesting: usize,
    vocabulary: &'a Vocabulary,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn next_is(&mut self, kind: TokenKind) -> bool {
        let found = self.peek().is_some_and(|token| token.kind == kind);
        self.at += usize::from(found);
        found
    }

    fn previous(&self) -> Option<&'a Token> {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at))
    }

    /// The error for the token that stands where another should, or for the end.
    fn unexpected(&self) -> ParseError {
        match (self.peek(), self.previous()) {
            (Some(token), _) => token.error("Unexpected symbol", self.source),
            (None, Some(last)) => last.error("Unexpected end of expression", self.source),
            // Not reached: an expression without tokens is not parsed.
            (None, None) => limit("Unexpected end of expression".to_owned()),
        }
    }

    fn expect(&mut self, kind: TokenKind) -> Result<(), ParseError> {
        if self.next_is(kind) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn over(&self, node: Node, height_below: usize) -> Result<Tall, ParseError> {
        let height = height_below + 1;
        if height > MAX_DEPTH {
            return Err(limit(format!("Exceeded max expression depth {MAX_DEPTH}")));
        }
        Ok(Tall { node, height })
    }

    fn expression(&mut self) -> Result<Tall, ParseError> {
        self.nested(|parser| parser.logical(LogicalOperator::Or))
    }

    /// Runs `parse` one level deeper, so that hostile nesting ends before the stack does.
    fn nested(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<Tall, ParseError>,
    ) -> Result<Tall, ParseError> {
        self.nesting += 1;
        if self.nesting > MAX_DEPTH {
            return Err(limit(format!("Exceeded max expression depth {MAX_DEPTH}")));
        }
        let parsed = parse(self);
        self.nesting -= 1;
        parsed
    }

    fn logical(&mut self, operator: LogicalOperator) -> Result<Tall, ParseError> {
        let kind = match operator {
            LogicalOperator::Or => TokenKind::Or,
            LogicalOperator::And => TokenKind::And,
        };
        let first = self.logical_operand(operator)?;
        if self.peek().is_none_or(|token| token.kind != kind) {
            return Ok(first);
        }
        let mut height = first.height;
        let mut operands = vec![first.node];
        while self.next_is(kind) {
            let operand = self.logical_operand(operator)?;
            height = height.max(operand.height);
            operands.push(operand.node);
        }
        self.over(Node::Logical { operator, operands }, height)
    }

    fn logical_operand(&mut self, operator: LogicalOperator) -> Result<Tall, ParseError> {
        match operator {
            LogicalOperator::Or => self.logical(LogicalOperator::And),
            LogicalOperator::And => self.equality(),
        }
    }

    fn equality(&mut self) -> Result<Tall, ParseError> {
        let operator = |kind| match kind {
            TokenKind::Equal => Some(BinaryOperator::Equal),
            TokenKind::NotEqual => Some(BinaryOperator::NotEqual),
            _ => None,
        };
        self.chain(operator, Self::comparison)
    }

    fn comparison(&mut self) -> Result<Tall, ParseError> {
        let operator = |kind| match kind {
            TokenKind::Less => Some(BinaryOperator::Less),
            TokenKind::LessOrEqual => Some(BinaryOperator::LessOrEqual),
            TokenKind::Greater => Some(BinaryOperator::Greater),
            TokenKind::GreaterOrEqual => Some(BinaryOperator::GreaterOrEqual),
            _ => None,
        };
        self.chain(operator, Self::unary)
    }

    fn chain(
        &mut self,
        operator: impl Fn(TokenKind) -> Option<BinaryOperator>,
        operand: impl Fn(&mut Self) -> Result<Tall, ParseError>,
    ) -> Result<Tall, ParseError> {
        let mut left = operand(self)?;
        while let Some(operator) = self.peek().and_then(|token| operator(token.kind)) {
            self.at += 1;
            let right = operand(self)?;
            let height = left.height.max(right.height);
            let node = Node::Binary { operator, left: Box::new(left.node), right: Box::new(right.node) };
            left = self.over(node, height)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Tall, ParseError> {
        let mut nots = 0;
        while self.next_is(TokenKind::Not) {
            nots += 1;
        }
        let mut operand = self.postfix()?;
        for _ in 0..nots {
            let height = operand.height;
            operand = self.over(Node::Not { operand: Box::new(operand.node) }, height)?;
        }
        Ok(operand)
    }

    /// A name, a call or a group, and the members taken of it.
    fn postfix(&mut self) -> Result<Tall, ParseError> {
        let Some(token) = self.peek() else { return Err(self.unexpected()) };
        let mut of = match token.kind {
            TokenKind::Identifier => self.name(token)?,
            TokenKind::LeftParen => self.group()?,
            _ => return self.literal(token),
        };
        loop {
            if self.next_is(TokenKind::Dot) {
                of = self.member(of)?;
            } else if self.next_is(TokenKind::LeftBracket) {
                of = self.index(of)?;
            } else {
                return Ok(of);
            }
        }
    }

    fn member(&mut self, of: Tall) -> Result<Tall, ParseError> {
        if self.next_is(TokenKind::Star) {
            return self.over(Node::Star { of: Box::new(of.node) }, of.height);
        }
        let Some(token) = self.peek().filter(|token| token.kind == TokenKind::Identifier) else {
            return Err(self.unexpected());
        };
        self.at += 1;
        let key = Node::Literal { value: Value::from(token.lexeme(self.source)), span: token.span };
        self.over(Node::Index { of: Box::new(of.node), key: Box::new(key) }, of.height)
    }

    fn index(&mut self, of: Tall) -> Result<Tall, ParseError> {
        if self.next_is(TokenKind::Star) {
            self.expect(TokenKind::RightBracket)?;
            return self.over(Node::Star { of: Box::new(of.node) }, of.height);
        }
        let key = self.expression()?;
        self.expect(TokenKind::RightBracket)?;
        let height = of.height.max(key.height);
        self.over(Node::Index { of: Box::new(of.node), key: Box::new(key.node) }, height)
    }

    fn group(&mut self) -> Result<Tall, ParseError> {
        self.at += 1;
        let group = self.expression()?;
        self.expect(TokenKind::RightParen)?;
        Ok(group)
    }

    fn name(&mut self, token: &Token) -> Result<Tall, ParseError> {
        self.at += 1;
        if self.next_is(TokenKind::LeftParen) {
            return self.call(token);
        }
        let name = token.lexeme(self.source);
        if !self.vocabulary.knows_context(name) {
            return Err(token.error("Unrecognized named-value", self.source));
        }
        self.over(Node::Context { name: name.to_owned(), span: token.span }, 0)
    }

    fn call(&mut self, token: &Token) -> Result<Tall, ParseError> {
        let function = token.lexeme(self.source);
        let Some(arity) = self.vocabulary.arity(function) else {
            return Err(token.error("Unrecognized function", self.source));
        };
        let mut arguments = Vec::new();
        let mut height = 0;
        while !self.next_is(TokenKind::RightParen) {
            if !arguments.is_empty() {
                self.expect(TokenKind::Comma)?;
            }
            let argument = self.expression()?;
            height = height.max(argument.height);
            arguments.push(argument.node);
        }
        let count = arguments.len();
        if count < arity.min {
            return Err(token.error("Too few parameters supplied", self.source));
        }
        if count > arity.max {
            return Err(token.error("Too many parameters supplied", self.source));
        }
        if function.eq_ignore_ascii_case("case") && count.is_multiple_of(2) {
            let description = "Even number of parameters supplied, requires an odd number of parameters";
            return Err(token.error(description, self.source));
        }
        let span = Span { start: token.span.start, end: self.previous().map_or(0, |last| last.span.end) };
        self.over(Node::Call { function: function.to_owned(), arguments, span }, height)
    }

    fn literal(&mut self, token: &Token) -> Result<Tall, ParseError> {
        let value = match token.kind {
            TokenKind::True => Value::Bool(true),
            TokenKind::False => Value::Bool(false),
            TokenKind::Null => Value::Null,
            TokenKind::Number(number) => Value::Number(number),
            TokenKind::Text => Value::String(lexer::unquote(token.lexeme(self.source))),
            _ => return Err(self.unexpected()),
        };
        self.at += 1;
        self.over(Node::Literal { value, span: token.span }, 0)
    }
}
