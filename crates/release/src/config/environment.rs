use std::collections::BTreeMap;

use sluice_model::EnvironmentName;
use sluice_source::{Entry, Node, did_you_mean_text};

use super::keys::{APPROVE, ENVIRONMENT, FREEZE};
use super::reader::{Map, Reader};
use super::service::scalar;
use super::words::{duration_ms, is_name, is_variable, week_time};
use crate::freeze::zone;
use crate::variables::{expected, known_problems, takes};
use crate::{ApprovalRule, Environment, Freeze, Service, Target};

const MAX_ENVIRONMENTS: usize = 50;
const MAX_VALUES: usize = 1_000;
const MAX_FREEZES: usize = 20;
const DEFAULT_VERIFY_MS: i64 = 10_000;

pub(crate) fn environments(
    reader: &mut Reader<'_>,
    root: &Map<'_>,
    services: &[Service],
    targets: &BTreeMap<String, Target>,
) -> Vec<Environment> {
    let Some(node) = root.get("environments") else { return Vec::new() };
    let expected = "lower-case letters, digits and dashes, at most 63";
    let entries = reader.named(node, "environments", MAX_ENVIRONMENTS, is_name, expected);
    let mut environments: Vec<Environment> = Vec::new();
    for (name, entry) in entries {
        let place = format!("environments.{name}");
        let Some(map) = reader.map(&entry.value, &place, ENVIRONMENT) else { continue };
        let environment = environment(reader, name, &map, services, targets);
        if let Some(same) = environments.iter().find(|earlier| earlier.gate == environment.gate) {
            let message = format!("`{}` and `{name}` have the same gate `{}`", same.name, environment.gate);
            reader.error(map.get("gate").unwrap_or(&entry.key), "same-gate", message);
        }
        warn_of_missing_values(reader, entry, &environment, services);
        environments.push(environment);
    }
    environments
}

fn environment(
    reader: &mut Reader<'_>,
    name: &str,
    map: &Map<'_>,
    services: &[Service],
    targets: &BTreeMap<String, Target>,
) -> Environment {
    let length = "a length of time like `30m`, `10s` or `1h30m`";
    Environment {
        name: EnvironmentName::new(name),
        approve: map.get("approve").and_then(|node| approval_rule(reader, map, node)),
        soak_ms: reader.read(map, "soak", duration_ms, length).unwrap_or(0),
        freeze: freezes(reader, map),
        target: target(reader, map, targets),
        replicas: reader.int(map, "replicas", 1, 1, 100) as u32,
        env: values(reader, map, services),
        gate: reader.text(map, "gate").unwrap_or_else(|| format!("approve-{name}")),
        verify_for_ms: reader.read(map, "verify_for", duration_ms, length).unwrap_or(DEFAULT_VERIFY_MS),
        keep: reader.int(map, "keep", 1, 0, 20) as u32,
    }
}

fn approval_rule(reader: &mut Reader<'_>, environment: &Map<'_>, node: &Node) -> Option<ApprovalRule> {
    let map = reader.map(node, &environment.name_of("approve"), APPROVE)?;
    let by = reader.texts(&map, "by").unwrap_or_default();
    Some(ApprovalRule {
        by,
        count: reader.int(&map, "count", 1, 1, 20) as u32,
        not_author: reader.boolean(&map, "not_author", false),
    })
}

fn target(reader: &mut Reader<'_>, map: &Map<'_>, targets: &BTreeMap<String, Target>) -> String {
    let Some(name) = reader.text(map, "target") else { return "local".to_owned() };
    if let (false, Some(node)) = (targets.contains_key(&name), map.get("target")) {
        let help = did_you_mean_text(&name, targets.keys().map(String::as_str))
            .unwrap_or_else(|| format!("add it: `targets: {{ {name}: {{ kind: docker }} }}`"));
        let message = format!("`{}` is `{name}`, which is not in `targets`", map.name_of("target"));
        reader.error_with_help(node, "unknown-target", message, Some(help));
    }
    name
}

fn freezes(reader: &mut Reader<'_>, environment: &Map<'_>) -> Vec<Freeze> {
    let Some(node) = environment.get("freeze") else { return Vec::new() };
    let name = environment.name_of("freeze");
    let Some(items) = node.items().filter(|items| items.len() <= MAX_FREEZES) else {
        let message = format!("`{name}` is {}; a list of at most {MAX_FREEZES} is expected", node.describe());
        reader.error(node, "wrong-form", message);
        return Vec::new();
    };
    items.iter().filter_map(|item| freeze(reader, &name, item)).collect()
}

fn freeze(reader: &mut Reader<'_>, name: &str, node: &Node) -> Option<Freeze> {
    let map = reader.map(node, name, FREEZE)?;
    for key in ["from", "to"].into_iter().filter(|key| map.get(key).is_none()) {
        reader.error(node, "missing-key", format!("`{name}` has no `{key}`"));
    }
    let moment = "a day and a time like `Fri 16:00`";
    let from = reader.read(&map, "from", week_time, moment);
    let to = reader.read(&map, "to", week_time, moment);
    let known = |text: &str| zone(text).map(|_| text.to_owned());
    let zone = match map.get("zone") {
        Some(_) => reader.read(&map, "zone", known, "an IANA time zone like `Europe/London`")?,
        None => "UTC".to_owned(),
    };
    let (from, to) = (from?, to?);
    if from == to {
        reader.error(node, "wrong-form", format!("`{name}`: `from` and `to` are the same moment"));
    }
    Some(Freeze { from, to, zone })
}

fn values(reader: &mut Reader<'_>, environment: &Map<'_>, services: &[Service]) -> BTreeMap<String, String> {
    let Some(node) = environment.get("env") else { return BTreeMap::new() };
    let place = environment.name_of("env");
    let form = "letters, digits and `_`, not beginning with a digit";
    let mut values = BTreeMap::new();
    for (name, entry) in reader.named(node, &place, MAX_VALUES, is_variable, form) {
        if let Some(value) = scalar(reader, environment, &format!("env.{name}"), &entry.value) {
            check_value(reader, &place, name, &value, entry, services);
            values.insert(name.to_owned(), value);
        }
    }
    values
}

fn check_value(
    reader: &mut Reader<'_>,
    place: &str,
    name: &str,
    value: &str,
    entry: &Entry,
    services: &[Service],
) {
    let declared = || services.iter().flat_map(|service| &service.env);
    let mut same = declared().filter(|variable| variable.name == name).peekable();
    if same.peek().is_none() {
        let help = did_you_mean_text(name, declared().map(|variable| variable.name.as_str()));
        let message = format!("`{place}.{name}`: no service declares `{name}` in its `env`");
        reader.error_with_help(&entry.key, "undeclared-variable", message, help);
    }
    for variable in same {
        if variable.secret {
            let message = format!("`{place}.{name}` is declared secret and cannot stand in a file");
            let help = Some(format!(
                "this server keeps no secrets yet: drop `secret: true` of `{name}` if the value may be read here"
            ));
            reader.error_with_help(&entry.key, "secret-in-file", message, help);
        } else if !takes(variable, value) {
            let seen: String = value.chars().take(80).collect();
            let message = format!("`{place}.{name}` is `{seen}`; {} is expected", expected(variable));
            reader.error(&entry.value, "wrong-form", message);
        }
    }
}

/// A promotion would fail for it; the file as a whole is sound.
fn warn_of_missing_values(
    reader: &mut Reader<'_>,
    entry: &Entry,
    environment: &Environment,
    services: &[Service],
) {
    for problem in
        known_problems(services, environment).into_iter().filter(|problem| problem.seen == "is missing")
    {
        let message = format!(
            "`{}` has no value for `{}`, which `{}` declares; {} is expected",
            environment.name, problem.variable, problem.service, problem.expected
        );
        reader.warning(&entry.key, "missing-value", message, problem.next);
    }
}
