//! Actions and workflows of other repositories: taken from a mirror, and locked.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::repository::{Repository, Said, says};

const CI: &str = ".github/workflows/ci.yml";

/// A repository whose `mirror/` folder is no part of it, with these repositories in it, each tagged `v1`.
fn repository(workflow: &str, mirror: &[(&str, &[(&str, &str)])]) -> Repository {
    let repository = Repository::with(&[(CI, workflow), (".gitignore", "mirror\n")]);
    for (name, files) in mirror {
        for (path, text) in *files {
            repository.write(&format!("mirror/{name}/{path}"), text.as_bytes());
        }
        let folder = format!("mirror/{name}");
        repository.git(&["-C", &folder, "init", "--quiet", "--initial-branch=main"]);
        commit(&repository, name);
    }
    repository
}

/// Commits what is in a repository of the mirror, and has `v1` stand for it.
fn commit(repository: &Repository, name: &str) {
    let folder = format!("mirror/{name}");
    repository.git(&["-C", &folder, "add", "--all"]);
    repository.git(&["-C", &folder, "commit", "--quiet", "--message", "One"]);
    repository.git(&["-C", &folder, "tag", "--force", "v1"]);
}

fn sluice(repository: &Repository, verb: &[&str]) -> Said {
    repository.sluice(&[verb, &["--actions-mirror", "mirror"]].concat())
}

fn greet(text: &str) -> String {
    format!(
        "runs: {{ using: composite, steps: [{{ run: echo greet {text}, shell: sh }}, {{ uses: acme/inner@v1 }}] }}"
    )
}

const INNER: &str = "runs: { using: composite, steps: [{ run: echo inner, shell: sh }] }";
const USES: &str =
    "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: Acme/Greet@v1\n";

#[test]
fn the_lock_keeps_the_commit_that_an_action_is_taken_at() {
    let first = greet("first");
    let mirror: [(&str, &[(&str, &str)]); 2] =
        [("acme/greet", &[("action.yml", &first)]), ("acme/inner", &[("action.yml", INNER)])];
    let repository = repository(USES, &mirror);
    let run = ["run", "--runner", "host"];
    says(&sluice(&repository, &run), 0, &["a | greet first", "a | inner"]);
    assert!(!repository.path().join("sluice.lock").exists(), "a run writes nothing to the tree");
    says(
        &sluice(&repository, &["lock"]),
        0,
        &["+ Acme/Greet@v1", "+ acme/inner@v1", "sluice.lock has 2 entries"],
    );
    repository.write("mirror/acme/greet/action.yml", greet("second").as_bytes());
    commit(&repository, "acme/greet");
    says(&sluice(&repository, &run), 0, &["a | greet first"]);
    says(&sluice(&repository, &["lock"]), 0, &["sluice.lock has 2 entries"]);
    says(&sluice(&repository, &run), 0, &["a | greet first"]);
    says(&sluice(&repository, &["lock", "--update"]), 0, &["~ Acme/Greet@v1"]);
    says(&sluice(&repository, &run), 0, &["a | greet second"]);
    // Nothing runs that the lock does not know.
    repository.write(CI, USES.replace("Greet@v1", "Greet@main").as_bytes());
    let refused = sluice(&repository, &run);
    says(
        &refused,
        2,
        &["error[runner/not-locked]: `Acme/Greet@main` is not in sluice.lock", "ci.yml:6:9", "sluice lock"],
    );
    repository.write("sluice.lock", b"what is this\n");
    says(&sluice(&repository, &run), 2, &["sluice.lock:1:1", "lock/entry"]);
    says(&sluice(&repository, &["lock"]), 2, &["sluice.lock:1:1"]);
}

#[test]
fn a_reusable_workflow_of_another_repository_is_fetched() {
    let caller =
        "on: push\njobs:\n  call:\n    uses: acme/flows/.github/workflows/a.yml@v1\n    with: { who: Ada }\n";
    let a = "on: { workflow_call: { inputs: { who: { type: string } } } }\njobs:\n  say: { runs-on: ubuntu-latest, steps: [{ run: \"echo hello ${{ inputs.who }}\" }] }\n  more: { uses: ./.github/workflows/b.yml }\n";
    let b = "on: { workflow_call: }\njobs:\n  b: { runs-on: ubuntu-latest, steps: [{ run: echo of b }] }\n";
    let files: [(&str, &str); 2] = [(".github/workflows/a.yml", a), (".github/workflows/b.yml", b)];
    let repository = repository(caller, &[("acme/flows", &files)]);
    says(&sluice(&repository, &["plan"]), 0, &["call/say", "call/more/b"]);
    says(
        &sluice(&repository, &["run", "--runner", "host"]),
        0,
        &["call / say | hello Ada", "call / more / b | of b"],
    );
    says(&sluice(&repository, &["lock"]), 0, &["+ acme/flows@v1", "sluice.lock has 1 entry"]);
    repository.write("mirror/acme/flows/.github/workflows/b.yml", b.replace("of b", "changed").as_bytes());
    commit(&repository, "acme/flows");
    says(&sluice(&repository, &["run", "--runner", "host"]), 0, &["call / more / b | of b"]);
    repository.write(CI, caller.replace("@v1", "@main").as_bytes());
    says(&sluice(&repository, &["run", "--runner", "host"]), 2, &["`acme/flows@main` is not in sluice.lock"]);
    repository.write(CI, caller.replace("a.yml@v1", "none.yml@v1").as_bytes());
    says(&sluice(&repository, &["run", "--runner", "host"]), 2, &["none.yml@v1`: there is no such workflow"]);
}

/// A workflow whose one job checks `acme/tools` out, and then runs a script.
fn checks_out(with: &str, script: &str) -> String {
    format!(
        "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - id: c\n        uses: actions/checkout@v4\n        with: {{ repository: Acme/tools, {with} }}\n      - run: |\n          {script}\n"
    )
}

#[test]
fn another_repository_is_checked_out_beside_the_own_one() {
    let files: [(&str, &str); 1] = [("tool.sh", "#!/bin/sh\necho first tool\n")];
    let repository = repository("on: push\njobs: {}\n", &[("acme/tools", &files)]);
    repository.write("mirror/acme/tools/tool.sh", b"#!/bin/sh\necho second tool\n");
    repository.git(&["-C", "mirror/acme/tools", "commit", "--quiet", "--all", "--message", "Two"]);
    let commit = repository.git_says(&["-C", "mirror/acme/tools", "rev-parse", "v1"]);
    let first = commit.trim();
    let look = "cd tools && sh tool.sh && git log --format=%s && git status --short --branch && echo \"[${{ steps.c.outputs.ref }}] ${{ steps.c.outputs.commit }}\"";
    for (with, expected) in [
        // The default branch, and of it the last commit alone.
        ("path: tools", vec!["a | second tool", "a | Two", "a | ## main", "a | [] "]),
        ("path: tools, ref: v1", vec!["a | first tool", "a | ## HEAD (no branch)", "a | [v1] "]),
        (
            "path: tools, ref: main, fetch-depth: 0",
            vec!["a | second tool", "a | Two", "a | One", "a | ## main"],
        ),
        (&format!("path: tools, ref: {first}"), vec!["a | first tool", "a | One"]),
    ] {
        repository.write(CI, checks_out(with, look).as_bytes());
        let said = sluice(&repository, &["run", "--runner", "host"]);
        says(&said, 0, &expected);
        assert_eq!(
            said.stdout.contains("a | One\n"),
            !expected.contains(&"a | [] "),
            "{with}: {}",
            said.stdout
        );
    }
    for (with, why) in [
        ("ref: v2", "actions/checkout: there is no branch and no tag `v2` in Acme/tools"),
        ("ref: -x", "is no repository at a ref"),
    ] {
        repository.write(CI, checks_out(with, "echo never").as_bytes());
        says(&sluice(&repository, &["run", "--runner", "host"]), 1, &[why]);
    }
    let elsewhere = checks_out("path: tools", "echo never").replace("Acme/tools", "acme/none");
    repository.write(CI, elsewhere.as_bytes());
    says(
        &sluice(&repository, &["run", "--runner", "host"]),
        1,
        &["where --actions-mirror looks for `acme/none@HEAD`"],
    );
}

#[test]
fn a_token_is_shown_to_the_other_repositorys_server_and_to_nobody_else() {
    let files: [(&str, &str); 1] = [("tool.sh", "#!/bin/sh\necho private tool\n")];
    let script = "sh tools/tool.sh; cat tools/.git/config; env";
    let workflow =
        checks_out("path: tools, ref: main, fetch-depth: 0, token: \"${{ secrets.PAT }}\"", script);
    let repository = repository(&workflow, &[("acme/tools", &files)]);
    let bare = "mirror/served/Acme/tools.git";
    repository.git(&["clone", "--quiet", "--bare", "mirror/acme/tools", bare]);
    repository.git(&["-C", bare, "update-server-info"]);
    let token = "the-token-of-the-other-one";
    repository.write("mirror/secrets", format!("PAT={token}\n").as_bytes());
    let server = PrivateServer::start(repository.path().join("mirror/served"), token);
    let url = format!("http://127.0.0.1:{}", server.port);
    let run = |more: &[&str]| {
        repository.sluice(&[&["run", "--runner", "host", "--actions-url", &url], more].concat())
    };
    let said = run(&["--secret-file", "mirror/secrets"]);
    says(&said, 0, &["a | private tool"]);
    let header = server.header.strip_prefix("Basic ").unwrap();
    for text in [&said.stdout, &said.stderr] {
        assert!(!text.contains(token) && !text.contains(header), "{text}");
    }
    assert_eq!(server.seen_in_processes.load(std::sync::atomic::Ordering::Relaxed), 0, "it is an argument");
    let refused = run(&["--secret-file", "/dev/null"]);
    says(&refused, 1, &["actions/checkout: `git ls-remote` failed"]);
}

/// Serves files to whoever shows the token, and looks who has it in its arguments meanwhile.
struct PrivateServer {
    port: u16,
    header: String,
    seen_in_processes: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl PrivateServer {
    fn start(folder: std::path::PathBuf, token: &str) -> Self {
        use std::io::{BufRead, BufReader, Write};
        let pair = BASE64_STANDARD.encode(format!("x-access-token:{token}"));
        let (header, token) = (format!("Basic {pair}"), token.to_owned());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let (expected, counts) = (format!("Authorization: {header}"), seen.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let request: Vec<String> =
                    lines.map(|line| line.unwrap_or_default()).take_while(|line| !line.is_empty()).collect();
                let path = request.first().and_then(|line| line.split(' ').nth(1)).unwrap_or("/");
                let path = path.split('?').next().unwrap_or_default().trim_start_matches('/');
                let body = std::fs::read(folder.join(path));
                let (status, body) = match body {
                    _ if !request.contains(&expected) => ("401 Unauthorized", Vec::new()),
                    Ok(body) => ("200 OK", body),
                    Err(_) => ("404 Not Found", Vec::new()),
                };
                let shown = arguments_of_all()
                    .filter(|arguments| arguments.contains(&token) || arguments.contains(&pair));
                counts.fetch_add(shown.count(), std::sync::atomic::Ordering::Relaxed);
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            }
        });
        Self { port, header, seen_in_processes: seen }
    }
}

fn arguments_of_all() -> impl Iterator<Item = String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let arguments = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    arguments.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}
