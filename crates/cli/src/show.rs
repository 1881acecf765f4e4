//! How the verbs that report show things: a table for a person, JSON for a program.

use comfy_table::{ContentArrangement, Table, presets};
use jiff::Unit;
use serde::Serialize;
use sluice_model::Timestamp;
use sluice_wire::{PromotionStage, PromotionSummary, RunState, RunSummary};

/// Pretty JSON and a newline.
pub fn json(value: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// A table without lines, as the GitHub CLI and kubectl print theirs.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    table.add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for line in table.lines() {
        println!("{}", line.trim_end());
    }
}

/// `3 min ago`.
pub fn ago(at: Timestamp) -> String {
    let now = jiff::Timestamp::now().as_millisecond();
    let seconds = ((now - at.0) / 1000).max(0);
    match seconds {
        0..=59 => format!("{seconds} s ago"),
        60..=3_599 => format!("{} min ago", seconds / 60),
        3_600..=86_399 => format!("{} h ago", seconds / 3_600),
        _ => jiff::Timestamp::from_millisecond(at.0)
            .ok()
            .and_then(|at| at.round(Unit::Second).ok())
            .map(|at| at.to_string())
            .unwrap_or_default(),
    }
}

pub fn run_state(state: RunState) -> String {
    let sign = match state {
        RunState::Success => "✓",
        RunState::Failure => "✕",
        RunState::Running | RunState::Cancelling => "◐",
        RunState::Waiting | RunState::Queued => "⏸",
        RunState::Cancelled | RunState::Interrupted => "⊘",
    };
    format!("{sign} {}", state.as_str())
}

/// A line for each run, or job of one, that waits for its concurrency group.
pub fn queued(runs: &[RunSummary]) {
    for run in runs {
        for waiting in &run.queued {
            match &waiting.job {
                Some(job) => println!("⏸ {job} of run {} {waiting}", run.number),
                None => println!("⏸ run {} {waiting}", run.number),
            }
        }
    }
}

/// One line on where a promotion stands: the stage, on whom it waits, why it ended.
pub fn promotion(promotion: &PromotionSummary) -> String {
    let sign = match promotion.stage {
        PromotionStage::Live => "✓",
        PromotionStage::Gated => "⏸",
        PromotionStage::Deploying | PromotionStage::Verifying => "◐",
        PromotionStage::Failed | PromotionStage::RolledBack | PromotionStage::Rejected => "✕",
        PromotionStage::Superseded => "–",
    };
    let mut line = format!("{sign} {} {}", promotion.version, promotion.stage.as_str().replace('_', " "));
    if !promotion.waits_for.is_empty() {
        line.push_str(&format!(": waits for {}", promotion.waits_for.join(" and ")));
    }
    if let Some(problem) = &promotion.problem {
        line.push_str(&format!(": {problem}"));
    }
    line
}
