use super::split::TASK_DATA;

/// Leaves the word for the runner, which reads it when the step has ended: the step itself goes on.
pub fn halt() -> Result<(), String> {
    let folder =
        std::env::var(TASK_DATA).map_err(|_| format!("{TASK_DATA} is not set: `halt` is for the steps of a job"))?;
    let path = format!("{folder}/halt");
    std::fs::write(&path, "halt\n").map_err(|error| format!("{path}: {error}"))
}
