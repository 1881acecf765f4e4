use hyper::Uri;
use serde_json::{Map, Value, json};

use crate::Labels;

/// The address of a call that prunes, so that it removes only what carries these labels.
///
/// What it filters by already holds as well. The filters are JSON in the query, a list or an object of flags for each name
/// ("Engine API", `ContainerPrune`).
///
/// # Errors
/// Filters that are not of that form: the engine might read them in its own way.
pub fn narrowed(uri: &Uri, labels: &Labels) -> Result<String, String> {
    let mut filters = Map::new();
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        if name == "filters" {
            let read: Result<Map<String, Value>, _> = serde_json::from_str(&value);
            filters
                .extend(read.map_err(|error| format!("the filters of a prune are no JSON object: {error}"))?);
        } else {
            query.append_pair(&name, &value);
        }
    }
    let mut wanted = match filters.remove("label") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list,
        Some(Value::Object(flags)) => flags
            .into_iter()
            .filter(|(_, is_on)| *is_on != Value::Bool(false))
            .map(|(label, _)| json!(label))
            .collect(),
        Some(_) => return Err("the filter `label` of a prune is a list".to_owned()),
    };
    wanted.extend(labels.iter().map(|(key, value)| json!(format!("{key}={value}"))));
    filters.insert("label".to_owned(), Value::Array(wanted));
    query.append_pair("filters", &Value::Object(filters).to_string());
    Ok(format!("{}?{}", uri.path(), query.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(query: &str) -> Result<(String, Value), String> {
        let uri: Uri = format!("/v1.41/containers/prune{query}").parse().unwrap();
        let labels = Labels::of_owner("me").with("sluice.job", "1/a/1");
        let address = narrowed(&uri, &labels)?;
        let (path, query) = address.split_once('?').unwrap();
        assert_eq!(path, "/v1.41/containers/prune");
        let mut rest = String::new();
        let mut filters = Value::Null;
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "filters" => filters = serde_json::from_str(&value).unwrap(),
                _ => rest.push_str(&format!("{name}={value};")),
            }
        }
        Ok((rest, filters))
    }

    #[test]
    fn a_prune_is_narrowed_to_the_jobs_own() {
        let own = json!(["sluice.job=1/a/1", "sluice.owner=me"]);
        assert_eq!(filters("").unwrap(), (String::new(), json!({ "label": own })));
        let (rest, found) = filters("?x=y&filters=%7B%22until%22%3A%7B%2224h%22%3Atrue%7D%7D").unwrap();
        assert_eq!((rest.as_str(), found), ("x=y;", json!({ "label": own, "until": { "24h": true } })));
        let with_theirs = json!({ "label": ["a=b", "sluice.job=1/a/1", "sluice.owner=me"] });
        assert_eq!(filters("?filters=%7B%22label%22%3A%5B%22a%3Db%22%5D%7D").unwrap().1, with_theirs);
        assert_eq!(
            filters("?filters=%7B%22label%22%3A%7B%22a%3Db%22%3Atrue%2C%22c%22%3Afalse%7D%7D").unwrap().1,
            with_theirs
        );
        assert!(filters("?filters=x").is_err());
        assert!(filters("?filters=%7B%22label%22%3A1%7D").is_err());
    }
}
