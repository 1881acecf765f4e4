use super::junit::JUnitError;

/// A piece of XML (W3C, "Extensible Markup Language 1.0"), as far as test reports use it: no document type with
/// declarations of its own, so that no entity can grow.
pub enum Token<'a> {
    Start { name: &'a str, attributes: Vec<(&'a str, &'a str)>, is_empty: bool },
    End { name: &'a str },
    Text(std::borrow::Cow<'a, str>),
}

/// Cuts a text into pieces.
pub struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> From<&'a str> for Tokens<'a> {
    fn from(text: &'a str) -> Self {
        Self { text, at: 0 }
    }
}

impl<'a> Tokens<'a> {
    pub fn line(&self) -> usize {
        self.text[..self.at].matches('\n').count() + 1
    }

    pub fn wrong(&self, what: &'static str) -> JUnitError {
        JUnitError::Syntax { line: self.line(), what }
    }

    pub fn next(&mut self) -> Result<Option<Token<'a>>, JUnitError> {
        loop {
            let rest = &self.text[self.at..];
            if rest.is_empty() {
                return Ok(None);
            }
            if let Some(after) = rest.strip_prefix("<!--") {
                self.skip(after, "-->", "a comment does not end")?;
            } else if let Some(after) = rest.strip_prefix("<![CDATA[") {
                let text = self.skip(after, "]]>", "a CDATA section does not end")?;
                // Kept from being unescaped: an ampersand in it is one.
                return Ok(Some(Token::Text(text.replace('&', "&amp;").into())));
            } else if let Some(after) = rest.strip_prefix("<?") {
                self.skip(after, "?>", "an instruction does not end")?;
            } else if let Some(after) = rest.strip_prefix("<!") {
                let declaration = self.skip(after, ">", "a declaration does not end")?;
                if declaration.contains('[') {
                    return Err(self.wrong("a document type with declarations of its own is not read"));
                }
            } else if let Some(after) = rest.strip_prefix("</") {
                let name = self.skip(after, ">", "a tag does not end")?;
                return Ok(Some(Token::End { name: name.trim() }));
            } else if let Some(after) = rest.strip_prefix('<') {
                return self.start(after).map(Some);
            } else {
                let length = rest.find('<').unwrap_or(rest.len());
                self.at += length;
                return Ok(Some(Token::Text(rest[..length].into())));
            }
        }
    }

    /// What stands before `end`; goes on behind it. `after` is the rest of the text from a little further on.
    fn skip(&mut self, after: &'a str, end: &str, problem: &'static str) -> Result<&'a str, JUnitError> {
        let length = after.find(end).ok_or_else(|| self.wrong(problem))?;
        self.at = self.text.len() - after.len() + length + end.len();
        Ok(&after[..length])
    }

    fn start(&mut self, after: &'a str) -> Result<Token<'a>, JUnitError> {
        let length = after.find(|c: char| c.is_whitespace() || c == '>' || c == '/').unwrap_or(after.len());
        let name = &after[..length];
        let mut rest = &after[length..];
        let mut attributes = Vec::new();
        loop {
            rest = rest.trim_start();
            if let Some(after) = rest.strip_prefix("/>") {
                self.at = self.text.len() - after.len();
                return Ok(Token::Start { name, attributes, is_empty: true });
            }
            if let Some(after) = rest.strip_prefix('>') {
                self.at = self.text.len() - after.len();
                return Ok(Token::Start { name, attributes, is_empty: false });
            }
            let wrong = "a tag is not written as XML asks for";
            let (key, after) = rest.split_once('=').ok_or_else(|| self.wrong(wrong))?;
            let after = after.trim_start();
            let quote =
                after.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or_else(|| self.wrong(wrong))?;
            let (value, after) = after[1..].split_once(quote).ok_or_else(|| self.wrong(wrong))?;
            attributes.push((key.trim(), value));
            rest = after;
        }
    }
}

/// With XML's own five entities, and characters by number. Others stay as they are written.
pub fn unescape(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let Some((entity, behind)) = after.split_once(';').filter(|(entity, _)| entity.len() <= 10) else {
            plain.push('&');
            rest = after;
            continue;
        };
        let number = entity.strip_prefix('#').and_then(|digits| match digits.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => digits.parse().ok(),
        });
        match (entity, number.and_then(char::from_u32)) {
            ("lt", _) => plain.push('<'),
            ("gt", _) => plain.push('>'),
            ("amp", _) => plain.push('&'),
            ("quot", _) => plain.push('"'),
            ("apos", _) => plain.push('\''),
            (_, Some(character)) => plain.push(character),
            (other, None) => plain.push_str(&format!("&{other};")),
        }
        rest = behind;
    }
    plain.push_str(rest);
    plain
}
