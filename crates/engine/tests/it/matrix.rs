use sluice_model::Conclusion::{Cancelled, Failure, Success};
use sluice_plan::{Axis, Late, Matrix, Named, Strategy, Value, Work};

use crate::live::{JobNote, Live, expression, job, template};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn values(text: &str) -> Axis {
    match json(text) {
        Value::Array(items) => Axis::Values(items),
        other => panic!("{other:?} is no list"),
    }
}

/// A job with a matrix out of JSON: axes, include, exclude.
fn matrix_job(axes: &[(&str, &str)], include: &str, exclude: &str) -> JobNote {
    job("test").with(|job| {
        job.strategy = Some(Strategy {
            matrix: Some(Matrix::Axes {
                axes: axes.iter().map(|(name, list)| Named::new(*name, values(list))).collect(),
                include: values(include),
                exclude: values(exclude),
            }),
            fail_fast: Late::Known(true),
            max_parallel: None,
        });
    })
}

fn with_strategy(note: JobNote, change: impl FnOnce(&mut Strategy)) -> JobNote {
    note.with(|job| change(job.strategy.as_mut().expect("a matrix job")))
}

/// The combinations, as JSON, in order.
#[track_caller]
fn gives(axes: &[(&str, &str)], include: &str, exclude: &str, expected: &[&str]) {
    let live = Live::of(vec![matrix_job(axes, include, exclude)]);
    let seen: Vec<String> = live
        .state
        .run()
        .expect("a run")
        .instances()
        .map(|(_, instance)| serde_json::to_string(&instance.plan.matrix).expect("JSON"))
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_matrix_is_the_product_of_its_axes() {
    gives(
        &[("os", r#"["a","b"]"#), ("v", "[1,2]")],
        "[]",
        "[]",
        &[r#"{"os":"a","v":1}"#, r#"{"os":"a","v":2}"#, r#"{"os":"b","v":1}"#, r#"{"os":"b","v":2}"#],
    );
}

#[test]
fn include_is_githubs_own_example() {
    // GitHub, "Running variations of jobs in a workflow", "Example: Expanding configurations".
    gives(
        &[("fruit", r#"["apple","pear"]"#), ("animal", r#"["cat","dog"]"#)],
        r#"[{"color":"green"},{"color":"pink","animal":"cat"},{"fruit":"apple","shape":"circle"},
            {"fruit":"banana"},{"fruit":"banana","animal":"cat"}]"#,
        "[]",
        &[
            r#"{"fruit":"apple","animal":"cat","color":"pink","shape":"circle"}"#,
            r#"{"fruit":"apple","animal":"dog","color":"green","shape":"circle"}"#,
            r#"{"fruit":"pear","animal":"cat","color":"pink"}"#,
            r#"{"fruit":"pear","animal":"dog","color":"green"}"#,
            r#"{"fruit":"banana"}"#,
            r#"{"fruit":"banana","animal":"cat"}"#,
        ],
    );
}

#[test]
fn exclude_comes_before_include() {
    gives(
        &[("os", r#"["a","b"]"#), ("v", r#"["1","2"]"#)],
        r#"[{"os":"b","v":"1","extra":"x"}]"#,
        r#"[{"os":"b"},{"v":2}]"#,
        &[r#"{"os":"a","v":"1"}"#, r#"{"os":"b","v":"1","extra":"x"}"#],
    );
}

#[test]
fn a_matrix_of_includes_alone_is_they() {
    gives(&[], r#"[{"a":"1"},{"a":"2","b":"3"}]"#, "[]", &[r#"{"a":"1"}"#, r#"{"a":"2","b":"3"}"#]);
}

#[test]
fn an_excluded_object_matches_by_its_named_keys() {
    gives(
        &[("os", r#"[{"name":"a","size":"l"},{"name":"b","size":"l"}]"#)],
        "[]",
        r#"[{"os":{"name":"a"}}]"#,
        &[r#"{"os":{"name":"b","size":"l"}}"#],
    );
}

#[test]
fn a_matrix_may_come_from_a_needed_job() {
    let late = |expr: &str| {
        let strategy = Strategy {
            matrix: Some(Matrix::Whole(expression(expr))),
            fail_fast: Late::Expression(expression("needs.setup.outputs.fast == 'yes'")),
            max_parallel: Some(Late::Expression(expression("fromJSON('1')"))),
        };
        vec![job("setup"), job("test").needs("setup").with(|job| job.strategy = Some(strategy))]
    };
    let mut live = Live::of(late("fromJSON(needs.setup.outputs.matrix)"));
    live.lease("setup");
    live.report("setup", Success, &[("matrix", r#"{"v":["1","2"],"include":[{"v":"3"}]}"#), ("fast", "no")]);
    live.shows("setup=success test=offered test.1=held test.2=held");
    live.fail("test");
    live.shows("setup=success test=(failure) test.1=offered test.2=held");
    live.pass("test.1");
    live.pass("test.2");
    live.shows("setup=success test=failure");

    let mut live = Live::of(late("needs.setup.outputs.matrix"));
    live.lease("setup");
    live.report("setup", Success, &[("matrix", "no object")]);
    live.shows("setup=success test=failure");
    assert_eq!(live.problem("test"), "`strategy.matrix`: an object is expected, not String");
}

#[test]
fn strings_in_a_matrix_are_evaluated() {
    gives(
        &[("ref", r#"["${{ github.ref_name }}","v-${{ github.run_number }}"]"#)],
        r#"[{"ref":"${{ github.ref_name }}","n":"${{ fromJSON('[1]') }}"}]"#,
        "[]",
        &[r#"{"ref":"master","n":[1]}"#, r#"{"ref":"v-3"}"#],
    );
}

#[test]
fn a_wrong_matrix_fails_its_job() {
    for (axes, include, expected) in [
        (vec![("v", "[]")], "[]", "`strategy.matrix`: Matrix vector 'v' does not contain any values"),
        (vec![], "[]", "`strategy.matrix`: it gives no job"),
        (
            vec![("v", r#"["1"]"#)],
            r#"["x"]"#,
            "`strategy.matrix`: `include`: each entry is an object, not String",
        ),
        (
            vec![("v", r#"["${{ nothing.at.all }}"]"#)],
            "[]",
            "`strategy.matrix`: Unrecognized named-value: 'nothing'",
        ),
    ] {
        let live = Live::of(vec![matrix_job(&axes, include, "[]")]);
        live.shows("test=failure");
        assert!(live.problem("test").starts_with(expected), "{}", live.problem("test"));
    }
}

#[test]
fn a_matrix_has_a_limit() {
    let list = |n: usize| format!("[{}]", (0..n).map(|i| i.to_string()).collect::<Vec<_>>().join(","));
    let live = Live::of(vec![matrix_job(&[("a", &list(256))], "[]", "[]")]);
    assert_eq!(live.state.run().unwrap().instances().count(), 256);
    let hundred = list(100);
    let axes = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|name| (name, hundred.as_str()));
    for axes in [&[("a", list(257).as_str())][..], &axes[..]] {
        let live = Live::of(vec![matrix_job(axes, "[]", "[]")]);
        assert!(live.problem("test").contains("256"), "{}", live.problem("test"));
    }
    let parallel = job("test").with(|job| match &mut job.work {
        Work::Steps(steps) => steps.parallelism = 257,
        other => panic!("{other:?}"),
    });
    assert!(Live::of(vec![parallel]).problem("test").contains("256"));
}

#[test]
fn names_are_as_github_shows_them() {
    let named = |name: Option<&str>, axes: &[(&str, &str)]| {
        let note = if axes.is_empty() { job("test") } else { matrix_job(axes, "[]", "[]") };
        let live = Live::of(vec![note.with(|job| job.name = name.map(template))]);
        live.state.run().unwrap().instances().map(|(_, i)| i.plan.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(named(None, &[]), ["test"]);
    assert_eq!(named(Some("Unit tests"), &[]), ["Unit tests"]);
    assert_eq!(named(None, &[("os", r#"["a"]"#), ("v", "[1.5]")]), ["test (a, 1.5)"]);
    assert_eq!(named(Some("T"), &[("os", r#"[{"n":"a","s":["x","y"]}]"#)]), ["T (a, x, y)"]);
    assert_eq!(named(Some("T ${{ matrix.os }}"), &[("os", r#"["a","b"]"#)]), ["T a", "T b"]);
}

#[test]
fn fail_fast_stops_the_rest() {
    let mut live = Live::of(vec![matrix_job(&[("v", r#"["1","2","3"]"#)], "[]", "[]")]);
    live.lease("test.1");
    live.fail("test");
    live.shows("test=(failure) test.1=stopping test.2=(cancelled)");
    live.report("test.1", Cancelled, &[]);
    live.shows("test=failure");

    let relaxed =
        with_strategy(matrix_job(&[("v", r#"["1","2"]"#)], "[]", "[]"), |s| s.fail_fast = Late::Known(false));
    let mut live = Live::of(vec![relaxed]);
    live.fail("test");
    live.shows("test=(failure) test.1=offered");
}

#[test]
fn what_may_fail_stops_nothing() {
    let note = matrix_job(&[("v", r#"["1","2"]"#)], "[]", "[]")
        .with(|job| job.continue_on_error = Some(Late::Expression(expression("matrix.v == '1'"))));
    let mut live = Live::of(vec![note]);
    live.fail("test");
    live.shows("test=(failure) test.1=offered");
    live.pass("test.1");
    live.shows("test=success");
}

#[test]
fn max_parallel_holds_the_rest() {
    let note = with_strategy(matrix_job(&[("v", r#"["1","2","3"]"#)], "[]", "[]"), |s| {
        s.max_parallel = Some(Late::Known(2));
    });
    let mut live = Live::of(vec![note]);
    live.shows("test=offered test.1=offered test.2=held");
    live.pass("test.1");
    live.shows("test=offered test.1=(success) test.2=offered");
}

#[test]
fn the_last_combination_with_a_value_decides_an_output() {
    let mut live =
        Live::of(vec![matrix_job(&[("v", r#"["1","2","3"]"#)], "[]", "[]"), job("b").needs("test")]);
    for (instance, value) in [("test", "one"), ("test.1", "two"), ("test.2", "")] {
        live.lease(instance);
        live.report(instance, Success, &[("out", value)]);
    }
    let assignment = sluice_engine::assignment(&live.state, &"b".parse().unwrap()).unwrap();
    assert_eq!(assignment.needs.values().next().unwrap().outputs["out"], "two");
}

#[test]
fn parallel_instances_all_run_to_their_end() {
    let note = job("test").with(|job| match &mut job.work {
        Work::Steps(steps) => steps.parallelism = 3,
        other => panic!("{other:?}"),
    });
    let mut plan = crate::live::plan(vec![note]);
    plan.dialect = sluice_plan::Dialect::Circleci;
    let mut live = Live::start(plan);
    live.fail("test.1");
    live.shows("test=offered test.1=(failure) test.2=offered");
    live.pass("test");
    live.pass("test.2");
    live.shows("test=failure");
    assert_eq!(live.conclusion(), Some(Failure));
}
