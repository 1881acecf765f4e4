//! Objects in an expression: the language has no literals of them.

use sluice_expression::{Node, Span, Value};

use crate::inline::literal;

/// An expression for an object of these members: `fromJSON(format('{{"a":{0}}}', toJSON(…)))`.
pub(crate) fn object<'n>(members: impl IntoIterator<Item = (&'n str, Node)>) -> Node {
    let (mut names, mut arguments) = (Vec::new(), Vec::new());
    for (index, (name, node)) in members.into_iter().enumerate() {
        let name = serde_json::Value::from(name).to_string().replace('{', "{{").replace('}', "}}");
        names.push(format!("{name}:{{{index}}}"));
        arguments.push(call("toJSON", vec![node]));
    }
    if names.is_empty() {
        return call("fromJSON", vec![literal(Value::from("{}"))]);
    }
    arguments.insert(0, literal(Value::from(format!("{{{{{}}}}}", names.join(",")))));
    call("fromJSON", vec![call("format", arguments)])
}

fn call(function: &str, arguments: Vec<Node>) -> Node {
    Node::Call { function: function.to_owned(), arguments, span: Span::default() }
}

#[cfg(test)]
mod tests {
    use sluice_expression::{Expression, Scope, Value};

    use super::{literal, object};

    #[test]
    fn an_object_comes_back_as_it_was_put_in() {
        let members = [
            ("plain", Value::from(1.0)),
            ("it's {odd} \"here\"", Value::from("a'{0}'\n")),
            ("no", Value::Null),
        ];
        let node = object(members.iter().map(|(name, value)| (*name, literal(value.clone()))));
        let read = Expression::parse(&node.to_string()).unwrap().evaluate(&Scope::new([])).unwrap();
        assert_eq!(read, Value::object(members.map(|(name, value)| (name.to_owned(), value))));
        let none = Expression::parse(&object([]).to_string()).unwrap().evaluate(&Scope::new([])).unwrap();
        assert_eq!(none, Value::Object(Vec::new()));
    }
}
