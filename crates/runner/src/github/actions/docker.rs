use std::path::{Path, PathBuf};

use sluice_dialect_github::{DockerImage, DockerRuns};
use sluice_docker::{ContainerSpec, Engine, Mount};
use sluice_expression::Value;

use super::super::contexts::overlay;
use super::super::hash_files::{hash_of, hex};
use super::super::process::{self, CommandFiles, State};
use super::super::said::Said;
use super::super::scope::Finished;
use super::super::steps::{Prepared, Steps};
use super::Loaded;
use super::inputs::{self, Inputs};
use super::words::split_arguments;
use crate::action_images;
use crate::exec;
use crate::place::{ActionContainer, ContainerWish, action_image};
use crate::runtime::Runtime;
use crate::session::Packed;

/// The most that the folder of a Docker action may hold; its image is built from all of it.
const CONTEXT_LIMIT_BYTES: u64 = 1 << 30;

/// One container of a Docker action, with what it is given.
#[derive(Clone)]
pub(in super::super) struct DockerStage {
    image: DockerImage,
    /// The action's, as steps call it; empty for an image.
    folder: String,
    /// None: the image's own.
    entrypoint: Option<String>,
    arguments: Vec<String>,
    env: Vec<(String, String)>,
    inputs: Inputs,
}

impl DockerStage {
    /// `args` and `entrypoint` of the step count where the action's manifest says nothing.
    pub(super) fn main(
        prepared: &Prepared<'_>,
        action: &Loaded,
        docker: &DockerRuns,
        inputs: Inputs,
    ) -> Result<Self, String> {
        let given = |name: &str| {
            let found = inputs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
            found.filter(|value| !value.is_empty())
        };
        let mut contexts = prepared.contexts.clone();
        let own = inputs.iter().map(|(name, value)| (name.clone(), value.as_str().into()));
        contexts.set("inputs", Value::object(own));
        let arguments = match &docker.args {
            Some(args) => args.iter().map(|arg| contexts.text(arg)).collect::<Result<_, _>>()?,
            None => split_arguments(given("args").unwrap_or_default()),
        };
        let entrypoint = docker.entrypoint.as_deref().or(given("entrypoint")).map(str::to_owned);
        let env = contexts.env(&docker.env)?;
        let (image, folder) = (docker.image.clone(), action.folder.clone());
        Ok(Self { image, folder, entrypoint, arguments, env, inputs })
    }

    pub(super) fn with_entrypoint(&self, entrypoint: &str) -> Self {
        Self { entrypoint: Some(entrypoint.to_owned()), ..self.clone() }
    }

    /// Runs the container to its end, the workspace mounted at `/github/workspace`.
    pub(super) async fn run(
        &self,
        steps: &Steps<'_>,
        prepared: &Prepared<'_>,
    ) -> Result<(Finished, State), String> {
        let making = steps.job.making;
        let engine = making.engine.ok_or_else(|| {
            "a Docker action needs a container engine, and none is used here: start Docker or Podman"
                .to_owned()
        })?;
        let image = self.image(steps, prepared, engine).await?;
        let files = CommandFiles::new(steps.place, prepared.serial);
        let session = &steps.place.session;
        for file in files.all() {
            // The image's user need not be the steps' own.
            session.write(file, 0o666, Vec::new()).await.map_err(|error| error.to_string())?;
        }
        let mapped = Mapped::of(steps)?;
        let mut env = prepared.env.clone();
        // The image has its own programs.
        env.retain(|(name, _)| {
            name != "PATH" || prepared.contexts.env_pairs().iter().any(|(own, _)| own == name)
        });
        overlay(&mut env, inputs::variables(&self.inputs));
        overlay(&mut env, steps.stages.variables(&prepared.key));
        for (name, value) in &self.env {
            if !env.iter().any(|(known, _)| known == name) {
                env.push((name.clone(), value.clone()));
            }
        }
        overlay(&mut env, files.variables());
        overlay(&mut env, steps.job.runtime.iter().flat_map(Runtime::variables));
        overlay(&mut env, [("HOME".to_owned(), mapped.home_inside())]);
        let spec = ContainerSpec {
            image,
            entrypoint: self.entrypoint.clone().map(|program| vec![program]),
            command: (!self.arguments.is_empty()).then(|| self.arguments.clone()),
            env: env.into_iter().map(|(name, value)| (name, mapped.translate(&value))).collect(),
            working_directory: Some("/github/workspace".to_owned()),
            mounts: mapped.mounts(),
            ..Default::default()
        };
        let mut container = ActionContainer::start(making, steps.place, spec).await?;
        let mut said = Said::listen(steps, prepared);
        let mut output = steps.job.log.step(prepared.index);
        let ended = exec::watch_to_end(&mut container, &mut output, &prepared.limits, &mut said).await;
        container.close().await;
        let mut collected = Vec::new();
        for file in files.collected() {
            let read = session.read(&file, COMMAND_FILE_LIMIT_BYTES).await;
            let text = read.map(|bytes| String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned());
            collected.push(text.map_err(|error| error.to_string()));
        }
        process::conclude(steps, prepared, &ended, said, collected).await
    }

    /// The image's name on this machine: pulled, or built from the action's folder.
    async fn image(
        &self,
        steps: &Steps<'_>,
        prepared: &Prepared<'_>,
        engine: &Engine,
    ) -> Result<String, String> {
        match &self.image {
            DockerImage::Registry(image) => {
                let wish = ContainerWish { image: image.clone(), ..Default::default() };
                let found = action_image(steps.job.making, engine, &wish).await;
                found.map_err(|error| error.to_string())
            }
            DockerImage::Dockerfile(path) => self.build(steps, prepared, engine, path).await,
        }
    }

    /// Builds the image, named by what it is built from: the same folder is built once.
    async fn build(
        &self,
        steps: &Steps<'_>,
        prepared: &Prepared<'_>,
        engine: &Engine,
        dockerfile: &str,
    ) -> Result<String, String> {
        let (below, file) = dockerfile.rsplit_once('/').unwrap_or(("", dockerfile));
        let folder = format!("{}/{}", self.folder, below.trim_start_matches("./"));
        let archive = steps.place.layout.folder.join(format!("action-{}.tar", prepared.serial));
        let digest = pack(steps, folder.trim_end_matches('/'), &archive).await?;
        let name = action_images::name_of(&digest);
        action_images::mark_used(&steps.job.making.config.data_dir, &name)
            .map_err(|error| format!("the use of {name} cannot be noted: {error}"))?;
        let seen = engine.inspect_image(&name).await.map_err(|error| error.to_string())?;
        if seen.is_none() {
            let log = &steps.job.log;
            log.say(prepared.index, "##[group]Building docker image").await;
            let mut lines = String::new();
            let labels = action_images::labels(steps.job.making.owner);
            let built = engine.build_image(&archive, file, &name, &labels, |line| lines.push_str(line)).await;
            log.say(prepared.index, lines).await;
            log.say(prepared.index, "##[endgroup]").await;
            built.map_err(|error| format!("Docker build failed: {error}"))?;
        }
        let _ = tokio::fs::remove_file(&archive).await;
        Ok(name)
    }
}

/// What a step may write to one of its files.
const COMMAND_FILE_LIMIT_BYTES: u64 = 10 << 20;

/// Packs a folder as steps see it, so that no link in it leads elsewhere, and gives the digest of the archive.
async fn pack(steps: &Steps<'_>, folder: &str, archive: &Path) -> Result<String, String> {
    let problem = |error: std::io::Error| format!("{}: {error}", archive.display());
    let mut tar = crate::depot::TarWriter::create(archive).map_err(problem)?;
    let mut size_bytes = 0;
    let everything = [".".to_owned()];
    let packed = steps.place.session.pack(folder, &everything, |piece| {
        if let Packed::Data(bytes) = &piece {
            size_bytes += bytes.len() as u64;
            if size_bytes > CONTEXT_LIMIT_BYTES {
                return Err(format!("the action's folder is larger than {CONTEXT_LIMIT_BYTES} bytes"));
            }
        }
        tar.take(piece).map_err(|error| error.to_string())
    });
    packed.await.map_err(|error| error.to_string())?;
    tar.finish().map_err(problem)?;
    hash_of(archive).map(|hash| hex(&hash)).map_err(problem)
}

/// The job's folders that a Docker action sees, the innermost first.
struct Mapped(Vec<(PathBuf, String, &'static str)>);

impl Mapped {
    fn of(steps: &Steps<'_>) -> Result<Self, String> {
        let layout = &steps.place.layout;
        let temp = |name: &str, target| (layout.temp.outside.join(name), layout.temp.inside(name), target);
        let all = vec![
            temp("_github_home", "/github/home"),
            temp("_github_workflow", "/github/workflow"),
            temp("_runner_file_commands", "/github/file_commands"),
            (layout.temp.outside.clone(), layout.temp.inside.clone(), "/github/runner_temp"),
            (layout.workspace.outside.clone(), layout.workspace.inside.clone(), "/github/workspace"),
        ];
        let home = &all[0].0;
        std::fs::create_dir_all(home).map_err(|error| format!("{}: {error}", home.display()))?;
        Ok(Self(all))
    }

    fn home_inside(&self) -> String {
        self.0[0].1.clone()
    }

    fn mounts(&self) -> Vec<Mount> {
        let mount = |(source, _, target): &(PathBuf, String, &str)| Mount::Bind {
            source: source.clone(),
            target: (*target).to_owned(),
            read_only: false,
        };
        self.0.iter().map(mount).collect()
    }

    /// A path of the job as the action sees it; another text stays what it is.
    fn translate(&self, value: &str) -> String {
        for (_, inside, target) in &self.0 {
            if let Some(rest) = value.strip_prefix(inside.as_str())
                && (rest.is_empty() || rest.starts_with('/'))
            {
                return format!("{target}{rest}");
            }
        }
        value.to_owned()
    }
}
