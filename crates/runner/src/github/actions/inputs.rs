use sluice_dialect_github::ActionManifest;
use sluice_plan::{ActionReference, UsesAction};

use super::super::steps::{Prepared, Steps};
use super::Loaded;

/// Inputs by name, in small letters.
pub(in super::super) type Inputs = Vec<(String, String)>;

/// What the step itself gives.
pub(super) fn given(prepared: &Prepared<'_>, uses: &UsesAction) -> Result<Inputs, String> {
    let value = |input: &sluice_plan::Named<sluice_plan::Template>| {
        Ok((input.name.to_ascii_lowercase(), prepared.contexts.text(&input.value)?))
    };
    uses.with.iter().map(value).collect()
}

/// What the step gives, and the manifest's defaults for the rest. What GitHub warns of is warned of.
pub(in super::super) async fn of_action(
    steps: &Steps<'_>,
    prepared: &Prepared<'_>,
    uses: &UsesAction,
    action: &Loaded,
) -> Result<Inputs, String> {
    let manifest = &action.manifest;
    let mut inputs = given(prepared, uses)?;
    for warning in warnings(uses, manifest, &inputs) {
        steps.warn(prepared.index, &warning).await;
    }
    for input in &manifest.inputs {
        let name = input.name.to_ascii_lowercase();
        if !inputs.iter().any(|(given, _)| *given == name) {
            let value = prepared.contexts.optional_text(input.default.as_ref());
            let value = value.map_err(|error| format!("the default of the input `{name}`: {error}"))?;
            inputs.push((name, value.unwrap_or_default()));
        }
    }
    Ok(inputs)
}

fn warnings(uses: &UsesAction, manifest: &ActionManifest, given: &Inputs) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, _) in given {
        let known = manifest.input(name).and_then(|input| input.deprecation_message.as_ref());
        warnings.extend(
            known.map(|message| format!("Input '{name}' has been deprecated with message: {message}")),
        );
    }
    // An image has no manifest that could say which it takes.
    if matches!(uses.action, ActionReference::Docker { .. }) {
        return warnings;
    }
    let is_docker = matches!(manifest.runs, sluice_dialect_github::ActionRuns::Docker(_));
    let mut valid: Vec<&str> = if is_docker { vec!["entryPoint", "args"] } else { Vec::new() };
    valid.extend(manifest.inputs.iter().map(|input| input.name.as_str()));
    let is_valid = |name: &str| valid.iter().any(|known| known.eq_ignore_ascii_case(name));
    let unexpected: Vec<&str> =
        uses.with.iter().map(|input| input.name.as_str()).filter(|name| !is_valid(name)).collect();
    if !unexpected.is_empty() {
        warnings.push(format!(
            "Unexpected input(s) '{}', valid inputs are ['{}']",
            unexpected.join("', '"),
            valid.join("', '")
        ));
    }
    warnings
}

/// `INPUT_*`, as an action's process finds its inputs.
pub(in super::super) fn variables(inputs: &Inputs) -> Vec<(String, String)> {
    let variable = |(name, value): &(String, String)| {
        (format!("INPUT_{}", name.replace(' ', "_").to_uppercase()), value.clone())
    };
    inputs.iter().map(variable).collect()
}

/// What GitHub shows above an action's output.
pub(super) fn header(prepared: &Prepared<'_>, uses: &UsesAction, inputs: &Inputs) -> String {
    let mut header = format!("##[group]Run {}\n", uses.action);
    if inputs.iter().any(|(_, value)| !value.is_empty()) {
        header.push_str("with:\n");
        for (name, value) in inputs.iter().filter(|(_, value)| !value.is_empty()) {
            header.push_str(&format!("  {name}: {value}\n"));
        }
    }
    let own = prepared.contexts.env_pairs();
    if !own.is_empty() {
        header.push_str("env:\n");
        for (name, value) in own {
            header.push_str(&format!("  {name}: {value}\n"));
        }
    }
    header.push_str("##[endgroup]");
    header
}
