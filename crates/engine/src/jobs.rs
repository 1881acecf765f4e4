use std::ops::Index;
use std::sync::Arc;

use crate::JobRecord;

/// Jobs a chunk: about the square root of a large plan, so that a clone and a write are both cheap.
const CHUNK: usize = 32;

/// The records of a run's jobs in the plan's order. A clone shares all of them; a write copies one chunk's pointers
/// and one record. A decision works on a clone, so this is what it costs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Jobs {
    chunks: Vec<Arc<Vec<Arc<JobRecord>>>>,
    len: usize,
}

impl Jobs {
    pub(crate) fn of(record: JobRecord, len: usize) -> Self {
        let record = Arc::new(record);
        let chunks = (0..len).step_by(CHUNK).map(|start| {
            let size = CHUNK.min(len - start);
            Arc::new(vec![record.clone(); size])
        });
        Self { chunks: chunks.collect(), len }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, job: usize) -> Option<&JobRecord> {
        self.chunks.get(job / CHUNK)?.get(job % CHUNK).map(Arc::as_ref)
    }

    pub(crate) fn get_mut(&mut self, job: usize) -> Option<&mut JobRecord> {
        let chunk = Arc::make_mut(self.chunks.get_mut(job / CHUNK)?);
        chunk.get_mut(job % CHUNK).map(Arc::make_mut)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &JobRecord> {
        self.chunks.iter().flat_map(|chunk| chunk.iter()).map(Arc::as_ref)
    }
}

/// Panics beyond the plan's jobs, as a slice does: positions come out of the plan's own graph.
impl Index<usize> for Jobs {
    type Output = JobRecord;

    fn index(&self, job: usize) -> &JobRecord {
        &self.chunks[job / CHUNK][job % CHUNK]
    }
}
