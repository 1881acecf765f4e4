//! The registry alone, for the conformance suite, measurements and tests of crashes.
//!
//! `serve FOLDER [ADDRESS]`: open to all, on 127.0.0.1:5000 when no address is given. It prints the address that it
//! listens on. With `SERVE_USER` and `SERVE_PASSWORD`, everything needs these credentials. With `SERVE_COLLECT`, it
//! removes garbage all the time.

use std::sync::Arc;
use std::time::Duration;

use axum::serve::ListenerExt;
use futures_util::future::BoxFuture;
use sluice_registry::garbage::Keeping;
use sluice_registry::{
    Access, AccessRequest, Credentials, NoEvents, OpenToAll, Options, Pusher, Registry, RegistryError,
    Verdict, router,
};

struct OneUser {
    username: String,
    password: String,
}

impl Access for OneUser {
    fn authorize<'a>(
        &'a self,
        credentials: Option<&'a Credentials>,
        _request: &'a AccessRequest,
    ) -> BoxFuture<'a, Verdict> {
        let verdict = match credentials {
            Some(Credentials::Basic { username, password })
                if *username == self.username && *password == self.password =>
            {
                Verdict::Allowed { by: Pusher::new(username) }
            }
            _ => Verdict::Unauthorized,
        };
        Box::pin(std::future::ready(verdict))
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: serve FOLDER [ADDRESS]")?;
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:5000".to_owned());
    let access: Arc<dyn Access> = match (std::env::var("SERVE_USER"), std::env::var("SERVE_PASSWORD")) {
        (Ok(username), Ok(password)) => Arc::new(OneUser { username, password }),
        _ => Arc::new(OpenToAll),
    };
    let registry = Registry::open(folder, Options::new(access, Arc::new(NoEvents))).await?;
    if std::env::var_os("SERVE_COLLECT").is_some() {
        tokio::spawn(collect(registry.clone()));
    }
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("{}", listener.local_addr()?);
    // Small answers leave at once. Where this cannot be set, they are only slower.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    axum::serve(listener, router(registry)).await?;
    Ok(())
}

async fn collect(registry: Arc<Registry>) -> Result<(), RegistryError> {
    loop {
        for repository in registry.known_repositories().await? {
            registry.collect(&repository, &Keeping::default()).await?;
        }
        registry.sweep_uploads(Duration::from_secs(60)).await?;
        registry.sweep(Duration::ZERO).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
