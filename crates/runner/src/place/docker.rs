use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use sluice_docker::{AttachedOutput, ContainerSpec, Engine, ImageInspected, LABEL_JOB, Labels, Mount};
use tokio_util::io::StreamReader;

use super::engine::JobEngine;
use super::relay::{Forward, Relay};
use super::services::{self, Services};
use super::{
    CIRCLECI_HELPER, ContainerFacts, ContainerWish, Kind, Layout, Making, Place, PlaceError, ServiceAccess,
    Shared, Wish, parse_options,
};
use crate::kept::KeptContainer;
use crate::linux::own_ids;
use crate::session::Session;
use crate::short_names::ShortNames;

/// Everything of Sluice's own in a container.
pub(super) const OWN_FOLDER: &str = "/.sluice";
/// The step agent, as the container sees it.
pub const AGENT_INSIDE: &str = "/.sluice/agent";
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The containers of one job, and the network between them.
pub struct JobContainers {
    engine: Engine,
    job: String,
    services: Services,
}

impl JobContainers {
    /// The job's own container is told to end already, and removes itself; a second removal is harmless.
    pub async fn close(self) {
        let _ = self.engine.remove_container(&self.job).await;
        self.services.close().await;
    }

    /// What gets a person into the job's container, and removes it all later.
    pub fn kept(&self, user: String, layout: &Layout) -> KeptContainer {
        let lent = [&layout.workspace, &layout.temp, &layout.tools, &layout.home];
        let lent = lent.iter().filter(|shared| shared.outside.exists()).map(|shared| shared.inside.clone());
        KeptContainer {
            id: self.job.clone(),
            user,
            services: self.services.facts().into_iter().map(|service| service.id).collect(),
            network: self.services.network().map(str::to_owned),
            lent: lent.collect(),
        }
    }
}

pub async fn make(making: &Making<'_>, wish: &Wish, container: &ContainerWish) -> Result<Place, PlaceError> {
    let engine = making.engine.ok_or_else(|| {
        PlaceError::Refused(format!(
            "the image `{}` needs a container engine, and none answers",
            container.image
        ))
    })?;
    let image = mapped_image(making, container).await;
    let seen = fetch_image(making, engine, &image, container).await?;
    let options = parse_options(&container.options).map_err(PlaceError::Refused)?;
    let user = container.user.clone().or_else(|| options.user.clone()).or_else(|| seen.user.clone());
    let user = user.unwrap_or_default();
    let home = home_of(engine, &image, &user).await?;
    let layout = layout(making, wish, &home)?;
    let path = search_path(&seen, wish, making.config.sluice_binary.is_some());
    let mut mounts = own_mounts(making, wish, &layout);
    let job_engine = match wish.host_engine {
        true => Some(engine_of(making, engine).await?),
        false => None,
    };
    mounts.extend(job_engine.as_ref().map(|own| Mount::Bind {
        source: own.path.clone(),
        target: "/var/run/docker.sock".to_owned(),
        read_only: false,
    }));
    for volume in &container.volumes {
        mounts.push(volume_mount(volume, wish.host_engine)?);
    }
    let (uid, gid) = own_ids();
    let lent = [&layout.workspace, &layout.temp, &layout.tools, &layout.actions, &layout.home];
    let lent = lent.iter().filter(|shared| shared.outside.exists()).map(|shared| shared.inside.clone());
    let services = Services::begin(making, engine, wish).await?;
    let forwards = forwards(wish, &services)?;
    let folder = making.folder.join("relay");
    let relay = Relay::serve(&folder, &forwards).map_err(|error| PlaceError::File {
        what: "make a socket in",
        path: folder.clone(),
        error,
    })?;
    if !forwards.is_empty() {
        let target = format!("{OWN_FOLDER}/relay");
        mounts.push(Mount::Bind { source: folder, target, read_only: false });
    }
    let mut spec = ContainerSpec {
        image: image.clone(),
        entrypoint: Some(vec![AGENT_INSIDE.to_owned()]),
        command: Some([uid.to_string(), gid.to_string()].into_iter().chain(lent).collect()),
        // The agent is root, so that it can start steps as any user, and give back what they made.
        user: Some("0:0".to_owned()),
        working_directory: Some("/".to_owned()),
        labels: labels(making),
        mounts,
        network: services.network().map(str::to_owned),
        extra_hosts: services::extra_hosts(wish),
        stdin: true,
        auto_remove: true,
        no_log: true,
        ..Default::default()
    };
    spec.env = container.env.clone();
    spec.env.push(("PATH".to_owned(), path.clone()));
    spec.env.push(("HOME".to_owned(), layout.home.inside.clone()));
    options.apply(&mut spec);
    let mut containers = JobContainers { engine: engine.clone(), job: String::new(), services };
    let (session, user) = start(making, wish, &mut containers, &spec, &user, &layout, &forwards).await?;
    Ok(Place {
        container: Some(ContainerFacts {
            id: containers.job.clone(),
            network: spec.network.unwrap_or_else(|| "bridge".to_owned()),
        }),
        services: containers.services.facts(),
        session,
        user,
        layout,
        path,
        is_container: true,
        has_engine: wish.host_engine,
        short_names: ShortNames::of(making.process, &making.folder),
        engine: job_engine,
        loopback_ports: wish.loopback_ports.clone(),
        kind: Kind::Docker(containers),
        _relay: relay,
    })
}

async fn start(
    making: &Making<'_>,
    wish: &Wish,
    containers: &mut JobContainers,
    spec: &ContainerSpec,
    user: &str,
    layout: &Layout,
    forwards: &[Forward],
) -> Result<(Session, crate::session::User), PlaceError> {
    let began = Instant::now();
    let engine = containers.engine.clone();
    containers.job = engine.create_container(spec).await?;
    let attached = engine.attach(&containers.job).await?;
    engine.start_container(&containers.job).await?;
    let output = attached.output.filter_map(|piece| async move {
        match piece {
            Ok(AttachedOutput::Stdout(bytes)) => Some(Ok::<Bytes, std::io::Error>(bytes)),
            // Only a broken agent writes there.
            Ok(AttachedOutput::Stderr(bytes)) => {
                tracing::warn!(text = %String::from_utf8_lossy(&bytes), "the step agent said");
                None
            }
            Err(error) => Some(Err(std::io::Error::other(error.to_string()))),
        }
    });
    let session = Session::new(StreamReader::new(Box::pin(output)), attached.input);
    let mut found = session.hello(user).await?;
    if wish.home_inside.is_some() {
        found.home = layout.home.inside.clone();
    }
    // The engine made the mount points as root, and the image's own home is the user's already.
    let mut given =
        vec![layout.workspace.inside.clone(), layout.temp.inside.clone(), layout.tools.inside.clone()];
    given.extend(wish.home_inside.clone());
    session.own(&given).await?;
    for Forward { inside, .. } in forwards {
        session.relay(*inside, &format!("{OWN_FOLDER}/relay/{inside}")).await?;
    }
    if wish.service_access == ServiceAccess::Localhost {
        containers.services.start_beside(making, wish, &format!("container:{}", containers.job)).await?;
    }
    let line = format!("Started a container of {} in {} ms", spec.image, began.elapsed().as_millis());
    making.log.say(0, line).await;
    Ok((session, found))
}

/// What the container's 127.0.0.1 leads to: the server of this machine, and the ports of services.
fn forwards(wish: &Wish, services: &Services) -> Result<Vec<Forward>, PlaceError> {
    let mut forwards: Vec<_> = wish.loopback_ports.iter().copied().map(Forward::same).collect();
    for (name, forward) in services.forwards() {
        let port = forward.inside;
        if forwards.iter().any(|other| other.inside == port) {
            return Err(PlaceError::Refused(format!(
                "service `{name}`: port {port} of the job's localhost is another service's or the server's; choose another, or none"
            )));
        }
        forwards.push(forward);
    }
    Ok(forwards)
}

pub(super) fn labels(making: &Making<'_>) -> Labels {
    Labels::of_owner(making.owner)
        .with(LABEL_JOB, &making.job)
        .with(crate::sweep::LABEL_PROCESS, making.process)
}

pub(super) async fn mapped_image(making: &Making<'_>, container: &ContainerWish) -> String {
    match making.config.images.get(&container.image) {
        Some(image) => {
            making.log.say(0, format!("Image {} is mapped to {image}", container.image)).await;
            image.to_owned()
        }
        None => container.image.clone(),
    }
}

/// The image, pulled when it is not on this machine.
pub(super) async fn fetch_image(
    making: &Making<'_>,
    engine: &Engine,
    image: &str,
    container: &ContainerWish,
) -> Result<ImageInspected, PlaceError> {
    if let Some(seen) = engine.inspect_image(image).await? {
        return Ok(seen);
    }
    making.log.say(0, format!("Pulling {image}")).await;
    let mut lines = Vec::new();
    let pulled = engine
        .pull_image(image, container.credentials.as_ref(), |progress| {
            // Bytes of a layer come many times a second; that it is there, once.
            if progress.current_bytes.is_none() {
                let layer = progress.layer.map_or(String::new(), |layer| format!("{layer}: "));
                lines.push(format!("{layer}{}", progress.status));
            }
        })
        .await;
    if !lines.is_empty() {
        making.log.say(0, lines.join("\n")).await;
    }
    if let Err(error) = pulled {
        let next = format!("`--image {}=NAME` takes an image that is on this machine", container.image);
        return Err(PlaceError::Refused(format!("{error} ({next})")));
    }
    let seen = engine.inspect_image(image).await?;
    seen.ok_or_else(|| PlaceError::Refused(format!("the image `{image}` was pulled, and is not there")))
}

/// The home of a user of an image, by the image's own `/etc/passwd`.
async fn home_of(engine: &Engine, image: &str, user: &str) -> Result<String, PlaceError> {
    let name = user.split(':').next().unwrap_or_default();
    if matches!(name, "" | "root" | "0") {
        return Ok("/root".to_owned());
    }
    // A container that is never started, for the engine reads files of containers only.
    let spec =
        ContainerSpec { image: image.to_owned(), command: Some(vec!["/".to_owned()]), ..Default::default() };
    let looked_at = engine.create_container(&spec).await?;
    let archive = engine.read_path(&looked_at, "/etc/passwd", 1 << 20).await;
    engine.remove_container(&looked_at).await?;
    let Some(archive) = archive? else { return Ok(format!("/home/{name}")) };
    let mut archive = tar::Archive::new(archive.as_ref());
    let mut table = String::new();
    if let Some(Ok(mut entry)) = archive.entries().ok().and_then(|mut entries| entries.next()) {
        let _ = std::io::Read::read_to_string(&mut entry, &mut table);
    }
    let mut users = table.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = users.find(|fields| fields.first() == Some(&name) || fields.get(2) == Some(&name));
    let home = found.and_then(|fields| fields.get(5).map(|home| (*home).to_owned()));
    Ok(home.filter(|home| home.starts_with('/') && home != "/").unwrap_or_else(|| format!("/home/{name}")))
}

fn layout(making: &Making<'_>, wish: &Wish, home: &str) -> Result<Layout, PlaceError> {
    let folder = making.folder.clone();
    let work = folder.join("work");
    let inside = match wish.work_inside.strip_prefix('~') {
        Some(below) => format!("{home}{below}"),
        None => wish.work_inside.clone(),
    };
    let layout = match &wish.home_inside {
        // GitHub: the temporary folder is in the mounted work folder, beside the repository's.
        Some(home) => Layout {
            workspace: Shared::at(
                work.join(&wish.checkout_folder),
                format!("{inside}/{}", wish.checkout_folder),
            ),
            temp: Shared::at(work.join("_temp"), format!("{inside}/_temp")),
            tools: Shared::at(work.join("_tool"), format!("{inside}/_tool")),
            actions: Shared::at(work.join("_actions"), format!("{inside}/_actions")),
            home: Shared::at(folder.join("home"), home),
            folder,
        },
        // CircleCI: the work folder is the checkout, and the home is the image's.
        None => Layout {
            workspace: Shared::at(work, inside),
            temp: Shared::at(folder.join("temp"), format!("{OWN_FOLDER}/temp")),
            tools: Shared::at(folder.join("temp"), format!("{OWN_FOLDER}/temp")),
            actions: Shared::at(folder.join("temp"), format!("{OWN_FOLDER}/temp")),
            home: Shared::at(folder.join("image-home"), home),
            folder,
        },
    };
    let mut shared = vec![&layout.workspace, &layout.temp, &layout.tools, &layout.actions];
    shared.extend(wish.home_inside.is_some().then_some(&layout.home));
    for shared in shared {
        shared.create().map_err(|error| PlaceError::File {
            what: "make the folder",
            path: shared.outside.clone(),
            error,
        })?;
    }
    Ok(layout)
}

fn own_mounts(making: &Making<'_>, wish: &Wish, layout: &Layout) -> Vec<Mount> {
    let bind = |source: PathBuf, target: &str, read_only| Mount::Bind {
        source,
        target: target.to_owned(),
        read_only,
    };
    let mut mounts = vec![bind(making.agent.clone(), &format!("{OWN_FOLDER}/agent"), true)];
    match wish.home_inside {
        Some(_) => {
            let work_inside = layout.temp.inside.trim_end_matches("/_temp");
            mounts.push(bind(layout.folder.join("work"), work_inside, false));
            mounts.push(bind(layout.home.outside.clone(), &layout.home.inside, false));
        }
        None => {
            mounts.push(bind(layout.workspace.outside.clone(), &layout.workspace.inside, false));
            mounts.push(bind(layout.temp.outside.clone(), &layout.temp.inside, false));
        }
    }
    if wish.circleci_helper {
        let helper = CIRCLECI_HELPER.map(|name| format!("{OWN_FOLDER}/circleci/{name}"));
        mounts.extend(helper.map(|target| bind(making.agent.clone(), &target, true)));
    }
    if let Some(sluice) = &making.config.sluice_binary {
        mounts.push(bind(sluice.clone(), &format!("{OWN_FOLDER}/bin/sluice"), true));
    }
    mounts
}

/// The host's engine, for jobs that are allowed to have it.
async fn engine_of(making: &Making<'_>, engine: &Engine) -> Result<JobEngine, PlaceError> {
    // An engine elsewhere cannot mount a socket that is here.
    let opened = if engine.socket().is_some() { JobEngine::open(making).await? } else { None };
    opened.ok_or_else(|| {
        let address = &engine.version().address;
        PlaceError::Refused(format!("the engine at {address} has no socket here that a job could be given"))
    })
}

/// `name:/path[:ro]`; a path of this machine only for a job that has its engine anyway.
pub(super) fn volume_mount(volume: &str, host_allowed: bool) -> Result<Mount, PlaceError> {
    let (source, rest) = volume.split_once(':').ok_or_else(|| {
        PlaceError::Refused(format!("the volume `{volume}` has no source; write it like `name:/path`"))
    })?;
    let (target, mode) = rest.split_once(':').unwrap_or((rest, ""));
    let (target, read_only) = (target.to_owned(), mode == "ro");
    match source.starts_with('/') {
        false => Ok(Mount::Volume { name: source.to_owned(), target, read_only }),
        true if host_allowed => Ok(Mount::Bind { source: source.into(), target, read_only }),
        true => Err(PlaceError::Refused(format!(
            "the volume `{volume}` is a folder of this machine, which a job gets with `--allow-host-docker` only"
        ))),
    }
}

/// The image's own, between CircleCI's helper, which an image may have too, and Sluice's program.
fn search_path(image: &ImageInspected, wish: &Wish, with_own: bool) -> String {
    let path = image.env.iter().find_map(|pair| pair.strip_prefix("PATH=")).unwrap_or(DEFAULT_PATH);
    let before = if wish.circleci_helper { format!("{OWN_FOLDER}/circleci:") } else { String::new() };
    let behind = if with_own { format!(":{OWN_FOLDER}/bin") } else { String::new() };
    format!("{before}{path}{behind}")
}

/// How long a service may take until its own check finds it healthy.
pub(super) const HEALTH_TIMEOUT: Duration = Duration::from_secs(300);
