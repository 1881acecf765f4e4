//! A small HTTP service for the tests of rollouts. Standard library only, so that it also builds to one static file.
//!
//! `release.txt` in its working folder holds its version and commit. `BEHAVIOUR` makes it misbehave.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::exit;
use std::time::{Duration, Instant};

fn main() {
    let started = Instant::now();
    let behaviour = env::var("BEHAVIOUR").unwrap_or_default();
    if behaviour == "crash" {
        println!("reading the configuration");
        eprintln!("cannot open the database");
        exit(3);
    }
    let port: u16 = env::var("PORT").expect("PORT is not set").parse().expect("PORT is no port");
    let listener = TcpListener::bind(("0.0.0.0", port)).expect("cannot listen");
    println!("listening on {port}");
    for stream in listener.incoming().flatten() {
        let behaviour = behaviour.clone();
        std::thread::spawn(move || serve(stream, started, &behaviour));
    }
}

/// Answers one connection's requests, one after the other.
fn serve(stream: TcpStream, started: Instant, behaviour: &str) -> Option<()> {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let path = line.split(' ').nth(1)?.to_owned();
        let mut closes = false;
        loop {
            line.clear();
            reader.read_line(&mut line).ok()?;
            closes |= line.trim().eq_ignore_ascii_case("connection: close");
            if line.trim().is_empty() {
                break;
            }
        }
        let (status, body) = answer(&path, started, behaviour);
        let length = body.len();
        write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}").ok()?;
        if closes {
            return None;
        }
    }
}

fn answer(path: &str, started: Instant, behaviour: &str) -> (&'static str, String) {
    let release = fs::read_to_string("release.txt").unwrap_or_default();
    let mut words = release.split_whitespace();
    let (version, commit) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    match path.split_once('?').unwrap_or((path, "")) {
        ("/healthz", _) if behaviour == "sick" => ("503 Service Unavailable", "no database".to_owned()),
        ("/healthz", _) if behaviour == "late" && started.elapsed() < Duration::from_millis(300) => {
            ("503 Service Unavailable", "warming up".to_owned())
        }
        ("/healthz", _) => ("200 OK", "well".to_owned()),
        ("/version", _) => ("200 OK", format!(r#"{{"version":"{version}","commit":"{commit}"}}"#)),
        ("/env", name) => ("200 OK", env::var(name).unwrap_or_default()),
        ("/peer", name) => match ask(&env::var(name).unwrap_or_default()) {
            Some(body) => ("200 OK", body),
            None => ("502 Bad Gateway", "the peer did not answer".to_owned()),
        },
        ("/slow", ms) => {
            std::thread::sleep(Duration::from_millis(ms.parse().unwrap_or(0)));
            ("200 OK", version.to_owned())
        }
        ("/die", _) => {
            eprintln!("told to die");
            exit(7);
        }
        _ => ("200 OK", version.to_owned()),
    }
}

/// The body that `http://host:port` answers.
fn ask(url: &str) -> Option<String> {
    let host = url.strip_prefix("http://")?;
    let mut stream = TcpStream::connect(host).ok()?;
    write!(stream, "GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
}
