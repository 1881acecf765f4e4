/// What a workflow may cost; the defaults are GitHub's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Nested maps and lists.
    pub depth: usize,
    /// The size of what is read, as GitHub estimates it.
    pub result_bytes: usize,
    /// Diagnostics; what is wrong beyond them is not told.
    pub errors: usize,
    /// Reusable workflows that call each other.
    pub call_depth: usize,
    /// Calls of reusable workflows within one workflow, those within called ones included.
    pub calls: usize,
    /// Jobs of all called workflows together.
    pub called_jobs: usize,
    /// Bytes of all called workflows together; one that is called twice counts twice.
    pub called_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 50,
            result_bytes: 10 << 20,
            errors: 100,
            call_depth: 10,
            calls: 200,
            called_jobs: 2000,
            called_bytes: 20 << 20,
        }
    }
}
