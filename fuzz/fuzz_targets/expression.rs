#![no_main]
//! No text makes the parser or the evaluator panic, and a formatted tree parses to itself.

use libfuzzer_sys::fuzz_target;
use sluice_expression::{Expression, Scope, Template, Value};

fuzz_target!(|text: &str| {
    let event = Value::from_json(r#"{"a": [1, {"b": "c"}], "d": null, "e": true}"#).unwrap_or_default();
    let scope = Scope::new([("github".to_owned(), event)]);
    if let Ok(expression) = Expression::parse(text) {
        let formatted = expression.to_string();
        // Spaces and parentheses of the plain spelling can make a text too long, and nothing else.
        if let Ok(again) = Expression::parse(&formatted) {
            assert_eq!(again.to_string(), formatted);
        } else {
            assert!(formatted.len() > sluice_expression::MAX_LENGTH / 2, "{formatted}");
        }
        let _ = expression.evaluate(&scope);
    }
    if let Ok(template) = Template::parse(text) {
        let _ = template.evaluate_text(&scope);
    }
    let literal = Template::literal(text);
    assert_eq!(Template::parse(literal.source()).unwrap().evaluate_text(&scope).as_deref(), Ok(text));
});
