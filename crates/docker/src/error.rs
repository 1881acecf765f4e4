use bollard::errors::Error;

/// Why no container engine is used. `Display` is a sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no container engine answers at {}", tried.join(", "))]
pub struct NoEngine {
    /// Each address that was tried, with what came of it.
    pub tried: Vec<String>,
}

/// What an engine would not do. Every message names the thing and, where there is one, the next step.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("there is no image `{image}` on this machine: pull it, load it, or map it to one that is there")]
    NoSuchImage { image: String },
    #[error(
        "pulling the image `{image}` failed: {reason}. Load it, or map it to an image that is on this machine"
    )]
    Pull { image: String, reason: String },
    #[error("there is no container `{container}`")]
    NoSuchContainer { container: String },
    #[error("the name `{name}` is taken already: remove what has it, or choose another")]
    NameTaken { name: String },
    #[error("port {port} of this machine is in use: stop what listens there, or choose another port")]
    PortInUse { port: String },
    #[error("{what} `{name}`: the engine said: {reason}")]
    Refused { what: &'static str, name: String, reason: String },
    #[error("{what} `{name}`: the engine did not answer: {reason}. Is it running?")]
    Unreachable { what: &'static str, name: String, reason: String },
}

impl EngineError {
    /// `what` is the verb in progress ("create the container"), `name` what it was done to.
    pub(crate) fn of(what: &'static str, name: &str, error: Error) -> Self {
        let name = name.to_owned();
        match error {
            Error::DockerResponseServerError { status_code, message } => {
                let reason = one_line(&message);
                let lower = reason.to_lowercase();
                match status_code {
                    404 if lower.contains("no such image") => Self::NoSuchImage { image: name },
                    404 if lower.contains("no such container") => Self::NoSuchContainer { container: name },
                    409 if lower.contains("already in use") => Self::NameTaken { name },
                    _ if lower.contains("port is already allocated")
                        || lower.contains("address already in use") =>
                    {
                        Self::PortInUse { port: port_in(&reason).unwrap_or(name) }
                    }
                    _ => Self::Refused { what, name, reason },
                }
            }
            Error::DockerStreamError { error } => Self::Refused { what, name, reason: one_line(&error) },
            other => Self::Unreachable { what, name, reason: one_line(&other.to_string()) },
        }
    }

    /// The container or image was not there, which a removal takes for done.
    pub fn is_absent(&self) -> bool {
        match self {
            Self::NoSuchImage { .. } | Self::NoSuchContainer { .. } => true,
            Self::Refused { reason, .. } => {
                let lower = reason.to_lowercase();
                lower.contains("not found")
                    || lower.contains("no such")
                    || lower.contains("already in progress")
            }
            Self::Pull { .. }
            | Self::NameTaken { .. }
            | Self::PortInUse { .. }
            | Self::Unreachable { .. } => false,
        }
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The number in `Bind for 0.0.0.0:8080 failed: port is already allocated`.
fn port_in(reason: &str) -> Option<String> {
    let address = reason.split_whitespace().find(|word| {
        word.rsplit_once(':')
            .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
    })?;
    address.rsplit_once(':').map(|(_, port)| port.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status_code: u16, message: &str) -> EngineError {
        let error = Error::DockerResponseServerError { status_code, message: message.to_owned() };
        EngineError::of("create the container", "web", error)
    }

    #[test]
    fn what_the_engine_says_becomes_a_kind() {
        assert!(matches!(refused(404, "No such image: web:latest"), EngineError::NoSuchImage { .. }));
        assert!(matches!(refused(404, "No such container: web"), EngineError::NoSuchContainer { .. }));
        assert!(matches!(
            refused(409, "Conflict. The container name \"/web\" is already in use by container \"ab\""),
            EngineError::NameTaken { .. }
        ));
        let busy = refused(500, "driver failed: Bind for 0.0.0.0:8080 failed: port is already allocated");
        assert!(busy.to_string().contains("port 8080"), "{busy}");
    }
}
