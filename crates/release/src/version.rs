use sluice_model::CommitSha;

use crate::PushedImage;

/// The version of what a run pushed: the tag's name where the run is for a tag; else the images' label
/// `org.opencontainers.image.version`, where all have the same; else the tag that all were pushed under, unless it is
/// `latest`; else the commit's first twelve digits.
pub fn version_of<'a>(
    git_ref: &str,
    commit: &CommitSha,
    images: impl IntoIterator<Item = &'a PushedImage> + Clone,
) -> String {
    if let Some(tag) = git_ref.strip_prefix("refs/tags/") {
        return tag.to_owned();
    }
    let labels = images.clone().into_iter().map(|image| image.version_label.as_deref());
    let tags = images.into_iter().map(|image| image.tag.as_deref().filter(|tag| *tag != "latest"));
    agreed(labels)
        .or_else(|| agreed(tags))
        .map_or_else(|| commit.as_str().chars().take(12).collect(), str::to_owned)
}

/// What all say, if all say the same.
fn agreed<'a>(mut texts: impl Iterator<Item = Option<&'a str>>) -> Option<&'a str> {
    let first = texts.next()?.filter(|text| !text.is_empty())?;
    texts.all(|text| text == Some(first)).then_some(first)
}
