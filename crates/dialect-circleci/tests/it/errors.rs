use crate::support::{findings, with_jobs};

/// A job `build` with these steps, and what else stands in the config.
fn build(steps: &str, rest: &str) -> String {
    format!("version: 2.1\njobs:\n  build:\n    docker: [{{image: i}}]\n    steps:\n{steps}{rest}")
}

#[test]
fn each_mistake_has_its_place_and_its_words() {
    let cases = [
        ("no version", "jobs: {}\n".to_owned()),
        ("unknown version", "version: 3\n".to_owned()),
        ("a list", "- a\n".to_owned()),
        ("nothing", "# only a comment\n".to_owned()),
        ("no workflows", "version: 2.1\njobs: {test: {docker: [{image: i}], steps: [checkout]}}\n".to_owned()),
        ("unknown command", build("      - chekout\n", "")),
        ("unknown command of version 2", build("      - say\n", "").replace("2.1", "2")),
        ("unknown executor", "version: 2.1\nexecutors: {node: {machine: true}}\njobs: {build: {executor: nod, steps: [checkout]}}\n".to_owned()),
        ("unknown job", with_jobs("workflows: {w: {jobs: [a, d]}}\n")),
        ("orb that is not here", build("      - n/install\n", "orbs: {n: circleci/node@5.0.2}\n")),
        ("orb that is not imported", build("      - n/install\n      - n/test\n", "")),
        ("orb by a wild name", build("      - n/install\n", "orbs: {n: ../../etc/passwd}\n")),
        ("unknown command of an orb", build("      - t/gret: {to: x}\n", "orbs: {t: acme/tools@1.2.3}\n")),
        ("missing argument", build("      - t/greet\n", "orbs: {t: acme/tools@1.2.3}\n")),
        ("unexpected argument", build("      - t/greet: {to: x, too: y}\n", "orbs: {t: acme/tools@1.2.3}\n")),
        ("argument type", build("      - t/greet: {to: 60}\n", "orbs: {t: acme/tools@1.2.3}\n")),
        ("enum", build("      - c: {x: d}\n", "commands: {c: {parameters: {x: {type: enum, enum: [a, b]}}, steps: []}}\n")),
        ("parameter without a type", build("      - c\n", "commands: {c: {parameters: {x: {}}, steps: []}}\n")),
        ("parameter of an unknown type", build("      - c\n", "commands: {c: {parameters: {x: {type: str}}, steps: []}}\n")),
        ("undeclared parameter", build("      - run: << parameters.x >>\n", "")),
        ("unknown pipeline value", build("      - run: << pipeline.numbr >>\n", "")),
        ("unknown pipeline parameter", build("      - run: << pipeline.parameters.x >>\n", "")),
        ("pipeline parameter in an orb", build("      - o/c\n", "parameters: {x: {type: string, default: a}}\norbs: {o: {commands: {c: {steps: [run: << pipeline.parameters.x >>]}}}}\n")),
        ("matrix value outside", build("      - run: << matrix.x >>\n", "")),
        ("open section", build("      - run: '<<# pipeline.number >>'\n", "")),
        ("two keys", build("      - run:\n        command: x\n", "")),
        ("no command", build("      - run: {name: x}\n", "")),
        ("a list of lists", build("      - - run: x\n", "")),
        ("when without steps", build("      - when: {condition: true}\n", "")),
        ("unknown logic", build("      - when: {condition: {eqal: [1, 1]}, steps: []}\n", "")),
        ("empty logic", build("      - when: {condition: {and: []}, steps: []}\n", "")),
        ("list as a condition", build("      - when: {condition: [true], steps: []}\n", "")),
        ("recursion", build("      - c\n", "commands: {c: {steps: [d]}, d: {steps: [c]}}\n")),
        ("no steps", "version: 2.1\njobs: {build: {docker: [{image: i}]}}\n".to_owned()),
        ("nowhere to run", "version: 2.1\njobs: {build: {steps: [checkout]}}\n".to_owned()),
        ("two places to run", "version: 2.1\njobs: {build: {machine: true, docker: [{image: i}], steps: [checkout]}}\n".to_owned()),
        ("unknown key of a job", "version: 2.1\njobs: {build: {docker: [{image: i}], stepz: [], steps: [checkout]}}\n".to_owned()),
        ("unknown key of a workflow", with_jobs("workflows: {w: {job: [a], jobs: [a]}}\n")),
        ("untrusted", build("      - run: git push origin << pipeline.git.branch >>\n      - run: {command: x << pipeline.git.branch.is_default >> << pipeline.git.tag >>}\n", "")),
        ("setup", "version: 2.1\nsetup: true\njobs: {build: {docker: [{image: i}], steps: [checkout]}}\n".to_owned()),
        ("reruns", with_jobs("workflows: {w: {max_auto_reruns: 6, jobs: [a]}}\n")),
        ("key of run", build("      - run: {command: x, comand: y}\n", "")),
        ("requires nobody", with_jobs("workflows: {w: {jobs: [a, b: {requires: [aa]}]}}\n")),
        ("requires one of two", with_jobs("workflows: {w: {jobs: [a, a, b: {requires: [a]}]}}\n")),
        ("circle", with_jobs("workflows: {w: {jobs: [a: {requires: [b]}, b: {requires: [c]}, c: {requires: [a]}]}}\n")),
        ("status", with_jobs("workflows: {w: {jobs: [a, b: {requires: [a: fail]}]}}\n")),
        ("pattern", with_jobs("workflows: {w: {jobs: [a: {filters: {branches: {only: '/(/'}}}]}}\n")),
        ("line condition", with_jobs("workflows: {w: {when: always, jobs: [a]}}\n")),
        ("job of two keys", with_jobs("workflows: {w: {jobs: [{a: , requires: [b]}]}}\n")),
        ("no jobs", with_jobs("workflows: {w: {}}\n")),
        ("serial group", with_jobs("workflows: {w: {jobs: [a: {serial-group: 'a b'}]}}\n")),
        ("wide matrix", with_jobs(&format!("workflows: {{w: {{jobs: [a: {{matrix: {{parameters: {{x: {:?}, y: {:?}}}}}}}]}}}}\n", [0; 12], [0; 12]))),
        ("exclude by nothing", with_jobs("workflows: {w: {jobs: [a: {matrix: {parameters: {x: [1]}, exclude: [y: 1]}}]}}\n")),
        ("wrong in a workflow that is off", with_jobs("workflows: {w: {when: false, jobs: [d: {requires: [e]}]}}\n")),
        ("duplicate key", with_jobs("workflows: {w: {jobs: [a], jobs: [b]}}\n")),
    ];
    let shown: Vec<String> = cases
        .iter()
        .map(|(name, text)| {
            let findings = findings(text);
            assert!(!findings.is_empty(), "{name}: nothing was found");
            format!("{name}\n  {}", findings.replace('\n', "\n  "))
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}
