use crate::{Descriptor, Platform};

/// The manifest of an index that runs on `machine`. One without a platform is taken only where it is the only one.
pub(crate) fn choose<'a>(manifests: &'a [Descriptor], machine: &Platform) -> Option<&'a Descriptor> {
    let fitting = manifests.iter().find(|manifest| match &manifest.platform {
        Some(platform) => platform.runs_on(machine),
        None => false,
    });
    match manifests {
        [only] if only.platform.is_none() => Some(only),
        _ => fitting,
    }
}

/// The platforms of an index, for a message.
pub(crate) fn platforms(manifests: &[Descriptor]) -> String {
    let names: Vec<String> =
        manifests.iter().filter_map(|m| m.platform.as_ref()).map(Platform::to_string).collect();
    if names.is_empty() { "none with a platform".to_owned() } else { names.join(", ") }
}
