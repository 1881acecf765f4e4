//! What JUnit files of a job say: read, counted, and told of.

use sluice_wire::{TestCase, TestOutcome};

use crate::circleci::parse_junit;
use crate::job::{JobRun, StepsEnded};
use crate::place::Place;
use crate::session::Packed;

/// The most that all files of test results that are read at once may hold.
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
    let mut files = match read(place, &place.layout.workspace.inside, patterns).await {
        Ok(files) => files,
        Err(problem) => {
            return job.log.say(last, format!("##[warning]--junit: no test results: {problem}")).await;
        }
    };
    // Folders are entries too, and a folder's name may match.
    files.retain(|(name, content)| name.ends_with(".xml") || !content.is_empty());
    if files.is_empty() {
        return;
    }
    let cases = parse(job, last, "--junit: ", &files).await;
    let text = tell(job, cases, &mut ended.failed_tests).await;
    job.log.say(last, format!("{text} in {} JUnit files", files.len())).await;
}

/// Name and content of every file below `root` that a pattern matches, or of `root` where it is a file.
///
/// # Errors
/// What cannot be read, or that it is more than the limit.
pub async fn read(place: &Place, root: &str, patterns: &[String]) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut size = 0;
    let packed = place.session.pack(root, patterns, |piece| {
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
    Ok(files)
}

/// The tests of all files. A file that is no JUnit file is told of in the step's log, and passed over.
pub async fn parse(job: &JobRun<'_>, step: u32, who: &str, files: &[(String, Vec<u8>)]) -> Vec<TestCase> {
    let mut cases = Vec::new();
    for (name, content) in files {
        match parse_junit(content) {
            Ok(report) => cases.extend(report.cases),
            Err(problem) => job.log.say(step, format!("##[warning]{who}{name}: {problem}")).await,
        }
    }
    cases
}

/// Tells how many passed, failed and were skipped, and gives it in words. Those that failed are added to the job's.
pub async fn tell(job: &JobRun<'_>, cases: Vec<TestCase>, failed_tests: &mut Vec<TestCase>) -> String {
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for case in cases {
        match case.outcome {
            TestOutcome::Passed => passed += 1,
            TestOutcome::Skipped => skipped += 1,
            TestOutcome::Failed { .. } => {
                failed += 1;
                if failed_tests.len() < FAILED_LIMIT {
                    failed_tests.push(masked(job, case));
                }
            }
        }
    }
    job.log.tests_stored(passed, failed, skipped).await;
    format!("Tests: {passed} passed, {failed} failed, {skipped} skipped")
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
