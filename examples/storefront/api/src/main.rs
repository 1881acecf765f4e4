use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;

use storefront_api::config::Config;
use storefront_api::store::Store;
use storefront_api::{routes, telemetry};

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
    telemetry::log_to_stdout(config.log_level);
    match serve(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            tracing::error!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// Listens at once, so that it can say that it is not ready yet; ends when it is told to, after the requests in flight.
async fn serve(config: Config) -> Result<(), String> {
    let metrics = telemetry::count_for_prometheus().map_err(|error| error.to_string())?;
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, config.port));
    let listener =
        tokio::net::TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    let store = Store::new(config.database.clone());
    let migration = tokio::spawn({
        let store = store.clone();
        async move { store.migrate().await }
    });
    tracing::info!(version = config.build.version, commit = config.build.commit, address = %address, "listening");
    let router = routes::router(config, store.clone(), metrics);
    let served = axum::serve(listener, router).with_graceful_shutdown(told_to_stop()).await;
    migration.abort();
    store.close().await;
    tracing::info!("stopped");
    served.map_err(|error| error.to_string())
}

/// For the image's HEALTHCHECK, which has no shell and no curl: asks the server beside it.
fn health(port: u16) -> ExitCode {
    use std::io::{Read, Write};
    let ask = || {
        let mut stream = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
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
