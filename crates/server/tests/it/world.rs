use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use sluice_model::{RepositoryName, UserName};
use sluice_runner::ExecutorChoice;
use sluice_server::{Options, RegistryOptions, Server};
use sluice_wire::{Client, NewToken, PutAccount, RunDetail, RunQuery, RunState, Secret, ServerVersion};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A server in a folder of its own, and a person's checkout.
pub struct World {
    pub folder: tempfile::TempDir,
    pub url: String,
    pub admin: Client,
    pub repository: RepositoryName,
    stop: Option<oneshot::Sender<()>>,
    serving: Option<JoinHandle<anyhow::Result<()>>>,
}

/// Longer than anything takes on a busy machine.
const WITHIN: Duration = Duration::from_secs(60);

impl World {
    pub async fn start() -> Self {
        Self::with_registry(RegistryOptions::default()).await
    }

    pub async fn with_registry(registry: RegistryOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (url, stop, serving) = serve(Options { registry, ..options(folder.path()) }).await;
        let token = std::fs::read_to_string(folder.path().join("data/admin-token")).unwrap();
        let admin = Client::new(&url, Some(Secret::new(token.trim()))).unwrap();
        let repository = "acme/shop".parse().unwrap();
        let world = Self { folder, url, admin, repository, stop: Some(stop), serving: Some(serving) };
        let tree = world.tree();
        std::fs::create_dir_all(&tree).unwrap();
        git(&tree, &["init", "--quiet", "--initial-branch=master"]).unwrap();
        git(&tree, &["config", "user.name", "Ann"]).unwrap();
        git(&tree, &["config", "user.email", "ann@example.com"]).unwrap();
        world
    }

    /// Ends the server in its orderly way and starts it again on the same folder, at another address.
    pub async fn restart(&mut self) {
        self.end().await;
        let (url, stop, serving) = serve(options(self.folder.path())).await;
        let token = std::fs::read_to_string(self.folder.path().join("data/admin-token")).unwrap();
        self.admin = Client::new(&url, Some(Secret::new(token.trim()))).unwrap();
        (self.url, self.stop, self.serving) = (url, Some(stop), Some(serving));
    }

    pub async fn end(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).unwrap();
        }
        if let Some(serving) = self.serving.take() {
            serving.await.unwrap().unwrap();
        }
    }

    pub fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.tree().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub async fn token(&self) -> String {
        let token = std::fs::read_to_string(self.folder.path().join("data/admin-token")).unwrap();
        token.trim().to_owned()
    }

    /// Commits everything and pushes it as the administrator. Gives what git said.
    pub async fn push(&self) -> Result<String, String> {
        let token = self.token().await;
        self.push_as("admin", &token).await
    }

    pub async fn push_as(&self, user: &str, token: &str) -> Result<String, String> {
        let tree = self.tree();
        git(&tree, &["add", "--all"]).unwrap();
        git(&tree, &["commit", "--quiet", "--allow-empty", "-m", "Change the shop"]).unwrap();
        self.push_ref_as(user, token, "HEAD").await
    }

    /// Pushes what is committed: a ref, or `--all`.
    pub async fn push_refs(&self, refs: &'static str) -> Result<String, String> {
        let token = self.token().await;
        self.push_ref_as("admin", &token, refs).await
    }

    async fn push_ref_as(&self, user: &str, token: &str, refs: &'static str) -> Result<String, String> {
        let tree = self.tree();
        let address = self.url.strip_prefix("http://").unwrap();
        let url = format!("http://{user}:{token}@{address}/{}.git", self.repository);
        tokio::task::spawn_blocking(move || git(&tree, &["push", &url, refs])).await.unwrap()
    }

    /// A new account, and a client that acts as it.
    pub async fn account(&self, name: &str, access: &str, groups: &[&str]) -> Client {
        let name = UserName::new(name);
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let account = PutAccount { name: name.clone(), access: access.to_owned(), groups };
        self.admin.put_account(&account).await.unwrap();
        let token = self.admin.new_token(&name, &NewToken { label: "test".to_owned() }).await.unwrap();
        Client::new(&self.url, Some(token.token)).unwrap()
    }

    /// Waits until a run is as it should be.
    pub async fn wait(&self, number: u64, what: &str, is: impl Fn(&RunDetail) -> bool) -> RunDetail {
        let until = Instant::now() + WITHIN;
        loop {
            let run = self.admin.run(&self.repository, number).await;
            match run {
                Ok(run) if is(&run) => return run,
                other => assert!(Instant::now() < until, "not {what} in time: {other:#?}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn ended(&self, number: u64) -> RunDetail {
        self.wait(number, "ended", |run| run.run.state.is_ended()).await
    }

    pub async fn waiting(&self, number: u64) -> RunDetail {
        self.wait(number, "waiting", |run| run.run.state == RunState::Waiting).await
    }

    pub async fn runs(&self) -> Vec<u64> {
        let runs = self.admin.runs(&self.repository, &RunQuery::default()).await.unwrap();
        runs.iter().map(|run| run.number).collect()
    }

    pub async fn log(&self, number: u64, instance: &str) -> String {
        use futures_util::StreamExt as _;
        let Ok(instance) = instance.parse();
        let log = self.admin.log(&self.repository, number, &instance, 1, true).await.unwrap();
        let chunks: Vec<_> = log.collect().await;
        chunks.into_iter().map(|chunk| String::from_utf8_lossy(&chunk.unwrap()).into_owned()).collect()
    }
}

/// How the server of a world's folder is started.
pub fn options(folder: &Path) -> Options {
    let version =
        ServerVersion { version: "1".to_owned(), commit: "c".to_owned(), description: "test".to_owned() };
    let mut options = Options::new(folder.join("data"), folder.join("no-binary"), version);
    options.listen = "127.0.0.1:0".parse().unwrap();
    options.executor = ExecutorChoice::Host;
    // However few processors the machine has: some tests have jobs wait for each other.
    options.jobs = Some(8);
    options
}

async fn serve(options: Options) -> (String, oneshot::Sender<()>, JoinHandle<anyhow::Result<()>>) {
    let server = Server::start(options).await.unwrap();
    let url = server.url().to_owned();
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(server.run_until(async move {
        let _ = stopped.await;
    }));
    (url, stop, serving)
}

/// What git wrote; as an error where it failed.
pub fn git(folder: &Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(text) } else { Err(text) }
}
