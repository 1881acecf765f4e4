use sluice_model::Conclusion::{Failure, Success};
use sluice_wire::{JobEvent, Level};

use crate::world::{Done, StepExt, World, github, run, secret, uses};

const ESLINT: &str = r#"cat > eslint.json <<'E'
{"problemMatcher": [{"owner": "eslint-stylish", "pattern": [
  {"regexp": "^([^\\s].*)$", "file": 1},
  {"regexp": "^\\s+(\\d+):(\\d+)\\s+(error|warning|info)\\s+(.*)\\s\\s+(.*)$",
   "line": 1, "column": 2, "severity": 3, "message": 4, "code": 5, "loop": true}]}]}
E
echo ::add-matcher::eslint.json"#;

/// `Error 2 hello.txt:7 what it says` for each.
fn annotations(done: &Done) -> Vec<String> {
    let shown = |event: &JobEvent| match event {
        JobEvent::Annotation { step, level, message, file, line } => {
            let line = line.map_or("-".to_owned(), |line| line.to_string());
            Some(format!("{level:?} {step} {}:{line} {message}", file.as_deref().unwrap_or_default()))
        }
        _ => None,
    };
    done.events.iter().filter_map(shown).collect()
}

#[tokio::test]
async fn matched_lines_become_annotations_from_the_next_line_on_to_the_end_of_the_job() {
    for world in World::both().await {
        let mut order = github(vec![
            uses("actions/checkout@v4", &[]),
            run(&format!(
                "echo hello.txt\necho '  1:1  error  before  x'\n{ESLINT}\necho hello.txt; echo '  7:3  error  no TOKEN  no-token'"
            )),
            run(
                "printf '\\033[4mhello.txt\\033[0m\\n  8:1  warning  see s3cret-value  rule\\n  9:1  info  nothing  rule\\n'; echo none.txt; echo '  1:1  error  absent  y'",
            ),
            run(
                "echo '::remove-matcher owner=ESLINT-stylish::'; echo hello.txt; echo '  9:1  error  removed  x'",
            ),
        ]);
        secret(&mut order, "TOKEN", "s3cret-value");
        let done = world.run(order).await;
        done.succeeded();
        assert_eq!(
            annotations(&done),
            ["Error 2 hello.txt:7 no TOKEN", "Warning 3 hello.txt:8 see ***", "Error 3 :1 absent"]
        );
        assert_eq!(
            done.output(2),
            "hello.txt\n  1:1  error  before  x\nhello.txt\n##[error]  7:3  error  no TOKEN  no-token\n"
        );
        assert!(done.output(3).contains("##[warning]  8:1  warning  see ***  rule\n"), "{}", done.all());
        assert_eq!(done.output(4), "hello.txt\n  9:1  error  removed  x\n");
    }
}

#[tokio::test]
async fn a_file_that_is_no_matcher_fails_the_step_and_says_why() {
    for world in World::both().await {
        let matcher = |regexp: &str| {
            format!(
                r#"echo '{{"problemMatcher": [{{"owner": "x", "pattern": [{{"regexp": "{regexp}", "message": 1}}]}}]}}' > x.json; echo ::add-matcher::x.json"#
            )
        };
        let done = world
            .run(github(vec![
                run("echo ::add-matcher::absent.json").goes_on(),
                run("ln -s /etc/passwd link.json; echo ::add-matcher::link.json").goes_on(),
                run(&matcher("(?<=a+)(b")).goes_on(),
                run(&format!("{}; echo ::remove-matcher::x.json; echo plain", matcher("(.*)"))),
                run("mkdir folder.json; echo ::add-matcher::folder.json"),
            ]))
            .await;
        assert_eq!(done.report.conclusion, Failure, "{}", done.all());
        let outcomes: Vec<_> = done.outcomes().into_iter().map(|(_, outcome, _)| outcome).collect();
        assert_eq!(outcomes, [Failure, Failure, Failure, Success, Failure], "{}", done.all());
        let first = "##[error]Unable to process command '::add-matcher::absent.json' successfully.";
        assert!(done.output(1).starts_with(first), "{}", done.output(1));
        assert!(!done.all().contains("root:x:0"), "{}", done.all());
        assert!(
            done.output(3).contains("is not a regular expression that can be run here"),
            "{}",
            done.output(3)
        );
        assert_eq!(done.output(4), "plain\n");
        assert!(done.output(5).contains("it is not a file"), "{}", done.output(5));
        assert_eq!(annotations(&done).len(), 4, "{}", done.all());
    }
}

#[tokio::test]
async fn a_step_keeps_ten_annotations_of_a_level() {
    let world = World::host().await;
    let done = world
        .run(github(vec![run("for i in $(seq 30); do echo ::error::e$i; echo ::notice::n$i; done")]))
        .await;
    let of = |level: Level| {
        let found = done.events.iter();
        found.filter(|event| matches!(event, JobEvent::Annotation { level: at, .. } if *at == level)).count()
    };
    assert_eq!((of(Level::Error), of(Level::Notice)), (10, 10));
    assert!(done.output(1).contains("##[error]e30"), "every line is shown");
}
