use std::process::ExitCode;

/// What a verb's end means to the shell that called it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    /// The pipeline or the deployment failed, or `check` found something.
    Failed,
    /// Usage, or a file that cannot be read.
    Usage,
    /// Something waits for a person, and the caller said not to wait.
    Waiting,
    /// What another program that ran in this one's place ended with.
    Of(u8),
    /// A signal of this number cancelled it: 128 and the number.
    Signalled(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Waiting => 3,
            Exit::Of(code) => code,
            Exit::Signalled(signal) => 128_u8.saturating_add(signal),
        })
    }
}

/// Prints an error with its causes, and says what it means to the shell: what the server refused has failed, and what a
/// verb could not even begin is a usage error.
pub fn explain(error: &anyhow::Error) -> Exit {
    anstream::eprintln!("error: {error:#}");
    match error.downcast_ref::<sluice_wire::ClientError>() {
        Some(sluice_wire::ClientError::Refused { .. }) => Exit::Failed,
        _ => Exit::Usage,
    }
}

/// `sluice runs | head -1`: when the reader of the output goes away, so does the verb, without a word.
pub fn end_with_the_reader() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // What `println!` and clap_complete say; there is no error to look at (std::io::_print).
        let message = panic.payload().downcast_ref::<String>().map_or("", String::as_str);
        if message.contains("Broken pipe") {
            std::process::exit(0);
        }
        usual(panic);
    }));
}
