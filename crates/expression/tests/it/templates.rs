use sluice_expression::{Expression, Scope, Template, Value};

fn scope() -> Scope {
    Scope::new([("env".to_owned(), Value::from_json(r#"{"A": "x", "N": 3}"#).unwrap())])
}

#[test]
fn a_template_is_text_and_expressions() {
    for (source, value) in [
        ("", Value::from("")),
        ("plain", Value::from("plain")),
        ("${{ env.N }}", Value::Number(3.0)),
        ("${{env.A}}${{env.N}}", Value::from("x3")),
        ("a ${{ env.A }}b${{ '}}' }} ${{ 'it''s }}' }}", Value::from("a xb}} it's }}")),
        ("$ {{ no }}", Value::from("$ {{ no }}")),
        ("é${{ env.A\n }}☃", Value::from("éx☃")),
    ] {
        let template = Template::parse(source).unwrap();
        assert_eq!(template.evaluate(&scope()), Ok(value.clone()), "{source}");
        assert_eq!(template.evaluate_text(&scope()), Ok(value.to_text()), "{source}");
    }
}

#[test]
fn an_error_has_its_place_in_the_template() {
    for (source, offset, message) in [
        ("é ${{ env.A", 2, "The expression is not closed"),
        ("é ${{ }}", 6, "An expression was expected"),
        ("${{ env.A }} ${{  1 == }}", 20, "Unexpected end of expression: '=='"),
        ("${{ env.'x }}", 0, "The expression is not closed"),
    ] {
        let error = Template::parse(source).unwrap_err();
        assert!(error.message.starts_with(message), "{source}: {error}");
        assert_eq!(error.offset, offset, "{source}");
    }
}

#[test]
fn a_literal_survives_storage() {
    for text in ["", "plain", "echo ${{ not.an.expression", "${{ env.A }}", "'${{'"] {
        let stored = serde_json::to_string(&Template::literal(text)).unwrap();
        let template: Template = serde_json::from_str(&stored).unwrap();
        assert_eq!(template.evaluate_text(&scope()).as_deref(), Ok(text));
    }
    assert_eq!(Template::literal("${{ x }}").as_literal(), Some("${{ x }}"));
}

#[test]
fn both_are_stored_as_their_source() {
    let expression: Expression = serde_json::from_str(r#""env.A   == 'x'""#).unwrap();
    assert_eq!(serde_json::to_string(&expression).unwrap(), r#""env.A   == 'x'""#);
    assert!(serde_json::from_str::<Template>(r#""${{ ( }}""#).is_err());
}
