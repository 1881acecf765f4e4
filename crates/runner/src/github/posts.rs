use sluice_model::Conclusion;

use super::actions;
use super::scope::Scope;
use super::steps::Steps;

/// What an action left to do after the job's last step.
pub(super) enum Post {
    SaveCache { key: String, paths: Vec<String> },
}

/// What is left to do, the last first, each as a step of its own from `first` on.
pub(super) async fn run_all(steps: &Steps<'_>, scope: &mut Scope, first: u32) {
    let posts = std::mem::take(&mut scope.posts);
    for (index, post) in (first..).zip(posts.into_iter().rev()) {
        run(steps, scope, index, post).await;
    }
}

async fn run(steps: &Steps<'_>, scope: &mut Scope, index: u32, post: Post) {
    let log = &steps.job.log;
    match post {
        Post::SaveCache { key, paths } => {
            // A cache of a job that failed is not worth keeping; GitHub's action holds it so too.
            if scope.contexts.status != Conclusion::Success {
                return;
            }
            log.step_started(index, "Post Run actions/cache").await;
            let saved = actions::save_cache(steps, index, &key, &paths).await;
            if let Err(problem) = &saved {
                log.say(index, format!("##[warning]{problem}")).await;
            }
            log.step_finished(index, Conclusion::Success, Conclusion::Success, None).await;
        }
    }
}
