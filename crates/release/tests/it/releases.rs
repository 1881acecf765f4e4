use sluice_model::{ReleaseId, ServiceName};
use sluice_release::{Command, Effect, PushedImage, RecordRelease, version_of};

use crate::live::{CHAIN, Live, digest, images, pushed};

fn record(live: &mut Live, change: impl FnOnce(&mut RecordRelease)) -> Result<usize, String> {
    let mut release = pushed(&live.config, 1);
    change(&mut release);
    live.try_tell(Command::RecordRelease(Box::new(release))).map_err(|refused| refused.to_string())
}

#[test]
fn a_release_is_recorded_once_and_never_changes() {
    let mut live = Live::chain();
    assert!(record(&mut live, |_| {}).unwrap() > 0);
    assert_eq!(record(&mut live, |_| {}), Ok(0), "the same run with the same images is no news");
    assert_eq!(
        record(&mut live, |release| release.images = images(&[("api", 7), ("web", 8)])).unwrap_err(),
        "version version1 is already release 1, with other images; a release never changes: give this one another \
         version (a new tag, or another org.opencontainers.image.version label)"
    );
    assert_eq!(live.state.releases().count(), 1);
}

#[test]
fn what_was_pushed_elsewhere_is_newer_than_what_was_there_and_older_than_what_comes() {
    let mut live = Live::chain();
    live.record(5);
    let mut elsewhere = RecordRelease { run: None, ..pushed(&live.config, 6) };
    elsewhere.git_ref = "refs/tags/version-elsewhere".to_owned();
    let command = Command::RecordRelease(Box::new(elsewhere));
    assert!(live.tell(command.clone()) > 0);
    assert_eq!(live.tell(command), 0, "the same images of the same commit are no news");
    let made = live.state.release_by_version("version-elsewhere").unwrap();
    assert_eq!((made.run(), made.id), (None, ReleaseId(2)));
    // A run that had begun before comes too late; one that begins later does not.
    live.record(4);
    live.shows("dev: deploying version5, ready version-elsewhere (waits for promotion 1 to end) | uat:  | production: ");
    live.record(6);
    live.shows(
        "dev: deploying version5, ready version6 (waits for promotion 1 to end) | uat:  | production: ",
    );
    assert_eq!(crate::live::replay(&live.log), live.state);
}

#[test]
fn a_release_that_was_pushed_elsewhere_has_gates_of_its_own() {
    let mut live = Live::chain();
    let elsewhere = RecordRelease { run: None, ..pushed(&live.config, 1) };
    live.tell(Command::RecordRelease(Box::new(elsewhere)));
    live.succeed("dev");
    let command = live.approve("uat", "quinn");
    live.tell(command);
    assert!(
        !live.effects.iter().any(|effect| matches!(effect, Effect::OpenRunGate { .. })),
        "{:?}",
        live.effects
    );
    live.succeed("uat");
    live.shows("dev: version1 | uat: version1 | production: gated version1 (waits for managers, 0 of 2)");
}

#[test]
fn only_release_refs_make_releases() {
    let mut live = Live::chain();
    for git_ref in ["refs/heads/feature", "refs/tags/v1", "refs/pull/7/merge", "master"] {
        let refused = record(&mut live, |release| release.git_ref = git_ref.into()).unwrap_err();
        assert!(refused.starts_with(&format!("`{git_ref}` makes no releases")), "{refused}");
    }
    assert!(record(&mut live, |release| release.git_ref = "refs/heads/master".into()).is_ok());
    assert!(record(&mut Live::empty(CHAIN), |_| {}).unwrap_err().contains("has no `sluice.yaml`"));
}

#[test]
fn a_release_has_one_image_a_service() {
    let mut live = Live::chain();
    let refused = record(&mut live, |release| release.images = images(&[("api", 1)])).unwrap_err();
    assert_eq!(refused, "the run pushed no image `shop/web` for the service `web`");
    let extra = images(&[("api", 1), ("web", 2), ("db", 3)]);
    let refused = record(&mut live, |release| release.images = extra).unwrap_err();
    assert_eq!(refused, "the release has an image for `db`, which `sluice.yaml` does not name");
    assert!(record(&mut live, |release| release.services.clear()).unwrap_err().contains("no services"));
}

#[test]
fn the_version_is_the_first_that_there_is() {
    let image = |tag: Option<&str>, label: Option<&str>| PushedImage {
        digest: digest(1),
        tag: tag.map(str::to_owned),
        version_label: label.map(str::to_owned),
    };
    let commit = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    for (git_ref, images, expected) in [
        ("refs/tags/version1.2", vec![image(Some("x"), Some("9"))], "version1.2"),
        ("refs/heads/master", vec![image(Some("x"), Some("9")), image(Some("x"), Some("9"))], "9"),
        ("refs/heads/master", vec![image(Some("x"), Some("9")), image(Some("x"), Some("8"))], "x"),
        ("refs/heads/master", vec![image(Some("x"), None), image(Some("y"), None)], "0123456789ab"),
        ("refs/heads/master", vec![image(Some("latest"), Some(""))], "0123456789ab"),
        ("refs/heads/master", vec![], "0123456789ab"),
    ] {
        assert_eq!(version_of(git_ref, &commit, &images), expected);
    }
}

#[test]
fn a_recorded_release_goes_into_the_first_environment() {
    let mut live = Live::chain();
    live.record(1);
    live.shows("dev: deploying version1 | uat:  | production: ");
    let rollout = sluice_release::rollout(&live.state, live.rolling("dev")).expect("it has started");
    assert_eq!(rollout.version, "version1");
    assert_eq!(rollout.images[&ServiceName::new("api")], digest(10));
    let order: Vec<&str> =
        rollout.settings.start_order().iter().map(|service| service.name.as_str()).collect();
    assert_eq!(order, ["api", "web"]);
}
