//! How a GitHub job runs: contexts, shells, command files, commands on standard output, problem matchers, actions, background steps.

mod actions;
mod background;
mod command_line;
mod commands;
mod contexts;
mod environment;
mod file_commands;
mod hash_files;
mod job;
mod posts;
mod pres;
mod problem_matchers;
mod process;
mod remote;
mod said;
mod scope;
mod script;
mod shell;
mod stages;
mod steps;

pub use actions::{is_built_in, refused_input, uses_toolkits};
pub use contexts::{Contexts, overlay};
pub use file_commands::{FileCommandError, parse_file_commands};
pub use hash_files::hex;
pub use job::{missing_system, prepare, run};
