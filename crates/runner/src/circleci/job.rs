use sluice_model::Conclusion;
use sluice_plan::{Action, Container, Executor};
use sluice_wire::JobOrder;

use super::steps::Steps;
use crate::github::Contexts;
use crate::job::{JobRun, StepsEnded, loopback_ports};
use crate::place::{ContainerWish, Making, Place, ServiceAccess, Wish};

/// What the job asks of its place, and what to tell about it.
pub fn prepare(job: &JobRun<'_>, making: &Making<'_>) -> Result<(Wish, Vec<String>), String> {
    let contexts = Contexts::of_order(job.order);
    let directory = contexts.optional_text(job.work.defaults.working_directory.as_ref())?;
    let directory =
        directory.filter(|directory| !directory.is_empty()).unwrap_or_else(|| "~/project".to_owned());
    let needs_engine =
        job.work.steps.iter().any(|step| matches!(step.action, Action::SetupRemoteDocker { .. }));
    let is_machine = matches!(job.work.executor, Executor::Machine(_));
    let mut notes = Vec::new();
    let mut wish = Wish {
        service_access: ServiceAccess::Localhost,
        circleci_helper: true,
        work_inside: if directory.starts_with(['~', '/']) { directory } else { format!("~/{directory}") },
        host_engine: job.order.allow_host_docker && (needs_engine || is_machine),
        loopback_ports: loopback_ports(job.order),
        ..Default::default()
    };
    let has_engine = making.engine.is_some();
    match &job.work.executor {
        Executor::Docker { container } if has_engine => {
            wish.container = Some(container_wish(job.order, &contexts, container)?)
        }
        Executor::Docker { container } => {
            let image = contexts.text(&container.image)?;
            notes.push(format!(
                "The image {image} is not used: the job runs on the host, with what is installed there"
            ));
        }
        Executor::Machine(machine) => match making.config.images.get(&machine.image) {
            Some(image) if has_engine => {
                wish.container = Some(ContainerWish { image: image.to_owned(), ..Default::default() });
            }
            _ => notes
                .push(format!("The machine image {} is not used: the job runs on the host", machine.image)),
        },
        Executor::Labels { .. } => {
            return Err("a CircleCI job asks for an executor of another dialect".to_owned());
        }
    }
    if wish.container.is_none() && wish.work_inside.starts_with('/') {
        notes.push(format!(
            "The working directory {} is a folder of the job's own on the host",
            wish.work_inside
        ));
        wish.work_inside = "~/project".to_owned();
    }
    for service in &job.work.services {
        wish.services.push((service.name.clone(), container_wish(job.order, &contexts, &service.value)?));
    }
    Ok((wish, notes))
}

fn container_wish(
    order: &JobOrder,
    contexts: &Contexts,
    container: &Container,
) -> Result<ContainerWish, String> {
    let image = contexts.text(&container.image)?;
    let credentials = match &container.credentials {
        None => None,
        Some(given) => Some(sluice_docker::RegistryCredentials {
            username: with_variable(order, contexts.text(&given.username)?),
            password: with_variable(order, contexts.text(&given.password)?),
            server: image.split('/').next().unwrap_or_default().to_owned(),
        }),
    };
    Ok(ContainerWish {
        env: contexts.env(&container.env)?,
        entrypoint: container.entrypoint.clone(),
        command: container.command.clone(),
        user: container.user.clone(),
        credentials,
        image,
        ..Default::default()
    })
}

/// The only place where CircleCI reads `$NAME` in a config: a variable of the project or a context (CircleCI, "Using
/// Docker authenticated pulls").
fn with_variable(order: &JobOrder, text: String) -> String {
    let name = text.strip_prefix('$').map(|name| name.trim_start_matches('{').trim_end_matches('}'));
    let Some(name) = name else { return text };
    let secret = order.secrets.get(name).map(|secret| secret.expose().to_owned());
    secret.or_else(|| order.vars.get(name).cloned()).unwrap_or_default()
}

/// The job's steps, one after the other.
pub async fn run(job: &JobRun<'_>, place: &Place) -> StepsEnded {
    let mut steps = match Steps::begin(job, place).await {
        Ok(steps) => steps,
        Err(problem) => {
            return StepsEnded {
                conclusion: Some(Conclusion::Failure),
                problem: Some(job.log.masker().mask_text(&problem)),
                ..Default::default()
            };
        }
    };
    for (index, step) in job.work.steps.iter().enumerate() {
        steps.run(u32::try_from(index + 1).unwrap_or(u32::MAX), step).await;
    }
    steps.finish().await
}
