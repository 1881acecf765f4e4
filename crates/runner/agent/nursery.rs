//! One agent from which those of all jobs on a machine come: a fork costs a tenth of what a program's start does, for
//! in a virtual machine the C library's first look at the processor alone takes a third of a millisecond.

use std::io::BufRead;
use std::os::unix::ffi::OsStringExt;

use crate::linux;
use crate::protocol::{Request, read_frame};

const CONTROL: i32 = 0;

/// Forks an agent for every pair of descriptors that comes over the control socket. True in each of these agents, whose
/// input and output the pair is; false in the nursery itself, when whoever started it is gone.
pub fn is_agent_of_a_job() -> bool {
    while let Some((input, output)) = linux::receive_descriptors(CONTROL) {
        linux::reap_ended();
        if linux::fork_onto(input, output) {
            return true;
        }
    }
    false
}

/// What the agent would have been started with. None when the runner is gone, or asks for what cannot be.
pub fn take_over(input: &mut impl BufRead) -> Option<()> {
    let mut frame = Vec::new();
    read_frame(input, &mut frame).ok()??;
    let Ok(Request::Become { env, directory }) = Request::decode(&frame) else { return None };
    let own: Vec<_> = std::env::vars_os().map(|(name, _)| name).collect();
    let text = std::ffi::OsString::from_vec;
    // SAFETY: there is no other thread yet.
    unsafe {
        own.iter().for_each(|name| std::env::remove_var(name));
        env.into_iter().for_each(|(name, value)| std::env::set_var(text(name), text(value)));
    }
    std::env::set_current_dir(text(directory)).ok()
}
