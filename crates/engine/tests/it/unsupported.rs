use sluice_engine::{Command, MAX_JOBS, Refused, unsupported};
use sluice_plan::{Call, SecretsPassed, Work};

use crate::live::{Live, create, job, plan};

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    let call = Call {
        workflow: "o/r/x.yml@v1".into(),
        with: Vec::new(),
        secrets: SecretsPassed::Only(Vec::new()),
        obstacle: None,
    };
    let mut plan = plan(vec![
        job("a").needs("nobody"),
        job("a"),
        job("c").with(|job| job.work = Work::Call(call)),
        job("d").needs("e"),
        job("e").needs("d"),
    ]);
    for (line, job) in (1..).zip(&mut plan.jobs) {
        job.at.path = plan.file.clone();
        job.at.line = line;
        job.at.column = 3;
    }
    let lines: Vec<String> = unsupported(&plan).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"));
    let refused = Live::empty().try_tell(Command::Create(Box::new(create(plan)))).unwrap_err();
    assert!(matches!(refused, Refused::Unsupported(found) if found.len() == lines.len()));
}

#[test]
fn a_plan_has_a_limit() {
    let many = |n: usize| plan((0..n).map(|n| job(&format!("j{n}"))).collect());
    assert_eq!(unsupported(&many(0))[0].code, "engine/no-jobs");
    assert!(unsupported(&many(MAX_JOBS)).is_empty());
    assert_eq!(unsupported(&many(MAX_JOBS + 1))[0].code, "engine/too-many-jobs");
}
