use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::engine::{ENGINE_FOLDER, JobEngine};
use super::relay::Relay;
use super::services::Services;
use super::spare::{Skeleton, Spares};
use super::{CIRCLECI_HELPER, Kind, Layout, Making, Place, PlaceError, Shared, Wish};
use crate::linux::{OWNER_VARIABLE, marker, own_ids};
use crate::session::{Session, User};
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

/// What a job on the host has beside its agent.
pub struct HostJob {
    services: Option<Services>,
    given_back: GivenBack,
}

/// Where a job's folder goes when it has ended.
pub struct GivenBack {
    pub spares: Arc<Spares>,
    pub skeleton: Skeleton,
}

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
    let mut skeleton = Skeleton::default();
    for shared in [&layout.workspace, &layout.temp, &layout.tools, &layout.home] {
        skeleton.folder(shared.outside.strip_prefix(folder).unwrap_or(&shared.outside));
    }
    for name in &wish.temp_files {
        skeleton.file(Path::new("work/_temp").join(name));
    }
    let mut path = std::env::var("PATH").unwrap_or_else(|_| DEFAULT_PATH.to_owned());
    if let Some(sluice) = &making.config.sluice_binary {
        skeleton.link("bin/sluice", sluice);
        path = format!("{path}:{}", folder.join("bin").display());
    }
    if wish.circleci_helper {
        for name in CIRCLECI_HELPER {
            skeleton.link(Path::new("circleci").join(name), &making.agent);
        }
        path = format!("{}:{path}", folder.join("circleci").display());
    }
    skeleton.private_folder(ENGINE_FOLDER);
    making.spares.lend(folder, &skeleton).map_err(|error| PlaceError::File {
        what: "make the folder",
        path: folder.clone(),
        error,
    })?;
    let engine = JobEngine::open(making).await?;
    let mut env = inherited();
    env.extend([
        ("PATH".to_owned(), path.clone()),
        ("HOME".to_owned(), layout.home.inside.clone()),
        (OWNER_VARIABLE.to_owned(), marker(making.owner, making.process)),
    ]);
    env.extend(engine.as_ref().map(|engine| ("DOCKER_HOST".to_owned(), engine.host())));
    let (output, input) = making.nursery.agent().map_err(|error| PlaceError::File {
        what: "start the step agent",
        path: making.agent.clone(),
        error,
    })?;
    let session = Session::new(output, input);
    session.be(env, &layout.workspace.inside).await?;
    // The agent has nothing to find out: it is who the runner is.
    let (uid, gid) = own_ids();
    let user = User { uid, gid, home: layout.home.inside.clone() };
    let given_back = GivenBack { spares: making.spares.clone(), skeleton };
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
        kind: Kind::Host(HostJob { services, given_back }),
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

/// Writes a file of the job, and the folders above it.
pub fn write(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, content)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

impl HostJob {
    /// Ends all that runs. Tells where the folder goes, unless something of the job may live on in it.
    pub async fn close(self, session: &Session) -> Option<GivenBack> {
        // One that cannot be killed must not hold the runner: the agent ends with its input.
        let finished = tokio::time::timeout(Duration::from_secs(10), session.finish()).await;
        if let Some(services) = self.services {
            services.close().await;
        }
        matches!(finished, Ok(Ok(()))).then_some(self.given_back)
    }
}
