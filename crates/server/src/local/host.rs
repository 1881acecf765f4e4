use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use sluice_engine as engine;
use sluice_model::{RepositoryName, RunId};
use sluice_store::StoreError;
use sluice_wire::{JobEvent, SourceTree};
use tokio::sync::mpsc;

use super::teller::Teller;
use super::{LocalEvent, LocalOptions, Source};
use crate::agent::{Host, Surroundings};
use crate::log::LogKey;

/// Gives jobs the snapshot of the working tree, and tells whoever watches what they say.
pub(super) struct LocalHost {
    pub(super) options: LocalOptions,
    pub(super) sources: BTreeMap<RunId, (usize, Source)>,
    pub(super) events: mpsc::Sender<LocalEvent>,
    pub(super) teller: Teller,
}

impl Host for LocalHost {
    fn prepare<'a>(
        &'a self,
        run: &'a engine::Run,
        _key: &'a LogKey,
    ) -> BoxFuture<'a, Result<Surroundings, StoreError>> {
        Box::pin(async move {
            let (index, source) = self.sources.get(&run.id()).ok_or(StoreError::Closed)?;
            // The end of the jobs that this one needed comes before anything of this one.
            self.teller.tell_own(*index, run.id()).await?;
            Ok(Surroundings {
                source: SourceTree::WorkingTree {
                    path: source.repository.clone(),
                    snapshot: source.commit.to_string(),
                },
                secrets: self.options.secrets.clone(),
                registry: self.options.delivers_to.as_ref().map(|(_, registry)| registry.clone()),
                server: self.options.delivers_to.as_ref().map(|(server, _)| server.clone()),
                allow_host_docker: self.options.allow_host_docker,
            })
        })
    }

    fn release<'a>(&'a self, _key: &'a LogKey) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn heard<'a>(
        &'a self,
        _repository: &'a RepositoryName,
        key: &'a LogKey,
        event: &'a JobEvent,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let Some((index, _)) = self.sources.get(&key.run) else { return };
            let (index, instance, attempt) = (*index, key.instance.clone(), key.attempt);
            let _ =
                self.events.send(LocalEvent::Job { index, instance, attempt, event: event.clone() }).await;
        })
    }
}
