//! The proxy alone: `proxy_process proxy --state DIR [WORKERS]`. Tests and benchmarks start it as `sluice` is started.

use std::process::ExitCode;

use sluice_proxy::{Options, serve};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [verb, flag, state, rest @ ..] = args.as_slice() else {
        eprintln!("usage: proxy_process proxy --state DIR [WORKERS]");
        return ExitCode::from(2);
    };
    if verb != "proxy" || flag != "--state" {
        eprintln!("usage: proxy_process proxy --state DIR [WORKERS]");
        return ExitCode::from(2);
    }
    let workers = rest.first().and_then(|count| count.parse().ok()).unwrap_or(0);
    match serve(Options { workers, ..Options::new(state) }).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
