//! `add_ssh_keys` with keys that are given to `sluice run`.

use std::process::Command;

use crate::cases::image;
use crate::repository::{Repository, says};
use crate::under_way::UnderWay;

fn config(image: &str, fingerprints: &str, script: &str) -> String {
    format!(
        "version: 2.1\njobs:\n  a:\n    docker: [{{ image: '{image}' }}]\n    steps:\n      - add_ssh_keys: {fingerprints}\n      - run: |\n          {script}\nworkflows: {{ w: {{ jobs: [a] }} }}\n"
    )
}

/// A repository with the keys `one` and `two` in `.git`, and their fingerprints as this hash gives them.
fn repository() -> Repository {
    let repository = Repository::with(&[(".circleci/config.yml", &config("x", "", "echo never"))]);
    for name in ["one", "two"] {
        let path = format!(".git/{name}");
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", &path]);
        keygen.current_dir(repository.path());
        assert!(keygen.status().expect("ssh-keygen: apt-get install openssh-client").success());
    }
    repository
}

fn fingerprint(repository: &Repository, key: &str, hash: &str) -> String {
    let listed = Command::new("ssh-keygen")
        .args(["-l", "-E", hash, "-f", &format!(".git/{key}.pub")])
        .current_dir(repository.path())
        .output()
        .unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    text.split(' ').nth(1).unwrap().trim_start_matches("MD5:").to_owned()
}

/// Lines of the private key, none of which may be shown.
fn lines(repository: &Repository, key: &str) -> Vec<String> {
    let text = std::fs::read_to_string(repository.path().join(format!(".git/{key}"))).unwrap();
    text.lines().filter(|line| !line.contains("KEY---")).map(str::to_owned).collect()
}

const LOOK: &str = "stat -c '%a %n' ~/.ssh/*; cat ~/.ssh/config; cat ~/.ssh/id_rsa_*; ssh-add -l || true";

#[test]
fn keys_that_are_named_are_in_the_jobs_home_and_agent() {
    let repository = repository();
    let (md5, sha256) = (fingerprint(&repository, "one", "md5"), fingerprint(&repository, "two", "sha256"));
    let file = format!("id_rsa_{}", md5.replace(':', ""));
    let text = config("x", &format!("{{ fingerprints: ['{md5}'] }}"), LOOK);
    repository.write(".circleci/config.yml", text.as_bytes());
    let run = ["run", "--runner", "host", "--ssh-key", "git.example.com=.git/one", "--ssh-key", ".git/two"];
    let said = repository.sluice(&run);
    let one = fingerprint(&repository, "one", "sha256");
    says(
        &said,
        0,
        &["a | 600 ", &format!("/.ssh/{file}"), "a | Host git.example.com", "IdentitiesOnly yes", &one],
    );
    assert!(!said.stdout.contains(&sha256), "only what is named is there: {}", said.stdout);
    for line in lines(&repository, "one") {
        assert!(!said.stdout.contains(&line), "{}", said.stdout);
    }
    // Without fingerprints all are added; one without a host is for all but the place of the code.
    let text = config("x", "{ fingerprints: [] }", LOOK).replace(": { fingerprints: [] }", "");
    repository.write(".circleci/config.yml", text.as_bytes());
    says(&repository.sluice(&run), 0, &["a | Host !github.com *", &one, &sha256]);
}

#[test]
fn a_key_that_was_not_given_is_refused_with_its_place() {
    let repository = repository();
    let named = config("x", "{ fingerprints: ['ab:cd'] }", "echo never");
    repository.write(".circleci/config.yml", named.as_bytes());
    let words = [
        ".circleci/config.yml:6:9",
        "`add_ssh_keys` names the key `ab:cd`, which was not given",
        "--ssh-key FILE",
    ];
    says(&repository.sluice(&["run", "--runner", "host"]), 2, &words);
    says(&repository.sluice(&["run", "--runner", "host", "--ssh-key", ".git/one"]), 2, &words);
    let wrong = repository.sluice(&["run", "--runner", "host", "--ssh-key", ".git/config"]);
    says(&wrong, 2, &["--ssh-key .git/config", "is no private key without a passphrase"]);
}

#[test]
fn keys_are_in_the_home_of_a_container() {
    let Some(image) = image::ready() else { return };
    let repository = repository();
    let md5 = fingerprint(&repository, "one", "md5");
    let text = config(&image, &format!("{{ fingerprints: ['{md5}'] }}"), LOOK);
    repository.write(".circleci/config.yml", text.as_bytes());
    let said = repository.sluice(&["run", "--runner", "docker", "--ssh-key", ".git/one"]);
    let file = format!("/.ssh/id_rsa_{}", md5.replace(':', ""));
    says(&said, 0, &["a | 600 ", &file, "a | Host !github.com *"]);
    for line in lines(&repository, "one") {
        assert!(!said.stdout.contains(&line), "{}", said.stdout);
    }
}

#[test]
fn the_agent_of_a_run_that_was_killed_goes_at_the_next_start() {
    let repository = repository();
    let text = config("x", "", "echo \"agent at $SSH_AUTH_SOCK|\"; sleep 100");
    let text = text.replace("      - add_ssh_keys: \n", "      - add_ssh_keys\n");
    repository.write(".circleci/config.yml", text.as_bytes());
    let words = ["run", "--runner", "host", "--ssh-key", ".git/one"];
    let mut run = UnderWay::start(repository.command(&words));
    let line = run.until("agent at /").to_owned();
    let socket = line.split_once("agent at ").unwrap().1.split('|').next().unwrap().to_owned();
    let folder = std::path::Path::new(&socket).parent().unwrap().to_owned();
    run.kill();
    assert!(folder.is_dir(), "a killed process cannot clean up: the test sees nothing");
    repository.write(".circleci/config.yml", text.replace("sleep 100", "exit 0").as_bytes());
    says(&repository.sluice(&words), 0, &["agent at /"]);
    assert!(!folder.exists(), "{}", folder.display());
}
