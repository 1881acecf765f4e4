use std::pin::Pin;

use bollard::container::LogOutput;
use bollard::query_parameters::AttachContainerOptionsBuilder;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::io::AsyncWrite;

use crate::{Engine, EngineError};

/// The far end of a container's standard input.
pub type AttachedInput = Pin<Box<dyn AsyncWrite + Send>>;

/// A container's streams, over one upgraded connection. When it closes, a container that was made with
/// [`ContainerSpec::stdin`](crate::ContainerSpec) sees the end of its input.
pub struct Attached {
    pub input: AttachedInput,
    pub output: Output,
}

/// A piece of what a container wrote, cut anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttachedOutput {
    Stdout(Bytes),
    Stderr(Bytes),
}

impl Engine {
    /// Attaches to all three streams. Done before the start, it misses nothing.
    pub async fn attach(&self, container: &str) -> Result<Attached, EngineError> {
        let options = AttachContainerOptionsBuilder::default()
            .stream(true)
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .build();
        let attached = self.docker.attach_container(container, Some(options)).await;
        let attached =
            attached.map_err(|error| EngineError::of("attach to the container", container, error))?;
        Ok(Attached { input: attached.input, output: pieces(container, attached.output) })
    }
}

type Output = Pin<Box<dyn Stream<Item = Result<AttachedOutput, EngineError>> + Send>>;

/// The engine's pieces as ours.
pub(crate) fn pieces(
    container: &str,
    output: impl Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send + 'static,
) -> Output {
    let name = container.to_owned();
    Box::pin(output.map(move |piece| match piece {
        Ok(LogOutput::StdErr { message }) => Ok(AttachedOutput::Stderr(message)),
        Ok(other) => Ok(AttachedOutput::Stdout(other.into_bytes())),
        Err(error) => Err(EngineError::of("read from the container", &name, error)),
    }))
}
