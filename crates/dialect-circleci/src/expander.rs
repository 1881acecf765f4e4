use std::collections::HashMap;

use sluice_source::{Diagnostic, Entry, Node, Span, did_you_mean_text};

use crate::filter::Patterns;
use crate::report::Report;
use crate::scope::{Element, Found, ScopeId, Scopes};
use crate::steps::BUILT_IN;
use crate::values::PipelineValues;

/// What one config may grow to: characters and nodes that substitution and calls bring in.
const EXPANSION_BUDGET: usize = 64 << 20;
/// Steps of all jobs together.
pub(crate) const MOST_STEPS: usize = 200_000;
/// Jobs of all workflows together, matrices expanded.
pub(crate) const MOST_JOBS: usize = 5_000;

/// Turns what was written into what runs: calls replaced by bodies, `<< >>` by values.
///
/// Its methods are beside what they expand: `steps`, `executor`, `job`, `matrix`, `workflow`. Each gives none after an
/// error, which is then in the report.
pub(crate) struct Expander<'a> {
    pub(crate) values: &'a PipelineValues,
    /// None for one whose value was wrong, which has been reported.
    pub(crate) pipeline_parameters: HashMap<String, Option<Node>>,
    pub(crate) scopes: Scopes,
    pub(crate) report: Report,
    /// `version: 2.1`: `<< >>`, parameters, commands, executors and orbs mean something.
    pub(crate) is_reusable: bool,
    /// Commands that are being expanded, outermost first.
    pub(crate) calls: Vec<String>,
    pub(crate) steps: usize,
    pub(crate) jobs: usize,
    pub(crate) patterns: Patterns,
    /// The orb of CircleCI's registry that the job which is being expanded needs first.
    pub(crate) needs_orb: Option<Box<Diagnostic>>,
    spent: usize,
}

impl<'a> Expander<'a> {
    pub(crate) fn new(values: &'a PipelineValues, report: Report, is_reusable: bool) -> Self {
        Self {
            values,
            pipeline_parameters: HashMap::new(),
            scopes: Scopes::default(),
            report,
            is_reusable,
            calls: Vec::new(),
            steps: 0,
            jobs: 0,
            patterns: Patterns::default(),
            needs_orb: None,
            spent: 0,
        }
    }

    /// Takes from the budget; none when it is used up.
    pub(crate) fn spend(&mut self, amount: usize, place: Span) -> Option<()> {
        self.spent = self.spent.saturating_add(amount);
        if self.spent <= EXPANSION_BUDGET {
            return Some(());
        }
        if !self.report.diagnostics.iter().any(|known| known.code == "circleci/too-large") {
            let message = format!("the config expands to more than {} MiB", EXPANSION_BUDGET >> 20);
            self.report.error("too-large", place, message);
        }
        None
    }

    /// Whether the budget still allows anything.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.spent > EXPANSION_BUDGET || self.steps > MOST_STEPS
    }

    /// The definition that a name leads to, and its scope; none when there is none, which is then in the report.
    pub(crate) fn find(
        &mut self,
        scope: ScopeId,
        element: Element,
        name: &str,
        place: Span,
    ) -> Option<(Entry, ScopeId)> {
        match self.scopes.find(scope, element, name) {
            Found::Here(definition, scope) => Some((definition, scope)),
            Found::InMissingOrb => None,
            Found::InOrbElsewhere(why) => {
                self.needs_orb.get_or_insert(why);
                None
            }
            Found::InUnknownOrb { orb, near } => {
                let message = format!("the orb `{orb}` of `{name}` is not here");
                let mut error = self.report.new_error("orb-not-here", place, message);
                error.help.push(
                    near.unwrap_or_else(|| format!("add it under `orbs`: `{orb}: namespace/{orb}@version`")),
                );
                self.report.push(error);
                self.scopes.trust(scope, &orb);
                None
            }
            Found::Nowhere if self.report.is_full() => None,
            Found::Nowhere => {
                let kind = element.as_str();
                // CircleCI's own words.
                let message = format!("Cannot find a definition for {kind} named {name}");
                let mut error = self.report.new_error(&format!("unknown-{kind}"), place, message);
                error.help.extend(
                    self.scopes.near(scope, element, name).or_else(|| self.other_help(element, name)),
                );
                self.report.push(error);
                None
            }
        }
    }

    fn other_help(&self, element: Element, name: &str) -> Option<String> {
        match element {
            Element::Command if !self.is_reusable => Some("commands need `version: 2.1`".to_owned()),
            Element::Command => did_you_mean_text(name, BUILT_IN),
            Element::Executor | Element::Job => None,
        }
    }
}
