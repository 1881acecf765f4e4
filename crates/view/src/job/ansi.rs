use vte::{Params, Parser, Perform};

/// Longer lines are cut on the page; the raw log has them whole.
pub(super) const LINE_CHARACTERS: usize = 8_192;

/// What SGR (ECMA-48, 8.3.117) sets, as far as the stylesheet has classes for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Look {
    foreground: Option<u8>,
    background: Option<u8>,
    is_bold: bool,
    is_dim: bool,
    is_italic: bool,
    is_underlined: bool,
    is_struck: bool,
    is_inverse: bool,
}

/// Terminal output to HTML, line by line. Text is escaped, colours are classes (`f0`–`f15`, `k0`–`k15`, `b`, …), and every
/// other sequence (cursor, title, links, device control) is swallowed. Colours go on into the next line, as in a terminal.
#[derive(Default)]
pub(crate) struct Ansi {
    look: Look,
}

impl Ansi {
    /// One line's HTML, every span closed. Of a line that was overwritten by carriage returns, what was last to be seen.
    pub(crate) fn line(&mut self, text: &str) -> String {
        let text = text.trim_end_matches(['\n', '\r']);
        let text = text.rsplit('\r').next().unwrap_or(text);
        let mut page = Page {
            html: String::with_capacity(text.len() + 16),
            look: self.look,
            drawn: None,
            left: LINE_CHARACTERS,
        };
        // The common line has no sequence: then there is nothing to parse.
        if text.bytes().any(|byte| byte == 0x1b || (byte < 0x20 && byte != b'\t')) {
            Parser::new().advance(&mut page, text.as_bytes());
        } else {
            text.chars().for_each(|character| page.print(character));
        }
        page.close();
        if page.left == 0 && text.chars().nth(LINE_CHARACTERS).is_some() {
            page.html.push_str("<span class=\"cut\"> … the line goes on in the raw log</span>");
        }
        self.look = page.look;
        page.html
    }
}

/// What the parser writes to.
struct Page {
    html: String,
    look: Look,
    /// The look of the span that is open.
    drawn: Option<Look>,
    /// How many characters fit yet.
    left: usize,
}

impl Page {
    fn close(&mut self) {
        if self.drawn.take().is_some() {
            self.html.push_str("</span>");
        }
    }

    fn open(&mut self) {
        let look = self.look;
        self.html.push_str("<span class=\"");
        let (foreground, background) = if look.is_inverse {
            (look.background.or(Some(16)), look.foreground.or(Some(16)))
        } else {
            (look.foreground, look.background)
        };
        let mut class = |name: &str| {
            if !self.html.ends_with('"') {
                self.html.push(' ');
            }
            self.html.push_str(name);
        };
        if let Some(colour) = foreground {
            class(FOREGROUNDS[usize::from(colour.min(16))]);
        }
        if let Some(colour) = background {
            class(BACKGROUNDS[usize::from(colour.min(16))]);
        }
        for (is_set, name) in [
            (look.is_bold, "b"),
            (look.is_dim, "d"),
            (look.is_italic, "i"),
            (look.is_underlined, "u"),
            (look.is_struck, "s"),
        ] {
            if is_set {
                class(name);
            }
        }
        self.html.push_str("\">");
        self.drawn = Some(look);
    }
}

/// 16 is the other one's default, for inverse text.
const FOREGROUNDS: [&str; 17] = [
    "f0", "f1", "f2", "f3", "f4", "f5", "f6", "f7", "f8", "f9", "f10", "f11", "f12", "f13", "f14", "f15",
    "f16",
];
const BACKGROUNDS: [&str; 17] = [
    "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9", "k10", "k11", "k12", "k13", "k14", "k15",
    "k16",
];

impl Perform for Page {
    fn print(&mut self, character: char) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        if self.drawn != Some(self.look) && !(self.drawn.is_none() && self.look == Look::default()) {
            self.close();
            if self.look != Look::default() {
                self.open();
            }
        }
        match character {
            '<' => self.html.push_str("&lt;"),
            '>' => self.html.push_str("&gt;"),
            '&' => self.html.push_str("&amp;"),
            '"' => self.html.push_str("&quot;"),
            // They would let a log turn its own letters around: shown by name instead.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                self.html.push_str(&format!("&lt;U+{:04X}&gt;", character as u32));
            }
            '\t' => self.html.push('\t'),
            _ if character.is_control() => {}
            _ => self.html.push(character),
        }
    }

    fn execute(&mut self, byte: u8) {
        if byte == b'\t' {
            self.print('\t');
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], _ignore: bool, action: char) {
        if action == 'm' && intermediates.is_empty() {
            self.look.apply(params);
        }
    }
}

impl Look {
    fn apply(&mut self, params: &Params) {
        let mut codes = params.iter();
        if params.is_empty() {
            *self = Self::default();
        }
        while let Some(code) = codes.next() {
            match code[0] {
                0 => *self = Self::default(),
                1 => self.is_bold = true,
                2 => self.is_dim = true,
                3 => self.is_italic = true,
                4 => self.is_underlined = code.get(1) != Some(&0),
                7 => self.is_inverse = true,
                9 => self.is_struck = true,
                22 => (self.is_bold, self.is_dim) = (false, false),
                23 => self.is_italic = false,
                24 => self.is_underlined = false,
                27 => self.is_inverse = false,
                29 => self.is_struck = false,
                number @ 30..=37 => self.foreground = Some((number - 30) as u8),
                38 => self.foreground = extended(code, &mut codes).or(self.foreground),
                39 => self.foreground = None,
                number @ 40..=47 => self.background = Some((number - 40) as u8),
                48 => self.background = extended(code, &mut codes).or(self.background),
                49 => self.background = None,
                number @ 90..=97 => self.foreground = Some((number - 90) as u8 + 8),
                number @ 100..=107 => self.background = Some((number - 100) as u8 + 8),
                _ => {}
            }
        }
    }
}

/// `38;5;N` and `38;2;R;G;B`, with semicolons or colons, as the nearest of the sixteen.
fn extended<'a>(code: &[u16], codes: &mut impl Iterator<Item = &'a [u16]>) -> Option<u8> {
    let inner: Vec<u16>;
    let values: &[u16] = if code.len() > 1 {
        &code[1..]
    } else {
        let kind = codes.next()?[0];
        let count = match kind {
            5 => 1,
            2 => 3,
            _ => return None,
        };
        inner = std::iter::once(kind).chain(codes.take(count).map(|code| code[0])).collect();
        &inner
    };
    match *values {
        [5, number] => Some(nearest_of_256(number.min(255) as u8)),
        // The colon form may name a colour space between.
        [2, red, green, blue] | [2, _, red, green, blue, ..] => Some(nearest(red, green, blue)),
        _ => None,
    }
}

fn nearest_of_256(number: u8) -> u8 {
    match number {
        0..16 => number,
        16..232 => {
            let level = |part: u8| if part == 0 { 0 } else { u16::from(part) * 40 + 55 };
            let cube = number - 16;
            nearest(level(cube / 36), level(cube / 6 % 6), level(cube % 6))
        }
        232.. => {
            let grey = u16::from(number - 232) * 10 + 8;
            nearest(grey, grey, grey)
        }
    }
}

/// xterm's sixteen.
const SIXTEEN: [[i32; 3]; 16] = [
    [0, 0, 0],
    [205, 0, 0],
    [0, 205, 0],
    [205, 205, 0],
    [0, 0, 238],
    [205, 0, 205],
    [0, 205, 205],
    [229, 229, 229],
    [127, 127, 127],
    [255, 0, 0],
    [0, 255, 0],
    [255, 255, 0],
    [92, 92, 255],
    [255, 0, 255],
    [0, 255, 255],
    [255, 255, 255],
];

fn nearest(red: u16, green: u16, blue: u16) -> u8 {
    let wanted = [red, green, blue].map(|part| i32::from(part.min(255)));
    let distance =
        |colour: &[i32; 3]| -> i32 { (0..3).map(|part| (colour[part] - wanted[part]).pow(2)).sum() };
    (0..16_u8).min_by_key(|&index| distance(&SIXTEEN[usize::from(index)])).unwrap_or(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        Ansi::default().line(text)
    }

    #[test]
    fn colours_become_classes_and_text_is_escaped() {
        for (text, expect) in [
            ("plain", "plain"),
            ("a\tb", "a\tb"),
            ("<b>&\"", "&lt;b&gt;&amp;&quot;"),
            ("\x1b[31mred\x1b[0m.", "<span class=\"f1\">red</span>."),
            ("\x1b[1;92mok\x1b[22m!\x1b[m", "<span class=\"f10 b\">ok</span><span class=\"f10\">!</span>"),
            ("\x1b[38;5;196mx", "<span class=\"f9\">x</span>"),
            ("\x1b[38;2;0;0;230mx", "<span class=\"f4\">x</span>"),
            ("\x1b[48:2::255:255:255mx", "<span class=\"k15\">x</span>"),
            ("\x1b[7mx", "<span class=\"f16 k16\">x</span>"),
            ("\x1b[31m\x1b[32m\x1b[0mnothing left", "nothing left"),
            ("10%\r50%\r100%", "100%"),
            ("done\r\n", "done"),
            ("\x1b]0;title\x07\x1b]8;;javascript:alert(1)\x07link\x1b]8;;\x07", "link"),
            ("\x1b[2J\x1b[H\x1b(Bx\x08\x00", "x"),
            ("a\u{202e}b", "a&lt;U+202E&gt;b"),
            ("\x1b[38mx\x1b[38;9;1my", "x<span class=\"b\">y</span>"),
        ] {
            assert_eq!(line(text), expect, "{text:?}");
        }
    }

    #[test]
    fn a_colour_goes_on_in_the_next_line() {
        let mut ansi = Ansi::default();
        assert_eq!(ansi.line("\x1b[31mone"), "<span class=\"f1\">one</span>");
        assert_eq!(ansi.line("two\x1b[0m"), "<span class=\"f1\">two</span>");
        assert_eq!(ansi.line("three"), "three");
    }

    #[test]
    fn a_bomb_stays_small() {
        let flicker = "\x1b[31mx\x1b[32mx".repeat(1_000_000);
        assert!(line(&flicker).len() < LINE_CHARACTERS * 40);
        let parameters = format!("\x1b[{}mx", "1;".repeat(1_000_000));
        assert!(line(&parameters).len() < 100);
        let title = format!("\x1b]0;{}", "x".repeat(1_000_000));
        assert!(line(&title).len() < 100);
        let long = "é".repeat(LINE_CHARACTERS + 1);
        assert!(line(&long).ends_with("the line goes on in the raw log</span>"));
        assert!(!line(&long[2..]).contains("raw log"));
    }
}
