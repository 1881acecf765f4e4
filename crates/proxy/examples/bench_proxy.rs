//! The proxy against nginx on the same machine, in one run: `cargo run --release -p sluice-proxy --example bench_proxy`.
//!
//! The proxy under test has one worker, pinned to the first processor; the instance (nginx with a fixed answer of
//! 1 KiB) and wrk with 64 connections share the second. Rounds take turns, so that a machine that is busy with
//! something else is so for all of them; medians and ratios are what counts. Needs nginx, wrk and taskset.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sluice_proxy::{Control, Drain, Install, OpenRoute, Options, RouteKey, serve};

const ROUNDS: usize = 5;
const SECONDS: &str = "3";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [verb, flag, state] = args.as_slice()
        && verb == "proxy"
        && flag == "--state"
    {
        serve(Options { workers: 1, ..Options::new(state) }).await.expect("the proxy under test");
        return;
    }
    bench().await;
}

async fn bench() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut children = Children(Vec::new());
    let instances = [free_port(), free_port()];
    for port in instances {
        children.0.push(nginx(folder.path(), port, "1", "return 200", None));
    }
    let nginx_proxy = free_port();
    children.0.push(nginx(folder.path(), nginx_proxy, "0", "proxy_pass http://instance", Some(instances[0])));

    let state = folder.path().join("proxy");
    let program = std::env::current_exe().expect("this program");
    let proxy = pinned("0", &program).arg("proxy").arg("--state").arg(&state).spawn().expect("the proxy");
    children.0.push(proxy);
    let control = Control::new(&state);
    while control.status().await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let key = RouteKey::new("bench").expect("a name");
    let opened = control.open(vec![OpenRoute { key: key.clone(), port: None, also_on: Vec::new() }]).await;
    let sluice_proxy = opened.expect("a route")[0].port;
    let address = |index: usize| SocketAddr::from(([127, 0, 0, 1], instances[index % 2]));
    let install = |index: usize| {
        vec![Install { key: key.clone(), generation: index as u64 + 1, upstreams: vec![address(index)] }]
    };
    control.install(install(0)).await.expect("an install");

    let mut rounds = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (results, port) in rounds.iter_mut().zip([instances[0], nginx_proxy, sluice_proxy]) {
            results.push(wrk(port, SECONDS).wait());
        }
    }
    println!("one worker, 64 connections, 1 KiB; medians of {ROUNDS} rounds of {SECONDS} s");
    let [direct, nginx, sluice] = rounds.map(|results| {
        assert!(results.iter().all(|result| result.failures == 0), "requests failed: {results:?}");
        (
            median(results.iter().map(|result| result.requests_a_second)),
            median(results.iter().map(|result| result.p99_ms)),
        )
    });
    for (name, (rate, p99)) in [("direct", direct), ("nginx", nginx), ("sluice", sluice)] {
        println!("  {name:<7} {rate:>9.0} requests/s   p99 {p99:>6.2} ms   {:.2} of nginx", rate / nginx.0);
    }

    let load = wrk(sluice_proxy, "6");
    let mut switches = Vec::new();
    for index in 1..=20 {
        tokio::time::sleep(Duration::from_millis(250)).await;
        let began = Instant::now();
        control.install(install(index)).await.expect("a switch");
        switches.push(began.elapsed().as_secs_f64() * 1000.0);
        let old = Drain { key: key.clone(), upstreams: vec![address(index - 1)], deadline_ms: 5000 };
        control.drain(vec![old]).await.expect("a drain");
    }
    let result = load.wait();
    let (median, worst) = (median(switches.iter().copied()), switches.iter().copied().fold(0.0, f64::max));
    println!(
        "20 switches under that load: {median:.1} ms each (worst {worst:.1}), {} of {} requests failed",
        result.failures, result.requests
    );
}

/// Ends what it holds, also when an assertion fails.
struct Children(Vec<Child>);

impl Drop for Children {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn pinned(processor: &str, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(processor).arg(program).stdin(Stdio::null());
    command
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// One process, no master, so that killing it ends it.
fn nginx(folder: &Path, port: u16, processor: &str, does: &str, instance: Option<u16>) -> Child {
    let upstream = instance.map_or(String::new(), |port| {
        format!("upstream instance {{ server 127.0.0.1:{port}; keepalive 256; }}")
    });
    let action = match instance {
        Some(_) => format!("{does}; proxy_http_version 1.1; proxy_set_header Connection '';"),
        None => format!("{does} '{}';", "x".repeat(1024)),
    };
    let config = format!(
        "daemon off; master_process off; pid {port}.pid; error_log stderr crit; events {{ worker_connections 4096; }}
         http {{ access_log off; keepalive_requests 1000000000; client_body_temp_path b{port}; proxy_temp_path p{port};
         fastcgi_temp_path f{port}; uwsgi_temp_path u{port}; scgi_temp_path s{port}; {upstream}
         server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ {action} }} }} }}"
    );
    let file = folder.join(format!("{port}.conf"));
    std::fs::write(&file, config).expect("the configuration of nginx");
    let mut command = pinned(processor, Path::new("nginx"));
    let child = command.arg("-p").arg(folder).arg("-c").arg(file).spawn().expect("nginx");
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

struct Load(Child);

#[derive(Debug)]
struct Measured {
    requests: u64,
    requests_a_second: f64,
    p99_ms: f64,
    failures: u64,
}

fn wrk(port: u16, seconds: &str) -> Load {
    let mut command = pinned("1", Path::new("wrk"));
    command.args(["-t1", "-c64", "--latency", "-d", seconds]).arg(format!("http://127.0.0.1:{port}/"));
    Load(command.stdout(Stdio::piped()).spawn().expect("wrk"))
}

impl Load {
    fn wait(self) -> Measured {
        let output = self.0.wait_with_output().expect("wrk's output");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let words = |start: &str| {
            let line = text.lines().map(str::trim).find(|line| line.starts_with(start))?;
            Some(
                line[start.len()..]
                    .split([' ', ','])
                    .filter(|word| !word.is_empty())
                    .map(str::to_owned)
                    .collect(),
            )
        };
        let number =
            |start: &str| words(start).and_then(|words: Vec<String>| words.first()?.parse::<f64>().ok());
        let socket_errors: Vec<String> = words("Socket errors:").unwrap_or_default();
        let socket_errors: u64 = socket_errors.iter().filter_map(|word| word.parse::<u64>().ok()).sum();
        let p99 = words("99%").and_then(|words: Vec<String>| words.first().cloned()).unwrap_or_default();
        let requests = text.lines().find_map(|line| line.trim().split_once(" requests in ")?.0.parse().ok());
        Measured {
            requests: requests.unwrap_or(0),
            requests_a_second: number("Requests/sec:").unwrap_or(0.0),
            p99_ms: match p99.strip_suffix("us") {
                Some(micros) => micros.parse().unwrap_or(0.0) / 1000.0,
                None => match p99.strip_suffix("ms") {
                    Some(millis) => millis.parse().unwrap_or(0.0),
                    None => p99.trim_end_matches('s').parse().unwrap_or(0.0) * 1000.0,
                },
            },
            failures: socket_errors + number("Non-2xx or 3xx responses:").unwrap_or(0.0) as u64,
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
