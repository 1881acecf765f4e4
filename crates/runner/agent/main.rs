//! The step agent: starts the steps of one job where they run, and tells the runner of them over one stream.
//!
//! A static program on the standard library alone, so that it runs in any image: no shell, no libc and no path of
//! the image is taken for granted. Requests come in on its input, answers go out on its output. When the input ends,
//! whoever started it is gone: it kills all that it started, and ends.
//!
//! Under the name `circleci` it is the helper that steps of CircleCI jobs call.

mod circleci;
mod files;
mod glob;
mod linux;
mod nursery;
mod process;
#[allow(dead_code, reason = "each side uses its half")]
mod protocol;
mod relay;
mod search_path;
mod user;

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufReader, Write};
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStringExt;
use std::sync::{Arc, Mutex};

use protocol::{Answer, Request};

/// The one way out, shared by all threads. A frame is written whole.
#[derive(Clone)]
pub struct Answers(Arc<Mutex<File>>);

impl Answers {
    pub fn send(&self, answer: &Answer) {
        self.send_encoded(&answer.encode());
    }

    /// Who cannot be answered is gone, and the end of the input says so too.
    pub fn send_encoded(&self, frame: &[u8]) {
        if let Ok(mut out) = self.0.lock() {
            let _ = out.write_all(frame);
        }
    }
}

fn main() {
    let words: Vec<String> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    if let Some((_, rest)) = words.split_first().filter(|(program, _)| circleci::is_called(program)) {
        std::process::exit(circleci::main(rest));
    }
    // Called a second time in a container that stayed: what was lent is given back, so that it can be removed.
    if std::env::args_os().nth(1).is_some_and(|word| word == "give-back") {
        return give_back(2);
    }
    if std::env::args_os().nth(1).is_some_and(|word| word == "run-behind-relay") {
        relay::run_behind(&std::env::args_os().skip(2).collect::<Vec<_>>());
    }
    let is_nursery = std::env::args_os().nth(1).is_some_and(|word| word == "nursery");
    if is_nursery && !nursery::is_agent_of_a_job() {
        return;
    }
    // SAFETY: descriptors 0 and 1 are open from the start and used through these two files only.
    let (input, output) = unsafe { (File::from_raw_fd(0), File::from_raw_fd(1)) };
    let answers = Answers(Arc::new(Mutex::new(output)));
    linux::adopt_orphans();
    linux::set_umask();
    let mut input = BufReader::with_capacity(256 * 1024, input);
    if is_nursery && nursery::take_over(&mut input).is_none() {
        return;
    }
    serve(&mut input, &answers);
    let is_empty = linux::kill_descendants();
    give_back(1);
    // Else nobody may take it for an end: something of the job lives on.
    if is_empty {
        answers.send(&Answer::Finished);
    }
    std::process::exit(0);
}

/// Nothing of the steps lives on, but the container does, for a person to look into.
fn stay(answers: &Answers) -> ! {
    linux::kill_descendants();
    answers.send(&Answer::Finished);
    loop {
        std::thread::park();
    }
}

/// The arguments, from the first that counts, are `UID GID PATH…`: folders of the runner that steps wrote to, perhaps as another user. They are
/// given back at the end, however it comes, so that the runner can remove them.
fn give_back(first: usize) {
    let arguments: Vec<_> = std::env::args_os().skip(first).collect();
    let [uid, gid, paths @ ..] = arguments.as_slice() else { return };
    let number = |text: &std::ffi::OsString| text.to_str().and_then(|text| text.parse().ok());
    if let (Some(uid), Some(gid)) = (number(uid), number(gid)) {
        paths.iter().for_each(|path| user::give(path.as_encoded_bytes(), uid, gid));
    }
}

/// Answers requests until the input ends or the runner has enough.
fn serve(input: &mut BufReader<File>, answers: &Answers) {
    let steps = process::Steps::new(answers.clone());
    let mut user = user::StepUser::agents_own();
    let mut unpacking = files::Unpacking::default();
    let mut frame = Vec::new();
    while let Ok(Some(())) = protocol::read_frame(input, &mut frame) {
        let Ok(request) = Request::decode(&frame) else { return };
        match request {
            Request::Hello { user: name } => match user::StepUser::find(&name) {
                Ok(found) => {
                    user = found;
                    answers.send(&user.ready());
                }
                Err(reason) => answers.send(&Answer::Done { ticket: 0, problem: reason.into_bytes() }),
            },
            Request::Start { step, argv, env, directory, files, collect } => {
                let launch = process::Launch { argv, env, directory, collect };
                let written = files.iter().try_for_each(|(path, content)| files::write(path, 0o755, content, &user));
                match written {
                    Ok(()) => steps.start(step, launch, user.switch()),
                    Err(reason) => answers.send(&Answer::NotStarted { step, reason: reason.into_bytes() }),
                }
            }
            Request::Signal { step, signal } => steps.signal(step, signal),
            Request::Find { ticket, program } => {
                let path = std::env::var_os("PATH").unwrap_or_default();
                let found = search_path::find_program(&path, &OsString::from_vec(program));
                let present = found.is_some();
                let bytes = found.unwrap_or_default().into_os_string().into_vec();
                answers.send(&Answer::Content { ticket, present, bytes });
            }
            Request::Write { ticket, path, mode, content } => {
                done(answers, ticket, files::write(&path, mode, &content, &user))
            }
            Request::Read { ticket, path, limit } => match files::read(&path, limit) {
                Ok(content) => {
                    let present = content.is_some();
                    answers.send(&Answer::Content { ticket, present, bytes: content.unwrap_or_default() });
                }
                Err(problem) => done(answers, ticket, Err(problem)),
            },
            Request::Pack { ticket, root, patterns } => {
                done(answers, ticket, files::pack(ticket, &root, &patterns, answers))
            }
            Request::Unpack { ticket, root } => unpacking.begin(ticket, &root, &user),
            Request::Entry { ticket, entry } => unpacking.entry(ticket, &entry, &user),
            Request::Data { ticket, bytes } => unpacking.data(ticket, &bytes),
            Request::End { ticket } => done(answers, ticket, unpacking.end(ticket)),
            Request::Own { ticket, paths } => {
                done(answers, ticket, paths.iter().try_for_each(|path| user.take_all(path)))
            }
            Request::Relay { ticket, port, socket } => done(answers, ticket, relay::listen(port, &socket)),
            Request::Finish => return,
            // The first of a nursery's agent, and of no other.
            Request::Become { .. } => return,
            Request::Stay => stay(answers),
        }
    }
}

fn done(answers: &Answers, ticket: u32, outcome: Result<(), String>) {
    let problem = outcome.err().unwrap_or_default().into_bytes();
    answers.send(&Answer::Done { ticket, problem });
}
