//! `sluice run` as a person at a terminal has it.

use std::time::{Duration, Instant};

use crate::repository::Repository;
use crate::terminal::Terminal;

const CTRL_C: &str = "\x03";

fn workflow(jobs: &str) -> Repository {
    Repository::with(&[(".github/workflows/ci.yml", &format!("name: CI\non: push\njobs:\n{jobs}"))])
}

fn run(repository: &Repository, more: &[&str]) -> Terminal {
    Terminal::start(repository.command(&[&["run", "--runner", "host"], more].concat()), 80, 24)
}

#[test]
fn ctrl_c_cancels_and_steps_that_are_always_run_still_do() {
    let repository = workflow(concat!(
        "  wait:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ready; exec sleep 1000\n",
        "      - run: echo cleaned up\n        if: always()\n",
        "      - run: echo never\n",
        "  later:\n    needs: wait\n    runs-on: ubuntu-latest\n    steps: [{ run: echo never }]\n",
    ));
    let mut terminal = run(&repository, &[]);
    terminal.await_text("wait | ready");
    terminal.press(CTRL_C);
    let (code, text) = terminal.end();
    assert_eq!(code, Some(130), "{text}");
    for words in ["cancelling: jobs stop in their own way", "wait | cleaned up", "⊘ wait", "⊘ CI cancelled"]
    {
        assert!(text.contains(words), "`{words}` is not in:\n{text}");
    }
    assert!(!text.contains("| never"), "{text}");
    assert!(repository.sluice(&["runs"]).stdout.contains("⊘ cancelled"));
}

#[test]
fn a_second_ctrl_c_kills_at_once() {
    let marker = format!("93{:05}", std::process::id() % 100_000);
    let script = format!("trap '' INT TERM; sleep {marker} & echo ready; while true; do wait; done");
    let repository = workflow(&format!(
        "  stubborn:\n    runs-on: ubuntu-latest\n    steps:\n      - run: \"{script}\"\n      - run: echo never\n        if: always()\n"
    ));
    let mut terminal = run(&repository, &[]);
    terminal.await_text("stubborn | ready");
    terminal.press(CTRL_C);
    terminal.await_text("cancelling");
    let begun = Instant::now();
    terminal.press(CTRL_C);
    let (code, text) = terminal.end();
    assert_eq!(code, Some(130), "{text}");
    // Before the step's time for an interrupt is over.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(!text.contains("| never"), "{text}");
    assert!(repository.sluice(&["runs"]).stdout.contains("⊘ interrupted"));
    while crate::killed::is_running(&marker) {
        assert!(begun.elapsed() < Duration::from_secs(20), "its process lives on");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn running_jobs_stand_below_the_log_on_a_small_terminal_whatever_they_write() {
    let steps = "    runs-on: ubuntu-latest\n    steps:\n      - name: A step with a name that is longer than the terminal is wide\n        run: printf 'bytes \\377\\376 %s\\n' end; sleep 1.5\n";
    let jobs: String = (1..=12).map(|number| format!("  job-{number}:\n{steps}")).collect();
    let repository = workflow(&jobs);
    let command = repository.command(&["run", "--runner", "host", "--jobs", "12"]);
    let (code, text) = Terminal::start(command, 32, 8).end();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("job-7 | ") && text.contains("bytes \u{fffd}\u{fffd} end"), "{text}");
    assert!(text.contains("CI") && text.contains("12 jobs"), "{text}");
    // A live line fills the terminal's width and never more, and all of them fit on it: else they could not be taken back.
    let live = text.split(['\n', '\r']).filter(|line| line.contains(|c: char| "⠁⠂⠄⡀⢀⠠⠐⠈".contains(c)));
    let widths: Vec<usize> = live.map(visible_width).collect();
    assert!(!widths.is_empty(), "no live line was drawn:\n{text}");
    assert!(widths.iter().all(|width| width % 32 == 0 && *width <= 32 * 8), "{widths:?}");
    assert!(text.contains("✓ CI passed"), "{text}");
}

/// Without the sequences that move and colour.
fn visible_width(line: &str) -> usize {
    let mut width = 0;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\x1b' => {
                // `ESC [ … letter`
                characters.by_ref().skip(1).find(char::is_ascii_alphabetic);
            }
            c if c.is_control() => {}
            _ => width += 1,
        }
    }
    width
}

#[test]
fn enter_lets_a_job_go_on_that_stands_at_a_failed_step() {
    let repository = workflow(
        "  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: exit 3\n      - run: echo afterwards\n        if: always()\n",
    );
    let mut terminal = run(&repository, &["--break-on-failure"]);
    terminal.await_text("go on:");
    std::thread::sleep(Duration::from_millis(200));
    assert!(!terminal.text().contains("afterwards"), "{}", terminal.text());
    terminal.press("\n");
    let (code, text) = terminal.end();
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("look inside: sluice shell 1 build") && text.contains("| afterwards"), "{text}");
}

#[test]
fn a_secret_is_asked_for_and_not_shown() {
    let repository = workflow(concat!(
        "  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: test \"$TOKEN\" = hunter2 && echo got $TOKEN\n",
        "        env: { TOKEN: '${{ secrets.TOKEN }}' }\n",
    ));
    let mut terminal = run(&repository, &["--secret", "TOKEN"]);
    terminal.await_text("secret TOKEN: ");
    terminal.press("hunter2\n");
    let (code, text) = terminal.end();
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("got ***") && !text.contains("hunter2"), "{text}");
}
