use std::borrow::Cow;

use sluice_expression::{Context, Expression, Scope, StatusFunction, Value, Vocabulary};

fn scope() -> Scope {
    let github =
        r#"{"ref": "refs/heads/main", "Event": {"commits": [{"message": "one"}, {"message": "two"}]}}"#;
    Scope::new([("github".to_owned(), Value::from_json(github).unwrap())])
}

/// Evaluates and writes the value as JSON, or the error as it is.
fn check(source: &str, expect: &str) {
    let got = match Expression::parse(source).map_err(|error| error.to_string()) {
        Ok(expression) => match expression.evaluate(&scope()) {
            Ok(value) => serde_json::to_string(&value).unwrap(),
            Err(error) => error.to_string(),
        },
        Err(error) => error,
    };
    assert_eq!(got, expect, "{source}");
}

#[test]
fn values() {
    check("GITHUB.REF", r#""refs/heads/main""#);
    check("github.event.commits.*.message", r#"["one","two"]"#);
    check("github.event.commits[1].message", r#""two""#);
    check("github.event.commits == github.event.commits", "true");
    check("fromJSON('[]') == fromJSON('[]')", "false");
    check("fromJSON('{\"a\": 1, \"a\": 2}').a", "2");
    check("toJSON(1e21)", r#""1E+21""#);
    check("'it''s' == 'it''s'", "true");
    check("format('{{{0}}} {1}', 1, 'b')", r#""{1} b""#);
    check("case(true, 'first', 1, 'not looked at', 'default')", r#""first""#);
}

#[test]
fn errors_are_githubs() {
    check("", "An expression was expected");
    check("github.", "Unexpected end of expression: '.'. Located at position 7 within expression: github.");
    check(
        "contains('a'",
        "Unexpected end of expression: ''a''. Located at position 10 within expression: contains('a'",
    );
    check("foo.bar", "Unrecognized named-value: 'foo'. Located at position 1 within expression: foo.bar");
    check(
        "success()",
        "Unrecognized function: 'success'. Located at position 1 within expression: success()",
    );
    check(
        "hashFiles('x')",
        "Unrecognized function: 'hashFiles'. Located at position 1 within expression: hashFiles('x')",
    );
    check(
        "contains('a')",
        "Too few parameters supplied: 'contains'. Located at position 1 within expression: contains('a')",
    );
    check(
        "'☃😀' && nope(",
        "Unrecognized function: 'nope'. Located at position 10 within expression: '☃😀' && nope(",
    );
    check(
        "case(true, 1)",
        "Too few parameters supplied: 'case'. Located at position 1 within expression: case(true, 1)",
    );
    check(
        "case(true, 1, 2, 3)",
        "Even number of parameters supplied, requires an odd number of parameters: 'case'. \
         Located at position 1 within expression: case(true, 1, 2, 3)",
    );
    check("'open", "Unexpected symbol: ''open'. Located at position 1 within expression: 'open");
    check("fromJSON('')", "Error reading JToken from JsonReader. Path '', line 0, position 0.");
    check("fromJSON('{')", "Error parsing fromJson: EOF while parsing an object at line 1 column 1");
    check("format('{0:x}', 1)", "The format specifiers 'x' are not valid for objects of type 'Number'");
    check("format('{0', 1)", "The following format string is invalid: {0");
    check("format('a',)", "Unexpected symbol: ')'. Located at position 12 within expression: format('a',)");
}

#[test]
fn a_place_decides_which_names_are_known() {
    let vocabulary = Vocabulary::of(&["github", "hashFiles(1,255)"]);
    assert!(Expression::parse_with("github.ref == hashFiles('**')", &vocabulary).is_ok());
    let error = Expression::parse_with("secrets.x", &vocabulary).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Unrecognized named-value: 'secrets'. Located at position 1 within expression: secrets.x"
    );
    let error = Expression::parse_with("success()", &vocabulary).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Unrecognized function: 'success'. Located at position 1 within expression: success()"
    );
}

#[test]
fn an_expression_tells_what_it_uses() {
    let uses = |source: &str| Expression::parse(source).unwrap();
    assert!(uses("!Always() && github.ref").uses_status_function());
    assert!(!uses("github.always == 'success()'").uses_status_function());
    assert_eq!(uses("needs.a && GitHub.x || github[env.y]").contexts(), ["needs", "github", "env"]);
}

struct Surroundings;

impl Context for Surroundings {
    fn lookup(&self, name: &str) -> Option<Cow<'_, Value>> {
        (name == "env").then(|| Cow::Owned(Value::object([("A", Value::from("b"))])))
    }
    fn status(&self, function: StatusFunction, jobs: &[String]) -> Option<bool> {
        Some(matches!(function, StatusFunction::Failure) && jobs == ["build"])
    }
    fn hash_files(&self, patterns: &[String]) -> Option<Result<String, String>> {
        Some(if patterns.is_empty() { Err("no pattern".to_owned()) } else { Ok(patterns.join("+")) })
    }
}

#[test]
fn the_caller_answers_for_its_surroundings() {
    let evaluate = |source: &str| Expression::parse(source).unwrap().evaluate(&Surroundings);
    assert_eq!(evaluate("failure('build')"), Ok(Value::Bool(true)));
    assert_eq!(evaluate("success() || cancelled()"), Ok(Value::Bool(false)));
    assert_eq!(evaluate("hashFiles('a', env.a)"), Ok(Value::from("a+b")));
    assert_eq!(evaluate("env == env"), Ok(Value::Bool(true)));
}
