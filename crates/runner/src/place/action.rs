use std::path::PathBuf;

use futures_util::StreamExt;
use sluice_docker::{Attached, AttachedOutput, ContainerSpec, Engine, Mount};

use super::docker::{AGENT_INSIDE, OWN_FOLDER, fetch_image, labels, mapped_image};
use super::relay::{Forward, Relay};
use super::{ContainerWish, Making, Place, PlaceError};
use crate::exec::Running;
use crate::session::ProcessEvent;

/// The image of a Docker action, as the image map has it, pulled when it is not on this machine.
pub async fn action_image(
    making: &Making<'_>,
    engine: &Engine,
    wish: &ContainerWish,
) -> Result<String, PlaceError> {
    let image = mapped_image(making, wish).await;
    fetch_image(making, engine, &image, wish).await?;
    Ok(image)
}

/// A Docker action's container while it runs.
pub struct ActionContainer {
    engine: Engine,
    id: String,
    attached: Attached,
    relay: Option<ActionRelay>,
}

/// The way out of the container to ports of this machine's loopback.
struct ActionRelay {
    folder: PathBuf,
    _relay: Relay,
}

impl ActionRelay {
    /// Makes the container start the step agent, which becomes the program that it would have started.
    async fn lay(
        making: &Making<'_>,
        engine: &Engine,
        ports: &[u16],
        spec: &mut ContainerSpec,
    ) -> Result<Self, String> {
        let folder = making.folder.join(format!("relay-{:016x}", rand::random::<u64>()));
        let forwards: Vec<_> = ports.iter().copied().map(Forward::same).collect();
        let relay =
            Relay::serve(&folder, &forwards).map_err(|error| format!("{}: {error}", folder.display()))?;
        let image = engine.inspect_image(&spec.image).await.map_err(|error| error.to_string())?;
        let image = image.ok_or_else(|| format!("there is no image `{}`", spec.image))?;
        // Who names another entrypoint has nothing of the image's command (`docker run`).
        let own_command = if spec.entrypoint.is_some() { Vec::new() } else { image.command };
        let mut words = spec.entrypoint.take().unwrap_or(image.entrypoint);
        words.extend(spec.command.take().unwrap_or(own_command));
        let inside = format!("{OWN_FOLDER}/relay");
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        let before = ["run-behind-relay".to_owned(), inside.clone(), ports.join(",")];
        spec.entrypoint = Some(vec![AGENT_INSIDE.to_owned()]);
        spec.command = Some(before.into_iter().chain(words).collect());
        let bind = |source, target, read_only| Mount::Bind { source, target, read_only };
        spec.mounts.push(bind(making.agent.clone(), AGENT_INSIDE.to_owned(), true));
        spec.mounts.push(bind(folder.clone(), inside, false));
        Ok(Self { folder, _relay: relay })
    }
}

impl Drop for ActionRelay {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl ActionContainer {
    /// Starts a container in the job's network, which is swept with the job should nobody remove it.
    pub async fn start(making: &Making<'_>, place: &Place, mut spec: ContainerSpec) -> Result<Self, String> {
        let engine = making.engine.ok_or("there is no container engine")?.clone();
        spec.labels = labels(making);
        spec.network = place.network().map(str::to_owned);
        spec.no_log = true;
        if let Some(socket) = place.engine_socket() {
            let (source, target) = (socket.to_owned(), "/var/run/docker.sock".to_owned());
            spec.mounts.push(Mount::Bind { source, target, read_only: false });
        }
        let relay = match place.loopback_ports.as_slice() {
            [] => None,
            ports => Some(ActionRelay::lay(making, &engine, ports, &mut spec).await?),
        };
        let id = engine.create_container(&spec).await.map_err(|error| error.to_string())?;
        // Attached first, so that nothing of what it writes is missed.
        let started = match engine.attach(&id).await {
            Ok(attached) => engine.start_container(&id).await.map(|()| attached),
            Err(error) => Err(error),
        };
        match started {
            Ok(attached) => Ok(Self { engine, id, attached, relay }),
            Err(error) => {
                let _ = engine.remove_container(&id).await;
                Err(error.to_string())
            }
        }
    }

    pub async fn close(self) {
        let _ = self.engine.remove_container(&self.id).await;
        drop(self.relay);
    }
}

impl Running for ActionContainer {
    async fn next(&mut self) -> Option<ProcessEvent> {
        match self.attached.output.next().await {
            Some(Ok(AttachedOutput::Stdout(bytes))) => Some(ProcessEvent::Output { stderr: false, bytes }),
            Some(Ok(AttachedOutput::Stderr(bytes))) => Some(ProcessEvent::Output { stderr: true, bytes }),
            Some(Err(_)) | None => {
                let exited = self.engine.wait_container(&self.id).await.ok()?;
                let code = i32::try_from(exited.code).unwrap_or(-1);
                Some(ProcessEvent::Exited { code, signal: 0, collected: Vec::new() })
            }
        }
    }

    async fn signal(&mut self, signal: i32) {
        // One that has ended already needs none.
        let _ = self.engine.kill_container(&self.id, &signal.to_string()).await;
    }
}
