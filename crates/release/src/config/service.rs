use sluice_model::ServiceName;
use sluice_source::{Entry, Node, did_you_mean_text, resolve};

use super::keys::{SERVICE, TYPES, VARIABLE_KEYS};
use super::reader::{Map, Reader};
use super::words::{is_image, is_name, is_variable};
use crate::rollout::start_order;
use crate::variables::{expected, takes};
use crate::{Service, Variable, VariableKind};

const MAX_SERVICES: usize = 100;
const MAX_VARIABLES: usize = 200;
const DEFAULT_PORT: i64 = 8080;

pub(crate) fn services(reader: &mut Reader<'_>, root: &Map<'_>) -> Vec<Service> {
    let Some(node) = root.get("services") else { return Vec::new() };
    let expected = "lower-case letters, digits and dashes, at most 63";
    let entries = reader.named(node, "services", MAX_SERVICES, is_name, expected);
    let services: Vec<Service> =
        entries.iter().filter_map(|(name, entry)| service(reader, name, entry)).collect();
    check_images(reader, &entries, &services);
    check_dependencies(reader, &entries, &services);
    services
}

fn service(reader: &mut Reader<'_>, name: &str, entry: &Entry) -> Option<Service> {
    let place = format!("services.{name}");
    let map = reader.map(&entry.value, &place, SERVICE)?;
    if map.get("image").is_none() {
        let help = Some("name what the pipeline pushes, without a tag: `image: storefront/api`".to_owned());
        reader.error_with_help(&entry.key, "missing-key", format!("`{place}` has no `image`"), help);
    }
    let image = reader
        .read(
            &map,
            "image",
            |text| is_image(text).then(|| text.to_owned()),
            "an image's name in lower case, without host, tag or digest (`storefront/api`)",
        )
        .unwrap_or_default();
    let path = |text: &str| text.starts_with('/').then(|| text.to_owned());
    Some(Service {
        name: ServiceName::new(name),
        image,
        port: reader.int(&map, "port", DEFAULT_PORT, 1, 65_535) as u16,
        health: reader.read(&map, "health", path, "a path that begins with `/`"),
        version: reader.read(&map, "version", path, "a path that begins with `/`"),
        env: variables(reader, &map),
        depends_on: reader
            .texts(&map, "depends_on")
            .unwrap_or_default()
            .into_iter()
            .map(ServiceName::new)
            .collect(),
    })
}

/// A pushed image belongs to one service.
fn check_images(reader: &mut Reader<'_>, entries: &[(&str, &Entry)], services: &[Service]) {
    for (position, service) in services.iter().enumerate() {
        let Some(first) = services[..position].iter().find(|first| first.image == service.image) else {
            continue;
        };
        if service.image.is_empty() {
            continue;
        }
        let message =
            format!("`{}` and `{}` have the same image `{}`", first.name, service.name, service.image);
        if let Some(node) = value_of(entries, &service.name, "image") {
            reader.error(node, "same-image", message);
        }
    }
}

fn check_dependencies(reader: &mut Reader<'_>, entries: &[(&str, &Entry)], services: &[Service]) {
    let names = || services.iter().map(|service| service.name.as_str());
    for service in services {
        for needed in &service.depends_on {
            if services.iter().any(|other| other.name == *needed) {
                continue;
            }
            if let Some(node) = value_of(entries, &service.name, "depends_on") {
                let message = format!("`{}` depends on `{needed}`, which is no service", service.name);
                let help = did_you_mean_text(needed.as_str(), names());
                reader.error_with_help(node, "unknown-service", message, help);
            }
        }
    }
    if let Err(circle) = start_order(services)
        && let Some(node) = circle.first().and_then(|name| value_of(entries, name, "depends_on"))
    {
        let names: Vec<String> = circle.iter().map(|name| format!("`{name}`")).collect();
        reader.error(
            node,
            "depends-circle",
            format!("these services wait for each other: {}", names.join(", ")),
        );
    }
}

fn value_of<'n>(entries: &[(&str, &'n Entry)], service: &ServiceName, key: &str) -> Option<&'n Node> {
    let (_, entry) = entries.iter().find(|(name, _)| *name == service.as_str())?;
    entry.value.get(key)
}

fn variables(reader: &mut Reader<'_>, service: &Map<'_>) -> Vec<Variable> {
    let Some(node) = service.get("env") else { return Vec::new() };
    let place = service.name_of("env");
    let expected = "letters, digits and `_`, not beginning with a digit";
    let entries = reader.named(node, &place, MAX_VARIABLES, is_variable, expected);
    entries.into_iter().filter_map(|(name, entry)| variable(reader, &place, name, entry)).collect()
}

fn variable(reader: &mut Reader<'_>, place: &str, name: &str, entry: &Entry) -> Option<Variable> {
    if name == "PORT" || name.starts_with("SLUICE_") {
        let message = format!("`{place}.{name}`: Sluice sets `PORT` and `SLUICE_…` itself");
        reader.error(&entry.key, "reserved-variable", message);
        return None;
    }
    let map = reader.map(&entry.value, &format!("{place}.{name}"), VARIABLE_KEYS)?;
    let kind = kind(reader, &map);
    let one_of = scalars(reader, &map, "one_of");
    let secret = reader.boolean(&map, "secret", false);
    let default = map.get("default").and_then(|node| scalar(reader, &map, "default", node));
    let required = reader.boolean(&map, "required", default.is_none());
    let variable = Variable { name: name.to_owned(), kind, default, one_of, secret, required };
    check_variable(reader, &map, &variable);
    Some(variable)
}

fn kind(reader: &mut Reader<'_>, map: &Map<'_>) -> VariableKind {
    let schemes = reader.texts(map, "schemes").unwrap_or_default();
    let expected = format!("one of {}", TYPES.join(", "));
    let known = |text: &str| TYPES.iter().find(|known| **known == text).copied();
    let kind = reader.read(map, "type", known, &expected).unwrap_or("string");
    if let Some(node) = map.get("schemes").filter(|_| kind != "url") {
        reader.error(node, "wrong-form", format!("`{}` is for `type: url` only", map.name_of("schemes")));
    }
    match kind {
        "int" => VariableKind::Int,
        "bool" => VariableKind::Bool,
        "url" => VariableKind::Url { schemes },
        _ => VariableKind::String,
    }
}

fn check_variable(reader: &mut Reader<'_>, map: &Map<'_>, variable: &Variable) {
    if let (Some(default), Some(node)) = (&variable.default, map.get("default")) {
        if variable.secret {
            let message = format!("`{}`: a secret has no default in a file", map.name_of("default"));
            reader.error(node, "secret-default", message);
        } else if !takes(variable, default) {
            let message =
                format!("`{}` is `{default}`; {} is expected", map.name_of("default"), expected(variable));
            reader.error(node, "wrong-form", message);
        }
    }
    let any = Variable { one_of: Vec::new(), ..variable.clone() };
    if let (Some(wrong), Some(node)) =
        (variable.one_of.iter().find(|value| !takes(&any, value)), map.get("one_of"))
    {
        let message = format!("`{}` has `{wrong}`; {} is expected", map.name_of("one_of"), expected(&any));
        reader.error(node, "wrong-form", message);
    }
}

/// A text, number or boolean, as it is written.
pub(crate) fn scalar(reader: &mut Reader<'_>, map: &Map<'_>, key: &str, node: &Node) -> Option<String> {
    use sluice_source::Resolved;
    match (resolve(node), node.text()) {
        (
            Some(Resolved::Bool(_) | Resolved::Int(_) | Resolved::Float(_) | Resolved::String(_)),
            Some(text),
        ) => Some(text.to_owned()),
        _ => {
            let message = format!(
                "`{}` is {}; a text, a number, true or false is expected",
                map.name_of(key),
                node.describe()
            );
            reader.error(node, "wrong-form", message);
            None
        }
    }
}

fn scalars(reader: &mut Reader<'_>, map: &Map<'_>, key: &str) -> Vec<String> {
    let Some(node) = map.get(key) else { return Vec::new() };
    let Some(items) = node.items() else {
        reader.error(
            node,
            "wrong-form",
            format!("`{}` is {}; a list is expected", map.name_of(key), node.describe()),
        );
        return Vec::new();
    };
    items.iter().filter_map(|item| scalar(reader, map, key, item)).collect()
}
