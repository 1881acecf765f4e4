use serde_json::{Map, Value, json};

use super::keys::{Form, Key, ROOT};

/// The JSON Schema (2020-12) of `sluice.yaml`, for editors.
pub fn schema() -> Value {
    let mut schema = object(ROOT);
    if let Value::Object(map) = &mut schema {
        map.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
        map.insert("title".into(), json!("sluice.yaml"));
    }
    schema
}

fn object(keys: &[Key]) -> Value {
    let properties: Map<String, Value> =
        keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    json!({ "type": ["object", "null"], "additionalProperties": false, "properties": properties })
}

fn property(key: &Key) -> Value {
    let mut schema = form(&key.form);
    if let Value::Object(map) = &mut schema {
        let about = match key.default {
            "" => key.about.to_owned(),
            default => format!("{} Default: `{default}`.", key.about),
        };
        map.insert("description".into(), json!(about));
    }
    schema
}

fn form(form: &Form) -> Value {
    let scalar = || json!({ "type": ["string", "number", "boolean"] });
    match form {
        Form::Text => json!({ "type": ["string", "number"] }),
        Form::Pattern(pattern) => json!({ "type": "string", "pattern": pattern }),
        Form::OneOf(words) => json!({ "enum": words }),
        Form::Texts => json!({ "type": "array", "items": { "type": ["string", "number"] } }),
        Form::Bool => json!({ "type": "boolean" }),
        Form::Int { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Form::Duration => json!({ "type": "string", "pattern": "^([0-9]+(ms|s|m|h|d) *)+$" }),
        Form::Map(keys) => object(keys),
        Form::MapOf(names, keys) => json!({
            "type": ["object", "null"],
            "propertyNames": { "pattern": names },
            "additionalProperties": object(keys),
        }),
        Form::ListOf(keys) => json!({ "type": "array", "items": object(keys) }),
        Form::Values(names) => json!({
            "type": ["object", "null"],
            "propertyNames": { "pattern": names },
            "additionalProperties": scalar(),
        }),
        Form::Scalar => scalar(),
        Form::Scalars => json!({ "type": "array", "items": scalar() }),
    }
}
