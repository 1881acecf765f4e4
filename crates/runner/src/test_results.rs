use sluice_wire::{TestCase, TestOutcome};

use crate::circleci::parse_junit;
use crate::job::{JobRun, StepsEnded};
use crate::place::Place;
use crate::session::Packed;

/// The most that all files of a job's test results may hold.
const RESULTS_LIMIT_BYTES: usize = 64 << 20;
/// The most failed tests of a job that are told of by name; the counts are of all.
const FAILED_LIMIT: usize = 1_000;

/// Collects the JUnit files that `--junit` names out of a job's workspace, after its last step. What cannot be read is
/// told in the log, and changes nothing about how the job ended.
pub async fn collect(job: &JobRun<'_>, place: &Place, ended: &mut StepsEnded) {
    let patterns = &job.making.config.junit;
    if patterns.is_empty() {
        return;
    }
    let last = u32::try_from(job.work.steps.len()).unwrap_or(u32::MAX);
    let files = match read(place, patterns).await {
        Ok(files) => files,
        Err(problem) => {
            return job.log.say(last, format!("##[warning]--junit: no test results: {problem}")).await;
        }
    };
    if files.is_empty() {
        return;
    }
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, content) in &files {
        match parse_junit(content) {
            Ok(report) => {
                for case in report.cases {
                    match case.outcome {
                        TestOutcome::Passed => passed += 1,
                        TestOutcome::Skipped => skipped += 1,
                        TestOutcome::Failed { .. } => {
                            failed += 1;
                            if ended.failed_tests.len() < FAILED_LIMIT {
                                ended.failed_tests.push(masked(job, case));
                            }
                        }
                    }
                }
            }
            Err(problem) => job.log.say(last, format!("##[warning]--junit: {name}: {problem}")).await,
        }
    }
    job.log.tests_stored(passed, failed, skipped).await;
    let files = files.len();
    let text = format!("Tests: {passed} passed, {failed} failed, {skipped} skipped in {files} JUnit files");
    job.log.say(last, text).await;
}

fn masked(job: &JobRun<'_>, case: TestCase) -> TestCase {
    let masker = job.log.masker();
    TestCase {
        suite: masker.mask_text(&case.suite),
        name: masker.mask_text(&case.name),
        file: case.file.map(|file| masker.mask_text(&file)),
        outcome: match case.outcome {
            TestOutcome::Failed { message } => TestOutcome::Failed { message: masker.mask_text(&message) },
            other => other,
        },
        ..case
    }
}

/// Name and content of every file of the workspace that a pattern matches.
async fn read(place: &Place, patterns: &[String]) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut size = 0;
    let packed = place.session.pack(&place.layout.workspace.inside, patterns, |piece| {
        match piece {
            Packed::Entry(entry) => {
                files.push((String::from_utf8_lossy(&entry.path).into_owned(), Vec::new()));
            }
            Packed::Data(bytes) => {
                size += bytes.len();
                if size > RESULTS_LIMIT_BYTES {
                    return Err(format!("they are more than {} MiB", RESULTS_LIMIT_BYTES >> 20));
                }
                if let Some((_, content)) = files.last_mut() {
                    content.extend_from_slice(&bytes);
                }
            }
        }
        Ok(())
    });
    packed.await.map_err(|error| error.to_string())?;
    // Folders are entries too, and a folder's name may match.
    files.retain(|(name, content)| name.ends_with(".xml") || !content.is_empty());
    Ok(files)
}
