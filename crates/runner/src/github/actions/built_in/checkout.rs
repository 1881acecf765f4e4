use super::super::super::steps::{Prepared, Steps};
use super::{Inputs, Outputs};
use crate::checkout::{Checkout, Sparse, Submodules, checkout};

/// `actions/checkout`.
pub(super) async fn check_out(
    steps: &Steps<'_>,
    prepared: &Prepared<'_>,
    inputs: &Inputs<'_>,
) -> Result<Outputs, String> {
    let own = steps.order().trigger.repository.as_str();
    if let Some(other) = inputs.get("repository").filter(|name| !name.eq_ignore_ascii_case(own)) {
        return Err(format!(
            "actions/checkout: `repository: {other}` is another one than {own}, which is not built yet"
        ));
    }
    let depth = inputs.get("fetch-depth").unwrap_or("1");
    let depth: u32 =
        depth.parse().map_err(|_| format!("actions/checkout: `fetch-depth: {depth}` is not a number"))?;
    let submodules = match inputs.get("submodules").unwrap_or_default().to_ascii_lowercase().as_str() {
        "recursive" => Submodules::AllLevels,
        "true" => Submodules::OneLevel,
        _ => Submodules::None,
    };
    let patterns: Vec<String> = inputs.lines("sparse-checkout").into_iter().map(str::to_owned).collect();
    let cone = inputs.get("sparse-checkout-cone-mode").is_none_or(|value| value.eq_ignore_ascii_case("true"));
    let wanted = Checkout {
        target: steps.place.layout.workspace.resolve(inputs.get("path").unwrap_or_default()),
        depth: (depth > 0).then_some(depth),
        git_ref: inputs.get("ref").map(str::to_owned),
        tags: inputs.is_true("fetch-tags") || depth == 0,
        submodules,
        sparse: (!patterns.is_empty()).then_some(Sparse { patterns, cone }),
        lfs: inputs.is_true("lfs"),
    };
    let done = checkout(steps.place, steps.order(), &wanted).await.map_err(|error| error.to_string())?;
    for line in done {
        steps.job.log.say(prepared.index, line).await;
    }
    let trigger = &steps.order().trigger;
    Ok(vec![("ref".to_owned(), trigger.git_ref.clone()), ("commit".to_owned(), trigger.sha.to_string())])
}
