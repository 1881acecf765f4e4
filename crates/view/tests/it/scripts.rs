use std::process::Command;

/// The pure functions of the modules, by node's own test runner.
#[test]
fn the_scripts_pass_their_tests() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/tests");
    let Ok(run) = Command::new("node").args(["--test", folder]).output() else {
        println!("skipped: there is no node on this machine");
        return;
    };
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
}
