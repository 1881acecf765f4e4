use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::engine::JobEngine;
use super::relay::Relay;
use super::services::Services;
use super::{CIRCLECI_HELPER, Kind, Layout, Making, Place, PlaceError, Shared, Wish};
use crate::linux::{OWNER_VARIABLE, own_ids};
use crate::session::Session;
use crate::short_names::ShortNames;

/// What steps on the host are given of the runner's own environment. Everything else is left out.
const KEPT: [&str; 29] = [
    "PATH",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "TZ",
    "TERM",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "DOCKER_HOST",
    "JAVA_HOME",
    "GOROOT",
    "GOPROXY",
    "RUSTUP_HOME",
    "CARGO_HOME",
    "RUSTUP_TOOLCHAIN",
    "CARGO_BUILD_JOBS",
    "SLUICE_CONFORMANCE",
];
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The agent as a child of the runner.
pub struct HostAgent(Child);

pub async fn make(making: &Making<'_>, wish: &Wish) -> Result<Place, PlaceError> {
    let services = match (wish.services.first(), making.engine) {
        (None, _) => None,
        (Some(_), Some(engine)) => Some(Services::begin(making, engine, wish).await?),
        (Some((name, _)), None) => {
            return Err(PlaceError::Refused(format!(
                "the service `{name}` needs a container engine, and none is used here: start Docker or Podman"
            )));
        }
    };
    let folder = &making.folder;
    let work = folder.join("work");
    let home = Shared::host(folder.join("home"));
    let workspace = match wish.work_inside.strip_prefix("~/") {
        // CircleCI's `~/project` is below the job's own home.
        Some(below) => Shared::host(home.outside.join(below)),
        None if wish.work_inside == "~" => home.clone(),
        None => Shared::host(work.join(&wish.checkout_folder)),
    };
    let layout = Layout {
        workspace,
        temp: Shared::host(work.join("_temp")),
        tools: Shared::host(work.join("_tool")),
        actions: Shared::host(work.join("_actions")),
        home,
        folder: folder.clone(),
    };
    for shared in [&layout.workspace, &layout.temp, &layout.tools, &layout.home] {
        shared.create().map_err(|error| PlaceError::File {
            what: "make the folder",
            path: shared.outside.clone(),
            error,
        })?;
    }
    let programs = folder.join("bin");
    if let Some(sluice) = &making.config.sluice_binary {
        link_program(&programs, sluice, "sluice")?;
    }
    let mut path = std::env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned());
    if making.config.sluice_binary.is_some() {
        path = format!("{path}:{}", programs.display());
    }
    if wish.circleci_helper {
        let helper = folder.join("circleci");
        for name in CIRCLECI_HELPER {
            link_program(&helper, &making.agent, name)?;
        }
        path = format!("{}:{path}", helper.display());
    }
    let engine = JobEngine::open(making).await?;
    let mut child = Command::new(&making.agent);
    child
        .env_clear()
        .envs(inherited())
        .env("PATH", &path)
        .env("HOME", &layout.home.inside)
        .envs(engine.as_ref().map(|engine| ("DOCKER_HOST", engine.host())))
        .env(OWNER_VARIABLE, format!("{}/{}", making.owner, making.process))
        .current_dir(&layout.workspace.outside)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // A terminal's Ctrl-C is for the runner, which cancels in its own order.
        .process_group(0)
        .kill_on_drop(true);
    let mut child = child.spawn().map_err(|error| PlaceError::File {
        what: "start the step agent",
        path: making.agent.clone(),
        error,
    })?;
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(PlaceError::Refused("the step agent has no streams".to_owned()));
    };
    let session = Session::new(output, input);
    let mut user = session.hello("").await?;
    user.home = layout.home.inside.clone();
    Ok(Place {
        session,
        user,
        layout,
        path,
        is_container: false,
        has_engine: wish.host_engine,
        short_names: ShortNames::of(making.process, &making.folder),
        engine,
        loopback_ports: wish.loopback_ports.clone(),
        container: None,
        services: services.as_ref().map(Services::facts).unwrap_or_default(),
        kind: Kind::Host(HostAgent(child), services),
        _relay: Relay::default(),
    })
}

/// What every process of a job on the host finds beside its own variables.
pub fn inherited() -> Vec<(String, String)> {
    let mut kept: Vec<(String, String)> =
        KEPT.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect();
    // HOME is the job's own, so that tools which keep themselves in the user's have to be told where they are.
    if let Some(home) = std::env::home_dir() {
        for (name, folder) in [("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo")] {
            let folder = home.join(folder);
            if std::env::var_os(name).is_none() && folder.is_dir() {
                kept.push((name.to_owned(), folder.display().to_string()));
            }
        }
    }
    let (uid, _) = own_ids();
    if !kept.iter().any(|(name, _)| name == "USER") {
        kept.push(("USER".to_owned(), if uid == 0 { "root".to_owned() } else { uid.to_string() }));
    }
    kept
}

fn link_program(folder: &Path, program: &Path, name: &str) -> Result<(), PlaceError> {
    let link = || {
        std::fs::create_dir_all(folder)?;
        std::os::unix::fs::symlink(program, folder.join(name))
    };
    link().map_err(|error| PlaceError::File { what: "link", path: program.to_owned(), error })
}

impl HostAgent {
    /// The agent has been told to end; it is killed when it does not.
    pub async fn close(mut self) {
        if tokio::time::timeout(Duration::from_secs(5), self.0.wait()).await.is_err() {
            let _ = self.0.kill().await;
        }
    }
}
