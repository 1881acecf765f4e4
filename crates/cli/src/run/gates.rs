use std::io::{IsTerminal, Write};
use std::sync::Arc;

use sluice_plan::GateKind;
use sluice_server::local::{Approvals, GateAnswer, GateQuestion};

/// What to do at an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Approve {
    /// Approve all
    All,
    /// Ask on a terminal; elsewhere leave them closed
    Ask,
    /// Leave them closed: what needs them does not run (exit code 3)
    None,
}

/// An environment of GitHub's has no policy here, so its gate opens; an approval asks.
pub fn approvals(approve: Approve, workflows: Vec<String>) -> Approvals {
    let workflows = Arc::new(workflows);
    Arc::new(move |question: GateQuestion| {
        let workflows = Arc::clone(&workflows);
        Box::pin(async move {
            match (question.kind, approve) {
                (GateKind::Environment, _) | (_, Approve::All) => GateAnswer::Approve,
                (GateKind::Approval, Approve::None) => GateAnswer::Leave,
                (GateKind::Approval, Approve::Ask) if std::io::stdin().is_terminal() => {
                    let workflow = workflows.get(question.index).cloned().unwrap_or_default();
                    let asked = tokio::task::spawn_blocking(move || ask(&workflow, &question.name)).await;
                    asked.unwrap_or(GateAnswer::Leave)
                }
                (GateKind::Approval, Approve::Ask) => GateAnswer::Leave,
            }
        })
    })
}

fn ask(workflow: &str, gate: &str) -> GateAnswer {
    loop {
        let mut terminal = std::io::stderr();
        // A terminal that cannot be written to is no terminal: the read below ends.
        let _ = write!(terminal, "{workflow}: approve `{gate}`? [y]es, [n]o, [l]eave closed: ");
        let _ = terminal.flush();
        let mut line = String::new();
        match std::io::stdin().read_line(&mut line) {
            Ok(0) | Err(_) => return GateAnswer::Leave,
            Ok(_) => {}
        }
        match line.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => return GateAnswer::Approve,
            "n" | "no" => return GateAnswer::Reject,
            "l" | "leave" | "" => return GateAnswer::Leave,
            _ => {}
        }
    }
}
