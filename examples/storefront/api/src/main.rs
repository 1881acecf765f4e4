//! The storefront's API: a greeting, who it is, and whether it is well.

mod config;
mod routes;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use config::Config;

#[tokio::main]
async fn main() -> ExitCode {
    let config = match Config::read(|name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(problems) => {
            for problem in problems {
                eprintln!("api: {problem}");
            }
            return ExitCode::from(2);
        }
    };
    if std::env::args().nth(1).as_deref() == Some("--health") {
        return health(config.port);
    }
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, config.port));
    let listener = match tokio::net::TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("api: cannot listen on {address}: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("api {} ({}) listens on {address}", config.version, config.commit);
    match axum::serve(listener, routes::router(config)).with_graceful_shutdown(told_to_stop()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("api: {error}");
            ExitCode::FAILURE
        }
    }
}

/// For the image's HEALTHCHECK, which has no shell and no curl: asks the server beside it.
fn health(port: u16) -> ExitCode {
    use std::io::{Read, Write};
    let ask = || {
        let mut stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    match ask() {
        Ok(answer) if answer.starts_with(b"HTTP/1.1 200") => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        }
        Err(_) => std::future::pending().await,
    }
}
