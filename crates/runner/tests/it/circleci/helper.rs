//! `circleci` in the steps of a job.

use sluice_model::Conclusion::{Failure, Skipped, Success};
use sluice_plan::{Action, StepCondition};

use super::text;
use crate::world::{StepExt, World, circle, circleci, step};

/// What a script says on the host and in the container, where there is one.
async fn says(script: &str) -> String {
    let mut said = None;
    for world in World::both().await {
        let done = world.run(circleci(vec![circle(script)])).await;
        done.succeeded();
        let output = done.output(1);
        assert_eq!(*said.get_or_insert_with(|| output.clone()), output);
    }
    said.unwrap_or_default()
}

const TREE: &str =
    "mkdir -p t/a/b t/.h other; for f in t/1.py t/a/2.py t/a/b/3.py t/.h/4.py t/a/x.js t/b.rb other/1.py
    do echo > $f; done; ln -s . t/circle; ";

#[tokio::test]
async fn files_are_found_by_patterns() {
    for (patterns, found) in [
        ("'t/*.py'", "t/1.py"),
        ("'t/**/*.py'", "t/.h/4.py t/1.py t/a/2.py t/a/b/3.py"),
        ("'**/1.py'", "other/1.py t/1.py"),
        ("'t/a/**'", "t/a/2.py t/a/b/3.py t/a/x.js"),
        ("'t/a/**/*' t/b.rb", "t/a/2.py t/a/b/3.py t/a/x.js t/b.rb"),
        ("'t/a/*.{py,js}'", "t/a/2.py t/a/x.js"),
        ("'t/{a/{b/3,2},1}.py'", "t/1.py t/a/2.py t/a/b/3.py"),
        ("'t/[0-9].p?'", "t/1.py"),
        ("'t/[!a].py' t/1.py t/1.py", "t/1.py"),
        ("'t/*'", "t/1.py t/b.rb"),
        ("'absent/**' 't/{1.py'", ""),
    ] {
        let script = format!(
            "{TREE} circleci tests glob {patterns} > found; while read f; do echo -n \"$f \"; done < found"
        );
        assert_eq!(says(&script).await.trim(), found, "{patterns}");
    }
}

#[tokio::test]
async fn names_are_parted_among_the_nodes() {
    let nodes = "for i in 0 1 2; do echo $i: $(circleci tests split --index=$i --total=3 names); done";
    let input = "printf 'd\\nb\\n\\n  a\\nc\\ne\\n' > names; ";
    assert_eq!(says(&format!("{input}{nodes}")).await, "0: a d\n1: b e\n2: c\n");
    let from_variables = "cat names | CIRCLE_NODE_INDEX=1 CIRCLE_NODE_TOTAL=2 circleci tests split";
    assert_eq!(says(&format!("{input}{from_variables}")).await, "b\nd\n");
    assert_eq!(says(&format!("{input}circleci tests split < names")).await, "a\nb\nc\nd\ne\n");
    let by_size = "printf %100s > big; printf %60s > mid; printf %50s > low; printf %1s > tiny; printf 'tiny\\nlow\\nbig\\nmid\\n' > names
        for i in 0 1; do echo $(circleci tests split --split-by filesize --index $i --total 2 names); done";
    assert_eq!(says(by_size).await, "big tiny\nlow mid\n");
    let counts = "circleci tests split --show-counts --total 2 names 2>&1 >/dev/null";
    assert_eq!(says(&format!("{input}{counts}")).await, "3 of 5 names are for node 0 of 2\n");
}

#[tokio::test]
async fn recorded_times_balance_the_nodes() {
    let timings = r#"echo '{"tests":[{"file":"a","classname":"A","name":"one","run_time":3},{"file":"a","classname":"A","name":"two","run_time":3},
        {"file":"b","classname":"B","name":"x\u0021","run_time":2.5},{"file":"c","classname":"C","run_time":2},{"file":"./d","run_time":1,"x":[null,true]}]}' > times; "#;
    let nodes = "for i in 0 1; do echo $(printf '%s\\n' $NAMES | circleci tests split --split-by=timings --timings-file=times $FLAGS --index $i --total 2); done";
    for (names, flags, parted) in [
        // 6 against 2.5 + 2 + 1.
        ("a b c d", "", "a\nb c d\n"),
        ("./a $PWD/b c", "", "./a\n/b c\n"),
        ("A B C", "", "A\nB C\n"),
        ("A B C", "--timings-type=classname", "A\nB C\n"),
        ("one two x!", "--timings-type=testname", "one x!\ntwo\n"),
        ("a b new", "--time-default=4s", "a\nb new\n"),
        ("a b new", "--time-default 10m", "new\na b\n"),
    ] {
        let script = format!("{timings} NAMES=\"{names}\" FLAGS='{flags}'; {nodes}");
        let said = says(&format!(
            "set +H; {{ {script}; }} > out 2> err; while read -r l; do echo \"${{l//$PWD}}\"; done < out"
        ))
        .await;
        assert_eq!(said, parted, "{names} {flags}");
    }
    let unknown = format!(
        "{timings} printf 'x\\ny\\n' | circleci tests split --split-by=timings --timings-file=times 2>&1"
    );
    let said = says(&unknown).await;
    assert!(
        said.starts_with("Error auto-detecting timing type, falling back to weighting by name."),
        "{said}"
    );
    assert!(said.contains("Example input file: \"x\"") && said.ends_with("x\ny\n"), "{said}");
    let none = says("echo a | circleci tests split --split-by=timings 2>&1").await;
    assert!(none.contains("file does not exist") && none.ends_with("weighting by name.\na\n"), "{none}");
    let broken = says(
        "echo '{\"tests\":' > f; echo a | circleci tests split --split-by=timings --timings-file=f 2>&1",
    )
    .await;
    assert!(broken.contains("it is no JSON") && broken.ends_with("a\n"), "{broken}");
}

#[tokio::test]
async fn tests_are_run_with_this_nodes_names() {
    let names = "printf 'a\\nb\\nc\\n' | ";
    let run =
        |flags: &str| format!("{names} circleci tests run --command='read -r all; echo got $all' {flags}");
    assert_eq!(says(&run("--total 2 --index 0")).await, "got a c\n");
    assert_eq!(says(&run("--split-by=name --verbose 2>/dev/null")).await, "got a b c\n");
    let code = format!("{names} circleci tests run --command 'exit 7' || echo $?");
    assert_eq!(says(&code).await, "7\n");
    let nothing = says("echo a | circleci tests run --command='echo ran' --total 2 --index 1 2>&1").await;
    assert_eq!(nothing, "There are no tests for this node: the command is not run\n");
}

#[tokio::test]
async fn variables_are_filled_in() {
    let script = "export FOO=bar EMPTY=
        circleci env subst 'a $FOO ${FOO}s ${ABSENT}- ${ABSENT:-x$FOO} ${EMPTY-set} ${EMPTY:=y} ${FOO+z} ${EMPTY:+n} $$FOO $ $-'; echo
        echo '{\"foo\": \"$FOO\"}' > template; circleci env subst < template
        circleci env subst 'x ${FOO' 2>&1 || echo $?";
    let said = says(script).await;
    assert_eq!(
        said,
        "a bar bars - xbar  y z  $FOO $ $-\n{\"foo\": \"bar\"}\ncircleci: `${FOO` has no closing brace\n2\n"
    );
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    for (call, part) in [
        (
            "circleci run oidc get --claims x",
            "`circleci run oidc get --claims x` is not there in a Sluice job",
        ),
        ("circleci config validate", "There are: tests glob, tests split"),
        (
            "circleci tests split --split-by=luck /dev/null",
            "`--split-by` is `name`, `filesize` or `timings`, not `luck`",
        ),
        ("circleci tests split --what", "there is no flag `--what`"),
        ("circleci tests split --index 2 --total 2 /dev/null", "the index 2 is not below the total 2"),
        ("circleci tests split --total many /dev/null", "`--total` is a whole number"),
        ("circleci tests split --split-by=timings --time-default=soon /dev/null", "such as `10s`"),
        ("circleci tests split absent", "absent: No such file"),
        ("circleci tests run < /dev/null", "needs a `--command`"),
        ("circleci tests glob", "needs a pattern"),
        ("circleci step halt now", "`now` is too much"),
    ] {
        let said = says(&format!("{call} 2>&1 || echo code $?")).await;
        assert!(
            said.starts_with("circleci: ") && said.contains(part) && said.ends_with("code 2\n"),
            "{call}: {said}"
        );
    }
    let many = "circleci tests glob '{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}' 2>&1 || true";
    assert!(says(many).await.contains("more than 10000 patterns"));
    assert!(says("circleci --help").await.contains("circleci tests glob"));
}

#[tokio::test]
async fn a_job_is_halted_after_the_step_that_asks_for_it() {
    for world in World::both().await {
        for word in ["circleci-agent step halt", "circleci step halt", "circleci task halt"] {
            let mut always = circle("echo always");
            always.condition = StepCondition::Always;
            let done = world
                .run(circleci(vec![
                    circle(&format!("{word}; echo goes on")),
                    circle("echo never"),
                    always,
                    step(Action::StoreArtifacts { path: text("."), destination: None }),
                ]))
                .await;
            done.succeeded();
            assert_eq!(done.output(1), "goes on\n", "{word}");
            let skipped = |step| (step, Skipped, Skipped);
            let want = [(1, Success, Success), skipped(2), skipped(3), skipped(4)];
            assert_eq!(done.outcomes(), want, "{word}");
        }
        let mut on_fail = circle("circleci step halt");
        on_fail.condition = StepCondition::OnFail;
        let done = world.run(circleci(vec![circle("exit 1"), on_fail])).await;
        assert_eq!(done.report.conclusion, Failure, "a job that has failed stays so");
        let done = world.run(circleci(vec![circle("circleci step halt; exit 3")])).await;
        assert_eq!(done.report.conclusion, Failure);
        let lost = circle("circleci step halt 2>&1 || true").env("CIRCLE_INTERNAL_TASK_DATA", "/absent");
        let done = world.run(circleci(vec![lost, circle("echo still")])).await;
        assert!(done.output(1).contains("/absent/halt"), "{}", done.all());
        assert_eq!(done.output(2), "still\n");
    }
}
