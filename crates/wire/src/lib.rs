//! Messages between server and agents or command line, and the one client. Holds no rule.

mod order;
mod report;

pub use order::{JobOrder, NeedResult, RegistryAccess, Secret, ServerAccess, SourceTree};
pub use report::{JobEvent, JobReport, Level, Stream, TestCase, TestOutcome};
