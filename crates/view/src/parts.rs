//! Small pieces that several pages draw the same way.

use maud::{Markup, html};
use sluice_model::{CommitSha, Event, RepositoryName};

use crate::{RunFilters, Status, paths};

/// The first seven digits; the whole commit in its title, to copy.
pub(crate) fn commit(sha: &CommitSha) -> Markup {
    html! { code.sha title=(sha) { (sha.short()) } }
}

/// A branch or tag, isolated from the sentence's direction, leading to its runs.
pub(crate) fn ref_link(repository: &RepositoryName, name: &str) -> Markup {
    let filters = RunFilters { branch: Some(name.to_owned()), ..RunFilters::default() };
    html! { a.ref href={ (paths::runs(repository)) (filters.query()) } { bdi { (name) } } }
}

pub(crate) fn event_word(event: Event) -> &'static str {
    match event {
        Event::Push => "push",
        Event::PullRequest | Event::PullRequestTarget => "pull request",
        Event::Schedule => "schedule",
        Event::WorkflowDispatch | Event::RepositoryDispatch => "dispatch",
        Event::RegistryPackage => "package",
        Event::Release => "release",
        Event::MergeGroup => "merge group",
    }
}

/// Whole messages with their places, as the diagnostics spell them.
pub(crate) fn problem_list(problems: &[String]) -> Markup {
    html! {
        @if !problems.is_empty() {
            ul.problems role="alert" { @for problem in problems { li { (Status::Failed.icon()) pre { (problem) } } } }
        }
    }
}

/// A page without content: what would be here, and the command that fills it.
pub(crate) fn empty(what: &str, how: &str, commands: &[&str]) -> Markup {
    html! {
        div.empty {
            p { b { (what) } }
            p { (how) }
            @if !commands.is_empty() { pre.command { @for command in commands { span.prompt { "$ " } (command) "\n" } } }
        }
    }
}
