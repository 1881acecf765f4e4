use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sluice_docker::{Engine, Labels};
use sluice_model::Conclusion::Failure;
use sluice_model::RunId;
use sluice_plan::{Action, Container, Executor, Named, Template};
use sluice_wire::{Secret, ServerAccess};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{TINY, World, circle, circleci, github, run, step, steps_of, template, uses};

fn tiny_as(user: &str) -> Container {
    Container { user: Some(user.to_owned()), ..Container::of_image(Template::literal(TINY)) }
}

#[tokio::test]
async fn steps_run_as_the_images_user_and_own_their_files() {
    let Some(world) = World::docker().await else { return };
    let mut order = circleci(vec![
        step(Action::Checkout { path: None }),
        circle("id -un; echo $HOME $FROM_IMAGE; echo x > new; stat -c %U hello.txt new; pwd"),
        step(Action::PersistToWorkspace {
            root: Template::literal("."),
            paths: vec![Template::literal("new")],
        }),
    ]);
    steps_of(&mut order).executor = Executor::Docker { container: tiny_as("dev") };
    let done = world.run(order).await;
    done.succeeded();
    assert_eq!(done.output(2), "dev\n/home/dev yes\ndev\ndev\n/home/dev/project\n");
    let mut unknown = circleci(vec![circle("true")]);
    steps_of(&mut unknown).executor = Executor::Docker { container: tiny_as("nobody-here") };
    let done = world.run(unknown).await;
    assert!(done.report.problem.unwrap().contains("no user `nobody-here`"));
}

#[tokio::test]
async fn a_container_job_of_github_has_its_own_folders() {
    let Some(world) = World::docker().await else { return };
    let mut order = github(vec![
        uses("actions/checkout@v4", &[]),
        run(
            "pwd; echo $HOME $RUNNER_TEMP; cat hello.txt; test -f $GITHUB_EVENT_PATH && echo event ${{ job.container.network }}",
        ),
    ]);
    let mut container = Container::of_image(template(TINY));
    container.options = Some(template("--hostname inside --cpus 1"));
    steps_of(&mut order).executor =
        Executor::Labels { labels: vec![template("any")], group: None, container: Some(container) };
    let done = world.run(order).await;
    done.succeeded();
    assert_eq!(done.output(2), "/__w/store/store\n/github/home /__w/_temp\nhello\nevent bridge\n");
}

#[tokio::test]
async fn an_image_that_is_not_there_is_named_with_the_next_step() {
    let Some(world) = World::docker().await else { return };
    let mut order = circleci(vec![circle("true")]);
    let container = Container::of_image(Template::literal("127.0.0.1:1/absent/image:1"));
    steps_of(&mut order).executor = Executor::Docker { container };
    let done = world.run(order).await;
    let problem = done.report.problem.unwrap();
    assert_eq!(done.report.conclusion, Failure);
    assert!(problem.contains("127.0.0.1:1/absent/image:1") && problem.contains("--image"), "{problem}");
}

#[tokio::test]
async fn a_step_in_a_container_reaches_the_server_on_this_machines_loopback() {
    let Some(world) = World::docker().await else { return };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let mut line = [0; 5];
            connection.read_exact(&mut line).await.unwrap();
            connection.write_all(b"pong\n").await.unwrap();
        }
    });
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; echo ping >&3; cat <&3; echo $SLUICE_URL");
    let mut order = circleci(vec![circle(&script), circle(&script)]);
    order.server = Some(ServerAccess {
        url: format!("http://127.0.0.1:{port}"),
        token: Secret::new("job-token-1"),
        repository: None,
    });
    let done = world.run(order).await;
    done.succeeded();
    assert_eq!(done.output(1), format!("pong\nhttp://127.0.0.1:{port}\n"));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn services_answer_on_localhost_or_by_name() {
    let Some(world) = World::docker().await else { return };
    let mut service = Container::of_image(Template::literal(TINY));
    service.entrypoint = Some(vec!["/bin/bash".to_owned(), "-c".to_owned()]);
    service.command = Some(vec!["while :; do sleep 1; done".to_owned()]);
    let mut order = circleci(vec![circle("cat /etc/hosts")]);
    steps_of(&mut order).services = vec![Named::new("db", service.clone())];
    let done = world.run(order).await;
    done.succeeded();
    assert!(done.output(1).contains("127.0.0.1\tdb"), "{}", done.all());

    let mut order =
        github(vec![run("exec 3<>/dev/udp/db/9 && echo resolved ${{ job.services.db.network != '' }}")]);
    steps_of(&mut order).services = vec![Named::new("db", service)];
    let done = world.run(order).await;
    assert!(done.all().contains("Service db is up"), "{}", done.all());
}

/// A service that says its name to everybody who connects to its port 6379.
fn speaking(name: &str, port: &str) -> Named<Container> {
    let script = r#"socket(S, 2, 1, 0); bind(S, pack("S n x12", 2, 6379)) or die; listen(S, 9);
        while (accept(C, S)) { syswrite(C, "$ARGV[0]\n"); close(C) }"#;
    let mut service = Container::of_image(Template::literal(TINY));
    service.entrypoint = Some(["/usr/bin/perl", "-e", script, name].map(str::to_owned).to_vec());
    service.ports = vec![template(port)];
    Named::new(name, service)
}

/// What the service at `address` says, once it listens.
fn hear(address: &str) -> String {
    let (host, port) = address.split_once(':').unwrap();
    format!("until exec 3<>/dev/tcp/{host}/{port} && read -r said <&3; do sleep 0.1; done; echo $said")
}

#[tokio::test]
async fn a_label_in_an_image_has_the_ports_of_services_on_its_own_localhost() {
    let Some(world) = World::docker().await else { return };
    // Somebody has the number on this machine, and so has another job, in its own localhost.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let free = "127.0.0.1:${{ job.services.free.ports[6379] }}";
    let of_job = |number: u64, name: &str| {
        let mut order = github(vec![
            run(&format!(
                "echo ${{{{ job.services.{name}.ports[6379] }}}}; {}",
                hear(&format!("localhost:{port}"))
            )),
            run(&hear(free)),
            run(&hear(&format!("{name}:6379"))),
        ]);
        order.run = RunId(number);
        steps_of(&mut order).services =
            vec![speaking(name, &format!("{port}:6379")), speaking("free", "6379")];
        order
    };
    let (one, other) = tokio::join!(world.run(of_job(1, "one")), world.run(of_job(2, "other")));
    for (done, name) in [(one, "one"), (other, "other")] {
        done.succeeded();
        assert_eq!(done.output(1), format!("{port}\n{name}\n"));
        assert_eq!((done.output(2), done.output(3)), ("free\n".to_owned(), format!("{name}\n")));
    }

    // Two services cannot have one number of a localhost.
    let mut order = github(vec![run("true")]);
    steps_of(&mut order).services = ["a", "b"].map(|name| speaking(name, &format!("{port}:6379"))).to_vec();
    let problem = world.run(order).await.report.problem.unwrap();
    assert!(problem.contains("service `b`") && problem.contains(&port.to_string()), "{problem}");

    // A job whose own file names its container has services by their names alone.
    let by_name = format!("bash -c '{}'", hear("free:6379"));
    let on_localhost = format!("! bash -c 'exec 3<>/dev/tcp/{}'", free.replace(':', "/"));
    let mut order = github(vec![run(&by_name), run(&on_localhost)]);
    let container = Some(Container::of_image(template(TINY)));
    steps_of(&mut order).executor =
        Executor::Labels { labels: vec![template("ubuntu-latest")], group: None, container };
    steps_of(&mut order).services = vec![speaking("free", "6379")];
    world.run(order).await.succeeded();
}

#[tokio::test]
async fn nothing_of_a_job_is_left_in_the_engine() {
    let Some(world) = World::docker().await else { return };
    world.run(circleci(vec![circle("sleep 600 & exit 1")])).await;
    let engine = Engine::connect().await.unwrap();
    let owner = std::fs::read_to_string(world.data().join("runner/owner")).unwrap();
    let left = engine.list_containers(&Labels::of_owner(owner.trim())).await.unwrap();
    assert!(left.is_empty(), "{left:?}");
    let jobs: Vec<_> = std::fs::read_dir(world.data().join("runner/live")).unwrap().flatten().collect();
    let folders =
        std::fs::read_dir(jobs[0].path()).unwrap().flatten().filter(|entry| entry.path().is_dir()).count();
    assert_eq!((jobs.len(), folders), (1, 0));
}

#[tokio::test]
async fn the_hosts_engine_is_given_only_to_a_job_that_asks_and_may() {
    let Some(world) = World::docker().await else { return };
    let ask = step(Action::SetupRemoteDocker { version: None, layer_caching: false });
    let look = circle("if [ -S /var/run/docker.sock ]; then echo given; else echo none; fi");
    for (asks, may, want) in [(true, true, "given\n"), (false, true, "none\n"), (false, false, "none\n")] {
        let mut order = circleci(if asks { vec![look.clone(), ask.clone()] } else { vec![look.clone()] });
        order.allow_host_docker = may;
        let done = world.run(order).await;
        done.succeeded();
        assert_eq!(done.output(1), want, "asks {asks}, may {may}");
    }
    // It is not the engine's own socket, by which what steps make would not be known, and the image's user may use it.
    let mut order = circleci(vec![circle("stat -Lc '%i %a' /var/run/docker.sock"), ask.clone()]);
    order.allow_host_docker = true;
    let done = world.run(order).await;
    let said = done.output(1);
    let (inode, mode) = said.trim().split_once(' ').unwrap();
    let own = std::fs::metadata(Engine::connect().await.unwrap().socket().unwrap()).unwrap();
    assert_ne!(inode, std::os::unix::fs::MetadataExt::ino(&own).to_string());
    assert_eq!(mode, "666");
    let refused = world.run(circleci(vec![ask])).await;
    assert!(refused.all().contains("--allow-host-docker"), "{}", refused.all());
}

#[tokio::test]
async fn a_cancel_while_the_container_starts_leaves_nothing() {
    let Some(world) = World::docker().await else { return };
    let cancel = tokio_util::sync::CancellationToken::new();
    let trigger = cancel.clone();
    let done = world
        .run_until(circleci(vec![circle("echo never")]), cancel, move |event| {
            if format!("{event:?}").contains("Spin up") {
                trigger.cancel();
            }
        })
        .await;
    assert_eq!(done.output(1), "");
    let engine = Engine::connect().await.unwrap();
    let owner = std::fs::read_to_string(world.data().join("runner/owner")).unwrap();
    let labels = Labels::of_owner(owner.trim());
    let wait = async {
        while !engine.list_containers(&labels).await.unwrap().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), wait).await.expect("a container was left");
}
