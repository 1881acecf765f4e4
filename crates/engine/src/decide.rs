use sluice_model::Timestamp;

use crate::{Command, Event, Refused, State};
use crate::{cancel, concurrency, create, gate, lease, rerun};

/// What `command` leads to at `now`. No events: what it asks for is so already.
///
/// `now` may run backwards (a clock that was set): leases then live longer, and nothing else changes.
pub fn decide(state: &State, now: Timestamp, command: Command) -> Result<Vec<Event>, Refused> {
    match command {
        Command::Create(create) => create::create(state, now, *create),
        Command::Lease { instance, fencing_token, agent, until } => {
            lease::lease(state, now, instance, fencing_token, agent, until)
        }
        Command::RenewLease { instance, fencing_token, until } => {
            lease::renew(state, now, instance, fencing_token, until)
        }
        Command::FinishJob { instance, fencing_token, conclusion, outputs, problem } => {
            let report = lease::Report { conclusion, outputs, problem };
            lease::finish(state, now, instance, fencing_token, report)
        }
        Command::AgentLost { agent } => lease::agent_lost(state, now, &agent),
        Command::Tick => lease::expire(state, now),
        Command::OpenGate { instance, by } => gate::open(state, now, instance, by),
        Command::RejectGate { instance, by, reason } => gate::reject(state, now, instance, by, reason),
        Command::Admit { instance, ticket } => concurrency::admit(state, now, instance, ticket),
        Command::TurnAway { instance, ticket, why } => {
            concurrency::turn_away(state, now, instance, ticket, why)
        }
        Command::Supersede { instance, ticket, by } => {
            concurrency::supersede(state, now, instance, ticket, &by)
        }
        Command::Cancel { by, force } => cancel::cancel(state, now, by, force),
        Command::Rerun { by, scope } => rerun::rerun(state, now, by, scope),
        Command::RerunByItself { attempt } => rerun::rerun_by_itself(state, now, attempt),
    }
}
