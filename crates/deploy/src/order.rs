use crate::failure::RolloutFailed;
use crate::spec::{RolloutSpec, ServiceSpec};

const SERVICES: usize = 100;
const REPLICAS: u32 = 64;

/// Services in groups: those of one group are started together, when those of the groups before it are ready.
///
/// # Errors
/// [`RolloutFailed::Invalid`] for what no rollout can do.
pub fn in_order(spec: &RolloutSpec) -> Result<Vec<Vec<&ServiceSpec>>, RolloutFailed> {
    check(spec).map_err(|reason| RolloutFailed::Invalid { reason })?;
    let mut groups: Vec<Vec<&ServiceSpec>> = Vec::new();
    let mut left: Vec<&ServiceSpec> = spec.services.iter().collect();
    while !left.is_empty() {
        let waits = |service: &ServiceSpec| {
            service.depends_on.iter().any(|needed| left.iter().any(|other| other.name == *needed))
        };
        let (waiting, next): (Vec<_>, Vec<_>) = left.iter().copied().partition(|service| waits(service));
        if next.is_empty() {
            let names: Vec<&str> = waiting.iter().map(|service| service.name.as_str()).collect();
            let reason = format!("the services {} depend on each other in a circle", names.join(", "));
            return Err(RolloutFailed::Invalid { reason });
        }
        groups.push(next);
        left = waiting;
    }
    Ok(groups)
}

fn check(spec: &RolloutSpec) -> Result<(), String> {
    if spec.services.is_empty() {
        return Err("the release has no service".to_owned());
    }
    if spec.services.len() > SERVICES {
        return Err(format!(
            "the release has {} services, and at most {SERVICES} are allowed",
            spec.services.len()
        ));
    }
    for (index, service) in spec.services.iter().enumerate() {
        let name = &service.name;
        if spec.services[..index].iter().any(|earlier| earlier.name == *name) {
            return Err(format!("service {name} is named twice"));
        }
        if !(1..=REPLICAS).contains(&service.replicas) {
            return Err(format!(
                "service {name} asks for {} replicas: expected 1 to {REPLICAS}",
                service.replicas
            ));
        }
        if let Some(needed) =
            service.depends_on.iter().find(|needed| !spec.services.iter().any(|other| other.name == **needed))
        {
            return Err(format!("service {name} depends on {needed}, which the release does not have"));
        }
        for path in service.version_path.iter().chain([&service.health_path]) {
            if !path.starts_with('/') || path.bytes().any(|byte| !byte.is_ascii_graphic()) {
                return Err(format!("service {name}: `{path}` is no path: expected one that begins with /"));
            }
        }
        let is_variable =
            |name: &str| !name.is_empty() && !name.bytes().any(|byte| byte == b'=' || byte == 0);
        for (variable, value) in &service.env {
            if !is_variable(variable) || value.expose().contains('\0') {
                return Err(format!("service {name}: `{variable}` cannot be a variable of a process"));
            }
        }
    }
    Ok(())
}
