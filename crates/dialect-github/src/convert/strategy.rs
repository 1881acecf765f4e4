use sluice_plan::{Axis, Late, Matrix, Named, Strategy};

use super::Converter;
use super::value::{expression_of, late_bool, late_number};
use crate::token::{Content, Token};

impl Converter<'_> {
    pub(super) fn strategy(&mut self, token: &Token) -> Option<Strategy> {
        if token.is_expression() {
            self.not_supported(token.span, "one expression for the whole of `strategy`");
            return None;
        }
        Some(Strategy {
            matrix: token.get("matrix").and_then(|matrix| self.matrix(matrix)),
            fail_fast: token.get("fail-fast").and_then(late_bool).unwrap_or(Late::Known(true)),
            max_parallel: token.get("max-parallel").and_then(late_number).map(|number| match number {
                Late::Known(number) => Late::Known(number as u32),
                Late::Expression(expression) => Late::Expression(expression),
            }),
        })
    }

    fn matrix(&mut self, token: &Token) -> Option<Matrix> {
        if let Content::Expression(template) = &token.content {
            return Some(Matrix::Whole(expression_of(template)));
        }
        let mut axes = Vec::new();
        let mut include = Axis::none();
        let mut exclude = Axis::none();
        let mut has_vector = false;
        for (key, value) in token.entries()? {
            match (key.as_text(), axis(value)) {
                (Some("include"), Some(axis)) => {
                    has_vector |= axis != Axis::none();
                    include = axis;
                }
                (Some("exclude"), Some(axis)) => exclude = axis,
                (Some(name), Some(axis)) => {
                    has_vector = true;
                    if axis == Axis::none() {
                        let message = format!("Matrix vector '{name}' does not contain any values");
                        self.error("github/matrix", value.span, message);
                    }
                    axes.push(Named::new(name, axis));
                }
                _ => {
                    has_vector = true;
                    self.not_supported(key.span, "an expression as a key of `matrix`");
                }
            }
        }
        if !has_vector {
            self.error("github/matrix", token.span, "Matrix must define at least one vector");
        }
        Some(Matrix::Axes { axes, include, exclude })
    }
}

fn axis(token: &Token) -> Option<Axis> {
    match &token.content {
        Content::Sequence(items) => Some(Axis::Values(items.iter().map(Token::to_value).collect())),
        Content::Expression(template) => Some(Axis::Expression(expression_of(template))),
        _ => None,
    }
}
