use std::io::IsTerminal;
use std::sync::Arc;

use sluice_plan::GateKind;
use sluice_server::local::{Approvals, GateAnswer, GateQuestion, Stops};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::screen::Word;

/// What to do at an approval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Approve {
    /// Approve all
    All,
    /// Ask on a terminal; elsewhere leave them closed. The environments of GitHub jobs are open
    #[default]
    Ask,
    /// Leave them closed, and the environments of GitHub jobs too: what needs them does not run (exit code 3)
    None,
}

impl Approve {
    /// Whether a gate stands open without anybody's word: an environment of GitHub's has no policy here, so that its gate
    /// opens by itself unless all shall stay closed.
    pub fn is_open(self, kind: GateKind) -> bool {
        kind == GateKind::Environment && self != Self::None
    }

    /// As it is given on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Ask => "ask",
            Self::None => "none",
        }
    }
}

/// What is not open by itself is approved, asked for, or left closed.
pub fn approvals(approve: Approve, workflows: Vec<String>, person: Person) -> Approvals {
    let workflows = Arc::new(workflows);
    Arc::new(move |question: GateQuestion| {
        let (workflows, person) = (Arc::clone(&workflows), Arc::clone(&person));
        Box::pin(async move {
            match approve {
                _ if approve.is_open(question.kind) => GateAnswer::Approve,
                Approve::All => GateAnswer::Approve,
                Approve::Ask if std::io::stdin().is_terminal() => {
                    let workflow = workflows.get(question.index).cloned().unwrap_or_default();
                    ask(&*person.lock().await, &workflow, &question.name).await
                }
                Approve::Ask | Approve::None => GateAnswer::Leave,
            }
        })
    })
}

/// One person at one terminal, who is asked one thing at a time.
pub type Person = Arc<Mutex<mpsc::Sender<Word>>>;

/// A job that stands at a failed step goes on at Enter; where there is no terminal, it waits to be told otherwise.
pub fn stops(person: Person) -> Stops {
    Arc::new(move || {
        let person = Arc::clone(&person);
        Box::pin(async move {
            if !std::io::stdin().is_terminal() {
                return std::future::pending().await;
            }
            let _turn = person.lock().await;
            let read = || std::io::stdin().read_line(&mut String::new());
            // A terminal that is gone asks nobody any more: the job goes on.
            let _ = tokio::task::spawn_blocking(read).await;
        })
    })
}

/// The screen stands still while the person thinks; what the jobs say meanwhile follows.
async fn ask(screen: &mpsc::Sender<Word>, workflow: &str, gate: &str) -> GateAnswer {
    loop {
        let text = format!("{workflow}: approve `{gate}`? [y]es, [n]o, [l]eave closed: ");
        let (shown, is_shown) = oneshot::channel();
        if screen.send(Word::Question { text, shown }).await.is_err() || is_shown.await.is_err() {
            return GateAnswer::Leave;
        }
        let answer = tokio::task::spawn_blocking(read).await.unwrap_or(Some(GateAnswer::Leave));
        let _ = screen.send(Word::Answered).await;
        if let Some(answer) = answer {
            return answer;
        }
    }
}

/// None: that was no answer.
fn read() -> Option<GateAnswer> {
    let mut line = String::new();
    match std::io::stdin().read_line(&mut line) {
        Ok(0) | Err(_) => return Some(GateAnswer::Leave),
        Ok(_) => {}
    }
    match line.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Some(GateAnswer::Approve),
        "n" | "no" => Some(GateAnswer::Reject),
        "l" | "leave" | "" => Some(GateAnswer::Leave),
        _ => None,
    }
}
