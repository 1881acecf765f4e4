//! `circleci` and `circleci-agent` as steps know them (CircleCI, "CircleCI environment CLI usage guide"): the step
//! agent's own program under those names, on the PATH of every CircleCI job.

mod arguments;
mod files;
mod halt;
mod json;
mod names;
mod split;
mod subst;
mod tests_run;
mod timings;

use arguments::{Flags, Known};

/// The names that the program answers to.
const NAMES: [&str; 2] = ["circleci", "circleci-agent"];

const HELP: &str = "\
circleci: what steps of a CircleCI job have of CircleCI's own tool

  circleci tests glob PATTERN…       files that a pattern matches: *, **, ?, […], {a,b}
  circleci tests split [FILE]        this node's part of a list (a file's or standard input's lines)
  circleci tests run --command=CMD   runs CMD with this node's part of the list as its input
  circleci step halt                 ends the job after this step, without a failure (also: task halt)
  circleci env subst [TEXT]          TEXT or standard input with $NAME and ${NAME} filled in
  circleci version
";

/// Whether the program was started by one of the names.
pub fn is_called(program: &str) -> bool {
    NAMES.contains(&program.rsplit('/').next().unwrap_or_default())
}

/// The exit code. A wrong call is 2, as for shells.
pub fn main(words: &[String]) -> i32 {
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["help" | "--help" | "-h"] | [_, .., "--help" | "-h"] => {
            print!("{HELP}");
            Ok(0)
        }
        ["version" | "--version", ..] => {
            println!("{} (of Sluice)", env!("CARGO_PKG_VERSION"));
            Ok(0)
        }
        ["step" | "task", "halt", rest @ ..] => no_more(rest).and_then(|()| halt::halt()).map(|()| 0),
        ["tests", "glob", patterns @ ..] => files::print(patterns).map(|()| 0),
        ["tests", "split", ..] => split(&words[2..]).map(|()| 0),
        ["tests", "run", ..] => tests_run::run(&words[2..]),
        ["env", "subst", rest @ ..] => subst::print(rest).map(|()| 0),
        other => Err(format!(
            "`circleci {}` is not there in a Sluice job: it needs CircleCI itself. There are: tests glob, tests split, \
             tests run, step halt, env subst, version",
            other.join(" ")
        )),
    };
    done.unwrap_or_else(|problem| {
        eprintln!("circleci: {problem}");
        2
    })
}

fn no_more(rest: &[&str]) -> Result<(), String> {
    match rest.first() {
        None => Ok(()),
        Some(word) => Err(format!("`{word}` is too much here")),
    }
}

/// Prints this node's part of the names.
fn split(words: &[String]) -> Result<(), String> {
    let known: Vec<Known> = split::FLAGS.iter().copied().chain([("verbose", false)]).collect();
    let (flags, rest) = Flags::read(words, &known)?;
    let names = names::of(&rest)?;
    for name in split::Split::of(&flags)?.part(&names)? {
        println!("{name}");
    }
    Ok(())
}
