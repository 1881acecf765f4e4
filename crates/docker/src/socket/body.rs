use std::path::Path;

use serde_json::{Map, Value, json};

use super::call::Made;
use crate::{EngineAddress, Labels};

/// The names under which programs know the engine's socket, wherever it is.
const USUAL_SOCKETS: [&str; 2] = ["/var/run/docker.sock", "/run/docker.sock"];

/// What a container, network or volume is made with instead.
#[derive(Debug, PartialEq)]
pub struct Labelled {
    pub body: Value,
    /// Bodies of the volumes that the engine would make for the container, and give no label.
    pub volumes: Vec<Value>,
}

/// Adds `labels` to what is made. A container that is given the socket of `engine` is given `socket` in its place.
///
/// # Errors
/// When the body is not a JSON object, which the engine would not take either.
pub fn label(
    made: Made,
    body: &[u8],
    labels: &Labels,
    engine: &EngineAddress,
    socket: &Path,
) -> Result<Labelled, String> {
    let mut body: Value = serde_json::from_slice(body).map_err(|error| format!("invalid JSON: {error}"))?;
    let Some(fields) = body.as_object_mut() else { return Err("the body is not a JSON object".to_owned()) };
    add(fields, labels);
    let mut volumes = Vec::new();
    let host =
        member(fields, "HostConfig").and_then(Value::as_object_mut).filter(|_| made == Made::Container);
    if let Some(host) = host {
        let driver = text(host, "VolumeDriver");
        for bind in list(host, "Binds") {
            let Some((source, rest)) = bind.as_str().and_then(|bind| bind.split_once(':')) else { continue };
            if is_engines(source, engine) {
                *bind = format!("{}:{rest}", socket.display()).into();
            } else if !source.starts_with('/') && !source.is_empty() {
                let mut volume = Map::from_iter([("Name".to_owned(), source.into())]);
                volume.extend(driver.clone().map(|driver| ("Driver".to_owned(), driver.into())));
                add(&mut volume, labels);
                volumes.push(volume.into());
            }
        }
        for mount in list(host, "Mounts").iter_mut().filter_map(Value::as_object_mut) {
            let source = text(mount, "Source").unwrap_or_default();
            match text(mount, "Type").as_deref() {
                Some("bind") if is_engines(&source, engine) => {
                    mount.insert("Source".to_owned(), socket.display().to_string().into());
                }
                Some("volume") => add(or_object(mount, "VolumeOptions"), labels),
                _ => {}
            }
        }
    }
    Ok(Labelled { body, volumes })
}

/// What the engine says of a network or a volume, without `labels`: Compose takes one that it has not written for a
/// change of its own file. None where there is nothing to leave out.
pub fn unlabel(body: &[u8], labels: &Labels) -> Option<Value> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    let found = body.get_mut("Labels")?.as_object_mut()?;
    let before = found.len();
    found.retain(|key, _| labels.get(key).is_none());
    (found.len() < before).then_some(body)
}

fn is_engines(source: &str, engine: &EngineAddress) -> bool {
    let EngineAddress::Unix(own) = engine else { return false };
    Path::new(source) == own || USUAL_SOCKETS.contains(&source)
}

fn add(fields: &mut Map<String, Value>, labels: &Labels) {
    let labels = labels.iter().map(|(key, value)| (key.to_owned(), value.into()));
    or_object(fields, "Labels").extend(labels);
}

/// A member under its own name. The engine takes names in any case, and the last of several.
fn member<'v>(fields: &'v mut Map<String, Value>, name: &str) -> Option<&'v mut Value> {
    let spellings = fields.keys().filter(|key| key.eq_ignore_ascii_case(name));
    let spellings: Vec<String> = spellings.cloned().collect();
    let last = spellings.iter().filter_map(|spelling| fields.shift_remove(spelling)).last()?;
    Some(fields.entry(name.to_owned()).or_insert(last))
}

/// A member that is an object; what is none, null above all, gives way to an empty one.
fn or_object<'v>(fields: &'v mut Map<String, Value>, name: &str) -> &'v mut Map<String, Value> {
    if !member(fields, name).is_some_and(|found| found.is_object()) {
        fields.insert(name.to_owned(), json!({}));
    }
    match fields.get_mut(name) {
        Some(Value::Object(found)) => found,
        _ => unreachable!("it has just been made one"),
    }
}

fn text(fields: &mut Map<String, Value>, name: &str) -> Option<String> {
    Some(member(fields, name)?.as_str()?.to_owned()).filter(|text| !text.is_empty())
}

fn list<'v>(fields: &'v mut Map<String, Value>, name: &str) -> &'v mut [Value] {
    member(fields, name).and_then(Value::as_array_mut).map_or(&mut [], Vec::as_mut_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(made: Made, body: Value) -> Labelled {
        let engine = EngineAddress::Unix("/run/engine.sock".into());
        let labels = Labels::of_owner("me");
        label(made, body.to_string().as_bytes(), &labels, &engine, Path::new("/job/docker.sock")).unwrap()
    }

    #[test]
    fn labels_join_those_that_are_there() {
        let body = json!({ "Name": "n", "Labels": { "a": "b", "sluice.owner": "you" } });
        let want = json!({ "Name": "n", "Labels": { "a": "b", "sluice.owner": "me" } });
        assert_eq!(labelled(Made::Network, body).body, want);
        for none in [json!({}), json!({ "Labels": null }), json!({ "labels": {} })] {
            assert_eq!(labelled(Made::Volume, none).body, json!({ "Labels": { "sluice.owner": "me" } }));
        }
        let twice = json!({ "Labels": { "a": "b" }, "labels": { "sluice.owner": "you" } });
        assert_eq!(labelled(Made::Volume, twice).body, json!({ "Labels": { "sluice.owner": "me" } }));
    }

    #[test]
    fn volumes_of_a_container_are_labelled_too() {
        let body = json!({ "Image": "i", "HostConfig": {
            "Binds": ["data:/var/lib/x:ro", "/home/me:/x", "/only"],
            "Mounts": [
                { "Type": "volume", "Source": "more", "Target": "/m", "VolumeOptions": { "NoCopy": true } },
                { "Type": "volume", "Target": "/anonymous" },
                { "Type": "tmpfs", "Target": "/t" },
            ],
        } });
        let done = labelled(Made::Container, body);
        let labels = json!({ "sluice.owner": "me" });
        assert_eq!(done.volumes, [json!({ "Name": "data", "Labels": labels })]);
        let mounts = &done.body["HostConfig"]["Mounts"];
        assert_eq!(mounts[0]["VolumeOptions"], json!({ "NoCopy": true, "Labels": labels }));
        assert_eq!(mounts[1]["VolumeOptions"]["Labels"], labels);
        assert!(mounts[2].get("VolumeOptions").is_none());
        assert_eq!(done.body["HostConfig"]["Binds"], json!(["data:/var/lib/x:ro", "/home/me:/x", "/only"]));
    }

    #[test]
    fn a_container_is_given_the_jobs_socket_for_the_engines() {
        let body = json!({ "HostConfig": {
            "Binds": ["/var/run/docker.sock:/var/run/docker.sock", "/run/engine.sock:/s:ro"],
            "Mounts": [{ "Type": "bind", "Source": "/run/docker.sock", "Target": "/s" }],
        } });
        let host = labelled(Made::Container, body).body["HostConfig"].clone();
        assert_eq!(host["Binds"], json!(["/job/docker.sock:/var/run/docker.sock", "/job/docker.sock:/s:ro"]));
        assert_eq!(host["Mounts"][0]["Source"], "/job/docker.sock");
    }

    #[test]
    fn labels_are_left_out_of_what_is_told() {
        let labels = Labels::of_owner("me");
        let told = |body: Value| unlabel(body.to_string().as_bytes(), &labels);
        let body = json!({ "Name": "n", "Labels": { "sluice.owner": "me", "a": "b" } });
        assert_eq!(told(body), Some(json!({ "Name": "n", "Labels": { "a": "b" } })));
        for same in [json!({ "Labels": { "a": "b" } }), json!({ "Labels": null }), json!({}), json!([])] {
            assert_eq!(told(same), None);
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let engine = EngineAddress::Tcp("h:1".to_owned());
        for body in ["", "[]", "{", "{} {}", "null"] {
            let refused = label(Made::Volume, body.as_bytes(), &Labels::default(), &engine, Path::new("/s"));
            assert!(refused.is_err(), "{body}");
        }
    }
}
