use crate::EvaluationError;

/// As GitHub counts a text: a constant and two bytes a character.
pub(crate) fn size_of_text(text: &str) -> usize {
    26 + 2 * text.len()
}

/// How much an evaluation may hold at once, in bytes.
#[derive(Debug)]
pub(crate) struct Budget {
    used: usize,
    limit: usize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        Self { used: 0, limit }
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Sets what is held: what a node used for its parameters is free again once it has its result.
    pub(crate) fn set(&mut self, used: usize) -> Result<(), EvaluationError> {
        self.used = used;
        if used > self.limit { Err(EvaluationError::OutOfMemory) } else { Ok(()) }
    }

    pub(crate) fn has_room_for_text(&self, length: usize) -> bool {
        self.used.saturating_add(26).saturating_add(length.saturating_mul(2)) <= self.limit
    }

    /// A text that may grow up to what is left.
    pub(crate) fn text(&self) -> BoundedText {
        BoundedText { text: String::new(), limit: self.limit.saturating_sub(self.used + 26) / 2 }
    }
}

/// A text that refuses to outgrow the budget while it is made, not after.
#[derive(Debug)]
pub(crate) struct BoundedText {
    text: String,
    limit: usize,
}

impl BoundedText {
    pub(crate) fn push(&mut self, part: &str) -> Result<(), EvaluationError> {
        if self.text.len() + part.len() > self.limit {
            return Err(EvaluationError::OutOfMemory);
        }
        self.text.push_str(part);
        Ok(())
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }
}
