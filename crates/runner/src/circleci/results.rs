use sluice_plan::Template;
use sluice_wire::{TestCase, TestOutcome};

use super::junit::parse_junit;
use super::steps::{Steps, resolve};
use super::timings;
use crate::session::Packed;

/// The most that all files of test results of one step may hold.
const RESULTS_LIMIT_BYTES: usize = 64 << 20;
/// The most failed tests of a job that are told of by name; the counts are of all.
const FAILED_LIMIT: usize = 1_000;

impl Steps<'_> {
    pub(super) async fn store_test_results(&mut self, index: u32, path: &Template) -> Result<(), String> {
        let root = resolve(self.place, &self.contexts.text(path)?);
        let files = match self.read_results(&root).await {
            Ok(files) => files,
            // CircleCI does not fail a job for want of results.
            Err(problem) => {
                self.job.log.say(index, format!("##[warning]No test results: {problem}")).await;
                return Ok(());
            }
        };
        let mut cases = Vec::new();
        for (name, content) in &files {
            match parse_junit(content) {
                Ok(report) => cases.extend(report.cases),
                Err(problem) => {
                    self.job.log.say(index, format!("##[warning]{name}: {problem}")).await;
                }
            }
        }
        timings::keep(self.job, self.place, &cases).map_err(|error| error.to_string())?;
        let (mut passed, mut failed, mut skipped) = (0, 0, 0);
        for case in cases {
            match case.outcome {
                TestOutcome::Passed => passed += 1,
                TestOutcome::Skipped => skipped += 1,
                TestOutcome::Failed { .. } => {
                    failed += 1;
                    self.remember_failed(case);
                }
            }
        }
        self.job.log.tests_stored(passed, failed, skipped).await;
        self.job.log.say(index, format!("Tests: {passed} passed, {failed} failed, {skipped} skipped")).await;
        Ok(())
    }

    fn remember_failed(&mut self, case: TestCase) {
        if self.failed_tests.len() >= FAILED_LIMIT {
            return;
        }
        let masker = self.job.log.masker();
        let message = match case.outcome {
            TestOutcome::Failed { message } => masker.mask_text(&message),
            TestOutcome::Passed | TestOutcome::Skipped => return,
        };
        self.failed_tests.push(TestCase {
            suite: masker.mask_text(&case.suite),
            name: masker.mask_text(&case.name),
            file: case.file.map(|file| masker.mask_text(&file)),
            duration_ms: case.duration_ms,
            outcome: TestOutcome::Failed { message },
        });
    }

    /// The `.xml` files of a folder, or the one file.
    async fn read_results(&self, root: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        let mut size = 0;
        let patterns = ["**/*.xml".to_owned()];
        let packed = self.place.session.pack(root, &patterns, |piece| {
            match piece {
                Packed::Entry(entry) => {
                    files.push((String::from_utf8_lossy(&entry.path).into_owned(), Vec::new()));
                }
                Packed::Data(bytes) => {
                    size += bytes.len();
                    if size > RESULTS_LIMIT_BYTES {
                        return Err(format!("more than {} MiB of test results", RESULTS_LIMIT_BYTES >> 20));
                    }
                    if let Some((_, content)) = files.last_mut() {
                        content.extend_from_slice(&bytes);
                    }
                }
            }
            Ok(())
        });
        packed.await.map_err(|error| error.to_string())?;
        files.retain(|(name, _)| name.ends_with(".xml"));
        Ok(files)
    }
}
