use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

/// Makes all that the repositories of a registry's folder hold now older by a day.
pub fn age(folder: &Path) {
    let day = Duration::from_secs(24 * 3600);
    let before = SystemTime::now() - day;
    let mut open = vec![folder.join("repositories")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            if let Ok(mut record) = serde_json::from_str::<Value>(&text) {
                make_older(&mut record, i64::try_from(day.as_millis()).unwrap());
                std::fs::write(&path, record.to_string()).unwrap();
            }
            std::fs::File::options().append(true).open(&path).unwrap().set_modified(before).unwrap();
        }
    }
}

/// Every `at` of a record.
fn make_older(record: &mut Value, by_ms: i64) {
    match record {
        Value::Object(map) => {
            for (key, value) in map {
                match value.as_i64() {
                    Some(at) if key == "at" => *value = json!(at - by_ms),
                    _ => make_older(value, by_ms),
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| make_older(value, by_ms)),
        _ => {}
    }
}
