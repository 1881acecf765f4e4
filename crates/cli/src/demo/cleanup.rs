use anyhow::Context;

use super::backing::Backing;
use super::room::{Room, docker};
use crate::runner_choice::RunnerChoice;

/// Takes away everything that the demo's server has started or made: services, proxy, containers, networks, images, files.
/// The base image and the build cache stay, for the next time.
pub async fn leave_nothing(room: Room, backing: &Backing) -> anyhow::Result<()> {
    room.clock.say("cleaning up");
    sluice_server::teardown(&room.data(), &std::env::current_exe()?)
        .await
        .context("not everything that was deployed could be removed")?;
    backing.stop()?;
    if room.runner == RunnerChoice::Docker {
        remove_images(&room);
    }
    std::fs::remove_dir_all(&room.folder).with_context(|| format!("cannot remove {}", room.folder.display()))
}

/// The images that this demo has built or pulled. One that another container uses stays, which is right.
fn remove_images(room: &Room) {
    let references = [format!("{}/*/*", room.listen), "storefront/*:build-*".to_owned()];
    for reference in references {
        let Ok(listed) =
            docker().args(["image", "ls", "--quiet", "--filter", &format!("reference={reference}")]).output()
        else {
            continue;
        };
        let ids = String::from_utf8_lossy(&listed.stdout).into_owned();
        let ids: std::collections::BTreeSet<&str> = ids.split_whitespace().collect();
        if !ids.is_empty() {
            let _ = docker().args(["image", "rm", "--force"]).args(ids).output();
        }
    }
}
