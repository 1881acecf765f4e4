//! A tiny image out of this machine's own `sh` and a few tools with the libraries that they need: nothing is pulled.

use std::path::Path;
use std::process::Command;

use sluice_docker::Engine;

pub const TINY: &str = "sluice-test/tiny:docker";

static MAKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The engine with the tiny image in it; none (and a printed line) where no engine answers.
pub async fn engine() -> Option<Engine> {
    let engine = match Engine::connect().await {
        Ok(engine) => engine,
        Err(error) if std::env::var("SLUICE_TEST_DOCKER").as_deref() == Ok("1") => panic!("{error}"),
        Err(error) => {
            println!("skipped: {error}");
            return None;
        }
    };
    let _one_at_a_time = MAKING.lock().await;
    if engine.inspect_image(TINY).await.unwrap().is_none() {
        let archive = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tiny-{}.tar", std::process::id()));
        write_archive(&archive);
        engine.import_filesystem(&archive, TINY, &["ENV GREETING=hello".to_owned()], |_| ()).await.unwrap();
        std::fs::remove_file(&archive).unwrap();
    }
    Some(engine)
}

fn write_archive(archive: &Path) {
    let tools = ["/bin/sh", "/bin/cat", "/bin/sleep"];
    let libraries = Command::new("ldd").args(tools).output().unwrap();
    let libraries = String::from_utf8(libraries.stdout).unwrap();
    let mut paths: Vec<&str> = libraries.split_whitespace().filter(|word| word.starts_with('/')).collect();
    paths.retain(|path| !path.ends_with(':'));
    paths.extend(tools);
    paths.sort();
    paths.dedup();
    // `-h`: a link's target under the link's name, so that no other path has to exist.
    let status = Command::new("tar").arg("-chPf").arg(archive).args(paths).status().unwrap();
    assert!(status.success());
}
