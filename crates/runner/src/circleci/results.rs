use sluice_plan::Template;

use super::steps::{Steps, resolve};
use super::timings;
use crate::test_results;

impl Steps<'_> {
    /// The `.xml` files of a folder, or the one file.
    pub(super) async fn store_test_results(&mut self, index: u32, path: &Template) -> Result<(), String> {
        let root = resolve(self.place, &self.contexts.text(path)?);
        let mut files = match test_results::read(self.place, &root, &["**/*.xml".to_owned()]).await {
            Ok(files) => files,
            // CircleCI does not fail a job for want of results.
            Err(problem) => {
                self.job.log.say(index, format!("##[warning]No test results: {problem}")).await;
                return Ok(());
            }
        };
        files.retain(|(name, _)| name.ends_with(".xml"));
        let cases = test_results::parse(self.job, index, "", &files).await;
        timings::keep(self.job, self.place, &cases).map_err(|error| error.to_string())?;
        let text = test_results::tell(self.job, cases, &mut self.failed_tests).await;
        self.job.log.say(index, text).await;
        Ok(())
    }
}
