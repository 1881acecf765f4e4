//! Orbs of CircleCI's registry: fetched once, and in the way of nothing but the jobs that need them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use crate::repository::{Repository, says};

const CONFIG: &str = concat!(
    "version: 2.1\n",
    "orbs: { tools: acme/tools@1.2.3 }\n",
    "jobs:\n",
    "  own: { docker: [{ image: base }], steps: [run: echo own] }\n",
    "  mixed: { docker: [{ image: base }], steps: [tools/greet] }\n",
    "workflows: { all: { jobs: [own, mixed, tools/check] } }\n",
);
const TOOLS: &str = concat!(
    "orbs: { deep: acme/deep@2 }\n",
    "commands: { greet: { steps: [run: echo greeted, deep/down] } }\n",
    "jobs: { check: { docker: [{ image: base }], steps: [greet] } }\n",
);
const DEEP: &str = "commands: { down: { steps: [run: echo from below] } }\n";

/// Answers this many questions as CircleCI's registry does, and tells for which references.
fn registry(questions: usize) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answering = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for _ in 0..questions {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut line, mut length) = (String::new(), 0);
            reader.read_line(&mut line).unwrap();
            assert!(line.starts_with("POST /graphql-unstable "), "{line}");
            while line.trim() != "" {
                line.clear();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let reference = body["variables"]["orbVersionRef"].as_str().unwrap().to_owned();
            let source = if reference == "acme/tools@1.2.3" { TOOLS } else { DEEP };
            let answer = serde_json::json!({ "data": { "orbVersion": { "id": "1", "version": "1", "source": source } } });
            let answer = answer.to_string();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
                answer.len()
            )
            .unwrap();
            asked.push(reference);
        }
        asked
    });
    (url, answering)
}

#[test]
fn an_orb_is_fetched_with_those_that_it_imports_and_kept() {
    let repository = Repository::with(&[(".circleci/config.yml", CONFIG)]);
    let (url, answering) = registry(2);
    let run = ["run", "--runner", "host"];
    let said = repository.sluice(&[&run[..], &["--orbs-url", &url]].concat());
    says(&said, 0, &["mixed | greeted", "mixed | from below", "tools/check | greeted", "✓ all passed"]);
    assert_eq!(answering.join().unwrap(), ["acme/tools@1.2.3", "acme/deep@2"]);
    // The registry is gone; of `2`, which may stand for another source by now, the last one is known.
    says(&repository.sluice(&run), 0, &["mixed | from below"]);
}

#[test]
fn an_orb_that_cannot_be_had_is_in_the_way_of_those_that_need_it_alone() {
    let repository = Repository::with(&[(".circleci/config.yml", CONFIG)]);
    let run = ["run", "--runner", "host"];
    let refused = [
        "the orb `acme/tools@1.2.3` could not be fetched: error sending request for url (http://127.0.0.1:9/",
        ".circleci/config.yml:2:16",
        "the orb `acme/tools@1.2.3` (as `tools`) comes from CircleCI's registry, and is not here",
        "put a copy of its source at `.sluice/orbs/acme/tools@1.2.3.yml`",
        "nothing was run: 1 thing that the pipeline asks for cannot be done here; `--job` runs one of those that can be: own",
    ];
    says(&repository.sluice(&run), 2, &refused);
    says(&repository.sluice(&[&run[..], &["--job", "own"]].concat()), 0, &["own | own"]);
    says(&repository.sluice(&["compile"]), 1, &["and is not here"]);
}
