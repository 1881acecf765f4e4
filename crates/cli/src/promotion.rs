//! Following a promotion to its end: what `promote`, `rollback` and `deploy` share.

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use sluice_model::{PromotionId, RepositoryName};
use sluice_wire::{Client, ClientError, Progress, PromotionStage, PromotionSummary};

use crate::{Exit, show};

/// A server that restarts is back within a second or two.
pub const RETRY_AFTER: Duration = Duration::from_millis(500);

/// How a stream of progress ended.
pub enum Followed {
    Ended(PromotionSummary),
    /// It waits for a person, and nobody wants to wait with it.
    Waits(PromotionSummary),
    /// The server went away; the promotion goes on there.
    Lost,
}

/// Prints a promotion's progress until it has ended, or, without `wait`, until it waits for a person.
pub async fn follow(
    progress: impl Stream<Item = Result<Progress, ClientError>>,
    wait: bool,
) -> anyhow::Result<Followed> {
    let mut progress = std::pin::pin!(progress);
    while let Some(line) = progress.next().await {
        match line {
            Ok(Progress::Line { text, .. }) => println!("{text}"),
            Ok(Progress::Stage { promotion }) => {
                println!("{}", show::promotion(&promotion));
                if promotion.stage == PromotionStage::Gated && !wait {
                    return Ok(Followed::Waits(promotion));
                }
            }
            Ok(Progress::Ended { promotion }) => return Ok(Followed::Ended(promotion)),
            Ok(Progress::Problem { message }) => anyhow::bail!(message),
            Err(error) if error.is_passing() => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Followed::Lost)
}

/// Follows a promotion to its end; when the server goes away, asks again until it is back.
pub async fn to_its_end(
    client: &Client,
    repository: &RepositoryName,
    promotion: PromotionId,
    wait: bool,
) -> anyhow::Result<Exit> {
    loop {
        match client.follow_promotion(repository, promotion).await {
            Ok(progress) => match follow(progress, wait).await? {
                Followed::Ended(promotion) | Followed::Waits(promotion) => return Ok(conclude(&promotion)),
                Followed::Lost => {}
            },
            Err(error) if error.is_passing() => {}
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

/// Says how it ended, in one line, and what that means to the shell.
pub fn conclude(promotion: &PromotionSummary) -> Exit {
    println!("{}: {}", promotion.environment, show::promotion(promotion));
    match promotion.stage {
        PromotionStage::Live => Exit::Done,
        PromotionStage::Gated | PromotionStage::Deploying | PromotionStage::Verifying => Exit::Waiting,
        PromotionStage::Rejected
        | PromotionStage::Failed
        | PromotionStage::RolledBack
        | PromotionStage::Superseded => Exit::Failed,
    }
}
