use std::borrow::Cow;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use sluice_model::Conclusion;
use sluice_plan::Plan;

pub const GREEN: Style = AnsiColor::Green.on_default();
pub const RED: Style = AnsiColor::Red.on_default();
pub const DIM: Style = Style::new().dimmed();
pub const BOLD: Style = Style::new().bold();

/// `✓ build 1.2 s`
pub fn ended(name: &str, conclusion: Conclusion, took_ms: Option<i64>) -> String {
    let took = took_ms.map_or(String::new(), |ms| format!(" {DIM}{:.1} s{DIM:#}", ms as f64 / 1000.0));
    match conclusion {
        Conclusion::Success => format!("{GREEN}✓ {name}{GREEN:#}{took}"),
        Conclusion::Failure => format!("{RED}✕ {name}{RED:#}{took}"),
        Conclusion::Cancelled => format!("⊘ {name}{took}"),
        Conclusion::Skipped => format!("{DIM}– {name} skipped{DIM:#}"),
    }
}

/// `✓ build kept`: how it ended in an earlier attempt.
pub fn kept(name: &str, conclusion: Conclusion) -> String {
    format!("{} {DIM}kept from before{DIM:#}", ended(name, conclusion, None))
}

/// A workflow without a name has its file's.
pub fn workflow(plan: &Plan, number: u64, attempt: u32) -> String {
    let attempt = if attempt > 1 { format!(", attempt {attempt}") } else { String::new() };
    if plan.workflow == plan.file {
        return format!("{BOLD}{}{BOLD:#} {DIM}run {number}{attempt}{DIM:#}", plan.file);
    }
    format!("{BOLD}{}{BOLD:#} {DIM}{}, run {number}{attempt}{DIM:#}", plan.workflow, plan.file)
}

/// A line of a log as a terminal shows it: the marks of groups and annotations become looks.
pub fn dress(line: &str) -> Option<Cow<'_, str>> {
    let Some((mark, text)) = line.strip_prefix("##[").and_then(|rest| rest.split_once(']')) else {
        return Some(line.into());
    };
    match mark {
        "group" => Some(format!("{DIM}{text}{DIM:#}").into()),
        "endgroup" => None,
        "error" => Some(format!("{RED}error:{RED:#} {text}").into()),
        "warning" | "notice" | "debug" => Some(format!("{DIM}{mark}:{DIM:#} {text}").into()),
        _ => Some(line.into()),
    }
}

pub fn duration(duration: Duration) -> String {
    match duration.as_secs() {
        0..=59 => format!("{:.1} s", duration.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}
