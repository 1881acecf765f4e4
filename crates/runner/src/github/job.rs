use sluice_docker::RegistryCredentials;
use sluice_model::Conclusion;
use sluice_plan::{Container, Executor, Gate};
use sluice_wire::Level;

use super::contexts::{EVENT_FILE, overlay};
use super::process::CommandFiles;
use super::scope::Scope;
use super::steps::Steps;
use super::{Contexts, background, posts, pres};
use crate::job::{JobRun, SET_UP, StepsEnded, loopback_ports};
use crate::place::{ContainerWish, Making, Place, ServiceAccess, Wish};
use crate::support::{is_other_system, no_system};

/// What the job asks of its place, and the contexts so far.
pub fn prepare(job: &JobRun<'_>, making: &Making<'_>) -> Result<(Contexts, Wish), String> {
    let order = job.order;
    let mut contexts = Contexts::of_order(order);
    let mut env = contexts.env(&order.workflow_env)?;
    contexts.set_env(&env);
    let of_job = contexts.env(&job.work.env)?;
    overlay(&mut env, of_job);
    contexts.set_env(&env);
    let repository = order.trigger.repository.name();
    let mut wish = Wish {
        checkout_folder: format!("{repository}/{repository}"),
        work_inside: "/__w".to_owned(),
        home_inside: Some("/github/home".to_owned()),
        temp_files: CommandFiles::names(1).into_iter().chain([EVENT_FILE.to_owned()]).collect(),
        loopback_ports: loopback_ports(order),
        ..Default::default()
    };
    let Executor::Labels { labels, container, .. } = &job.work.executor else {
        return Err("a GitHub job asks for an executor of another dialect".to_owned());
    };
    wish.container = match container {
        Some(container) if making.engine.is_some() => Some(container_wish(&contexts, container)?),
        Some(container) => {
            let image = contexts.text(&container.image)?;
            return Err(format!(
                "the job's container `{image}` needs a container engine, and none is used here: start Docker or Podman"
            ));
        }
        None => mapped_label(&contexts, labels, making)?,
    };
    if container.is_none() && wish.container.is_some() {
        wish.service_access = ServiceAccess::Ports;
    }
    for service in &job.work.services {
        wish.services.push((service.name.clone(), container_wish(&contexts, &service.value)?));
    }
    // GitHub's own machines have an engine; a job in a container does not see it, as there.
    wish.host_engine = order.allow_host_docker && container.is_none();
    Ok((contexts, wish))
}

/// Why a job that a matrix or another job gives its labels cannot run here: one of them is of another system. Such a job is
/// skipped, so that those of its matrix that can run go their way; one whose labels stand in the file was refused before.
pub fn missing_system(job: &JobRun<'_>, making: &Making<'_>) -> Result<Option<String>, String> {
    let Executor::Labels { labels, .. } = &job.work.executor else { return Ok(None) };
    if labels.iter().all(|label| label.as_literal().is_some()) {
        return Ok(None);
    }
    let contexts = Contexts::of_order(job.order);
    for label in labels {
        let label = contexts.text(label)?;
        let is_mapped = making.engine.is_some() && making.config.images.get(&label).is_some();
        if !is_mapped && is_other_system(&label) {
            return Ok(Some(no_system(&label)));
        }
    }
    Ok(None)
}

/// A label that the image map names runs in that image; others run on the host.
fn mapped_label(
    contexts: &Contexts,
    labels: &[sluice_expression::Template],
    making: &Making<'_>,
) -> Result<Option<ContainerWish>, String> {
    for label in labels {
        let label = contexts.text(label)?;
        if making.engine.is_some()
            && let Some(image) = making.config.images.get(&label)
        {
            return Ok(Some(ContainerWish { image: image.to_owned(), ..Default::default() }));
        }
    }
    Ok(None)
}

fn container_wish(contexts: &Contexts, container: &Container) -> Result<ContainerWish, String> {
    let texts = |templates: &[sluice_expression::Template]| {
        templates.iter().map(|template| contexts.text(template)).collect::<Result<Vec<_>, _>>()
    };
    let image = contexts.text(&container.image)?;
    let image = image.strip_prefix("docker://").unwrap_or(&image).to_owned();
    let credentials = match &container.credentials {
        None => None,
        Some(given) => Some(RegistryCredentials {
            username: contexts.text(&given.username)?,
            password: contexts.text(&given.password)?,
            server: image.split('/').next().unwrap_or_default().to_owned(),
        }),
    };
    Ok(ContainerWish {
        env: contexts.env(&container.env)?,
        ports: texts(&container.ports)?,
        volumes: texts(&container.volumes)?,
        options: contexts.optional_text(container.options.as_ref())?.unwrap_or_default(),
        entrypoint: container.entrypoint.clone(),
        command: container.command.clone(),
        user: container.user.clone(),
        credentials,
        image,
    })
}

/// The job's steps, what they left to do after the last one, and the job's outputs.
///
/// An error says why the set-up, of which the download of actions is a part, has failed.
pub async fn run(job: &JobRun<'_>, place: &Place, contexts: &mut Contexts) -> Result<StepsEnded, String> {
    contexts.enter(place, job.order);
    let steps = Steps::begin(job, place, contexts).await?;
    tokio::select! {
        downloaded = steps.remote.download_all(SET_UP, &job.work.steps, 0) => downloaded?,
        () = job.cancel.cancelled() => {}
    }
    job.log.step_finished(SET_UP, Conclusion::Success, Conclusion::Success, None).await;
    let mut scope = Scope::of_job(contexts.clone());
    let own = background::numbered(&job.work.steps);
    let first_post = pres::run_all(&steps, &mut scope, &own).await;
    background::run_all(&steps, &mut scope, &job.work.steps).await;
    let last = posts::run_all(&steps, &mut scope, first_post).await;
    let (mut ended, last) = outputs(job, &mut scope, last).await;
    if let Some(Gate { name, url: Some(url), .. }) = &job.order.job.gate {
        let name = scope.contexts.text(name).unwrap_or_default();
        let url = scope.contexts.text(url);
        if !name.is_empty() && tell_environment(job, last, &name, url).await.is_err() {
            ended.conclusion = Some(Conclusion::Failure);
        }
    }
    Ok(ended)
}

/// Where what the job deployed to its environment is found, in the words of GitHub's runner.
async fn tell_environment(
    job: &JobRun<'_>,
    step: u32,
    name: &str,
    url: Result<String, String>,
) -> Result<(), ()> {
    let log = &job.log;
    log.step_started(step, "Complete job").await;
    log.say(step, "Evaluate and set environment url").await;
    let told = match &url {
        Ok(url) if log.masker().reveals(url) => {
            let message = format!("Skip setting environment url as environment '{name}' may contain secret.");
            log.annotation(step, Level::Warning, &message, None, None).await;
            Ok(())
        }
        Ok(url) => {
            log.say(step, format!("Evaluated environment url: {url}")).await;
            Ok(())
        }
        Err(problem) => {
            let message = format!("Failed to evaluate environment url: {problem}");
            log.annotation(step, Level::Error, &message, None, None).await;
            Err(())
        }
    };
    let conclusion = if told.is_ok() { Conclusion::Success } else { Conclusion::Failure };
    log.step_finished(step, conclusion, conclusion, None).await;
    told
}

/// The outputs that may be told; and the next step, for what may not is told in one.
async fn outputs(job: &JobRun<'_>, scope: &mut Scope, step: u32) -> (StepsEnded, u32) {
    let mut ended = StepsEnded { conclusion: Some(scope.contexts.status), ..Default::default() };
    scope.contexts.set_env(&scope.env);
    let masker = job.log.masker();
    let mut withheld = Vec::new();
    for output in &job.order.job.outputs {
        match scope.contexts.text(&output.value) {
            Ok(value) if masker.reveals(&value) => {
                withheld.push(format!("Skip output '{}' since it may contain secret.", output.name));
            }
            Ok(value) => {
                ended.outputs.insert(output.name.clone(), value);
            }
            Err(problem) => {
                ended.conclusion = Some(Conclusion::Failure);
                ended.problem = Some(masker.mask_text(&format!("output `{}`: {problem}", output.name)));
            }
        }
    }
    if withheld.is_empty() {
        return (ended, step);
    }
    job.log.step_started(step, "Complete job").await;
    job.log.say(step, "Evaluate and set job outputs").await;
    for message in withheld {
        job.log.say(step, format!("##[warning]{message}")).await;
        job.log.annotation(step, Level::Warning, &message, None, None).await;
    }
    job.log.step_finished(step, Conclusion::Success, Conclusion::Success, None).await;
    (ended, step + 1)
}
