//! Limits, and that no text makes the parser or the evaluator panic.

use sluice_expression::{Expression, MAX_DEPTH, MAX_LENGTH, Scope, Template, Value};

fn error(source: &str) -> String {
    match Expression::parse(source) {
        Err(error) => error.to_string(),
        Ok(expression) => expression.evaluate(&Scope::default()).expect_err(source).to_string(),
    }
}

#[test]
fn length_is_limited() {
    let longest = format!("'{}'", "x".repeat(MAX_LENGTH - 2));
    assert!(Expression::parse(&longest).is_ok());
    assert_eq!(error(&format!("{longest} ")), "Exceeded max expression length 21000");
}

#[test]
fn depth_is_limited() {
    let too_deep = "Exceeded max expression depth 50";
    assert!(Expression::parse(&format!("{}1", "!".repeat(MAX_DEPTH - 1))).is_ok());
    for hostile in [
        "!".repeat(20_000) + "1",
        "(".repeat(20_000),
        "x[".repeat(10_000),
        "x".to_owned() + &".y".repeat(10_000),
        "x".to_owned() + &".*".repeat(10_000),
        "1".to_owned() + &"==1".repeat(6_000),
        "1".to_owned() + &"<1".repeat(6_000),
        "format(".repeat(3_000),
    ] {
        assert_eq!(error(&hostile), too_deep, "{}", &hostile[..20]);
    }
}

#[test]
fn memory_is_limited_while_a_value_is_made() {
    let exceeded = "The maximum allowed memory size was exceeded";
    // Each level repeats the one below a hundred times.
    let mut bomb = "'0123456789'".to_owned();
    for _ in 0..12 {
        bomb = format!("format('{}', {bomb})", "{0}".repeat(100));
    }
    assert_eq!(error(&bomb), exceeded);
    let items = Value::Array(vec![Value::from("x".repeat(1000)); 600]);
    let scope = Scope::new([("a".to_owned(), items)]);
    for source in ["join(a, '')", "toJSON(a)"] {
        assert_eq!(Expression::parse(source).unwrap().evaluate(&scope).unwrap_err().to_string(), exceeded);
    }
    // What the first part took is free again for the second.
    let half = Value::Array(vec![Value::from("x".repeat(1000)); 400]);
    let scope = Scope::new([("a".to_owned(), half)]);
    let expression = Expression::parse("toJSON(a) == '' || toJSON(a) == '' || toJSON(a) != ''").unwrap();
    assert_eq!(expression.evaluate(&scope), Ok(Value::Bool(true)));
}

/// A generator that is the same everywhere (xorshift64).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

#[test]
fn no_text_panics() {
    const PIECES: [&str; 40] = [
        "'",
        "''",
        "(",
        ")",
        "[",
        "]",
        "[*]",
        ".",
        ".*",
        ",",
        "!",
        "!=",
        "==",
        "=",
        "<",
        "<=",
        ">",
        ">=",
        "&&",
        "&",
        "||",
        "|",
        "-",
        "+1",
        "0x",
        "0xff",
        "1e400",
        "-.5",
        "NaN",
        "Infinity",
        "null",
        "true",
        "a",
        "é",
        "😀",
        "\u{0}",
        "format('{0}{1}",
        "fromJSON('[1,{\"a\":2}]')",
        "case(",
        "${{ 'x' }}",
    ];
    let mut random = Seeded(0x5eed);
    let scope = Scope::new([("a".to_owned(), Value::from_json(r#"[{"a": [1, "x"]}]"#).unwrap())]);
    for _ in 0..20_000 {
        let count = random.below(12);
        let text: String = (0..count).map(|_| PIECES[random.below(PIECES.len())]).collect();
        if let Ok(expression) = Expression::parse(&text) {
            let _ = expression.evaluate(&scope);
            assert!(Expression::parse(&expression.to_string()).is_ok(), "{text} became {expression}");
        }
        if let Ok(template) = Template::parse(&format!("${{{{ {text} }}}} {text}")) {
            let _ = template.evaluate_text(&scope);
        }
    }
}
