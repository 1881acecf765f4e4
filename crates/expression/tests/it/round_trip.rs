//! Formatting a parsed expression and parsing that gives the same tree.

use proptest::prelude::*;
use sluice_expression::{BinaryOperator, Expression, LogicalOperator, Node, Span, Value};

const ANYWHERE: Span = Span { start: 0, end: 0 };

/// The tree without its places.
fn bare(node: &Node) -> Node {
    let boxed = |node: &Node| Box::new(bare(node));
    match node {
        Node::Literal { value, .. } => Node::Literal { value: value.clone(), span: ANYWHERE },
        Node::Context { name, .. } => Node::Context { name: name.clone(), span: ANYWHERE },
        Node::Index { of, key } => Node::Index { of: boxed(of), key: boxed(key) },
        Node::Star { of } => Node::Star { of: boxed(of) },
        Node::Call { function, arguments, .. } => Node::Call {
            function: function.clone(),
            arguments: arguments.iter().map(bare).collect(),
            span: ANYWHERE,
        },
        Node::Not { operand } => Node::Not { operand: boxed(operand) },
        Node::Binary { operator, left, right } => {
            Node::Binary { operator: *operator, left: boxed(left), right: boxed(right) }
        }
        Node::Logical { operator, operands } => {
            Node::Logical { operator: *operator, operands: operands.iter().map(bare).collect() }
        }
    }
}

fn literal() -> impl Strategy<Value = Node> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        prop_oneof![
            any::<f64>().prop_filter("NaN equals nothing", |n| !n.is_nan()),
            (-9i32..9).prop_map(f64::from)
        ]
        .prop_map(Value::Number),
        "[a-zA-Z'{}$ é☃0-9.*-]{0,12}".prop_map(Value::String),
    ]
    .prop_map(|value| Node::Literal { value, span: ANYWHERE })
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z_][a-zA-Z0-9_-]{0,6}".prop_filter("a keyword is a literal", |name| {
        !["true", "false", "null", "NaN", "Infinity"].contains(&name.as_str())
    })
}

fn tree() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![literal(), name().prop_map(|name| Node::Context { name, span: ANYWHERE })];
    leaf.prop_recursive(6, 40, 4, |inner| {
        let binary = prop_oneof![
            Just(BinaryOperator::Equal),
            Just(BinaryOperator::NotEqual),
            Just(BinaryOperator::Less),
            Just(BinaryOperator::LessOrEqual),
            Just(BinaryOperator::Greater),
            Just(BinaryOperator::GreaterOrEqual),
        ];
        let logical = prop_oneof![Just(LogicalOperator::And), Just(LogicalOperator::Or)];
        let boxed = || inner.clone().prop_map(Box::new);
        prop_oneof![
            (boxed(), boxed()).prop_map(|(of, key)| Node::Index { of, key }),
            boxed().prop_map(|of| Node::Star { of }),
            boxed().prop_map(|operand| Node::Not { operand }),
            (binary, boxed(), boxed()).prop_map(|(operator, left, right)| Node::Binary {
                operator,
                left,
                right
            }),
            (logical, prop::collection::vec(inner.clone(), 2..4))
                .prop_map(|(operator, operands)| Node::Logical { operator, operands }),
            prop::collection::vec(inner, 1..4).prop_map(|arguments| Node::Call {
                function: "format".to_owned(),
                arguments,
                span: ANYWHERE
            }),
        ]
    })
}

proptest! {
    #[test]
    fn a_formatted_tree_parses_to_itself(tree in tree()) {
        let text = tree.to_string();
        let parsed = Expression::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
        prop_assert_eq!(bare(parsed.tree()), tree, "{}", text);
        prop_assert_eq!(parsed.to_string(), text);
    }
}

#[test]
fn parentheses_stand_only_where_they_are_needed() {
    for (source, formatted) in [
        ("((a)) && ((b||c))", "a && (b || c)"),
        ("(a && b) || c", "a && b || c"),
        ("a['b-c']['d e'].*[0]", "a.b-c['d e'].*[0]"),
        ("!(a == b)", "!(a == b)"),
        ("(1<2)==true", "1 < 2 == true"),
        ("a == (b == c)", "a == (b == c)"),
        ("(a || b).c", "(a || b).c"),
        ("format( '{0}' ,x)", "format('{0}', x)"),
        ("'it''s'", "'it''s'"),
    ] {
        assert_eq!(Expression::parse(source).unwrap().to_string(), formatted);
    }
}
