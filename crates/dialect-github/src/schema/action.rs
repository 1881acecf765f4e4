//! `action.yml`: the runner's own schema, `action_yaml.json` of actions/runner.

use super::{ANY, BOOLEAN, Form, Mapping, NON_EMPTY, Names, TEXT, Type, map, property, record, required};

pub(crate) static ACTION: Type = Type::new(Form::Mapping(Mapping {
    properties: &[
        property("name", &TEXT),
        property("description", &TEXT),
        property("inputs", &INPUTS),
        required("runs", &RUNS),
        property("outputs", &OUTPUTS),
    ],
    // `author`, `branding`, and whatever else says nothing of how the action runs.
    loose: Some((&NON_EMPTY, &ANY)),
}));

static INPUTS: Type = Type::new(map(&NON_EMPTY, &INPUT));
static INPUT: Type = Type::new(Form::Mapping(Mapping {
    properties: &[property("default", &INPUT_DEFAULT)],
    loose: Some((&NON_EMPTY, &ANY)),
}));
static INPUT_DEFAULT: Type = Type::naming(Names::ACTION_INPUT, Form::Text);

static OUTPUTS: Type = Type::new(map(&NON_EMPTY, &OUTPUT));
static OUTPUT: Type = Type::new(record(&[property("description", &TEXT), property("value", &OUTPUT_VALUE)]));
static OUTPUT_VALUE: Type = Type::naming(Names::ACTION, Form::Text);

static RUNS: Type = Type::new(Form::OneOf(&[&DOCKER_RUNS, &NODE_RUNS, &COMPOSITE_RUNS]));
static DOCKER_RUNS: Type = Type::new(record(&[
    property("using", &NON_EMPTY),
    property("image", &NON_EMPTY),
    property("entrypoint", &NON_EMPTY),
    property("args", &DOCKER_ARGS),
    property("env", &DOCKER_ENV),
    property("pre-entrypoint", &NON_EMPTY),
    property("pre-if", &NON_EMPTY),
    property("post-entrypoint", &NON_EMPTY),
    property("post-if", &NON_EMPTY),
]));
static DOCKER_ARGS: Type = Type::new(Form::Sequence(&OF_INPUTS));
static DOCKER_ENV: Type = Type::naming(Names::INPUTS, map(&NON_EMPTY, &TEXT));
static OF_INPUTS: Type = Type::naming(Names::INPUTS, Form::Text);
static NODE_RUNS: Type = Type::new(record(&[
    property("using", &NON_EMPTY),
    property("main", &NON_EMPTY),
    property("pre", &NON_EMPTY),
    property("pre-if", &NON_EMPTY),
    property("post", &NON_EMPTY),
    property("post-if", &NON_EMPTY),
]));
static COMPOSITE_RUNS: Type =
    Type::new(record(&[property("using", &NON_EMPTY), property("steps", &COMPOSITE_STEPS)]));

static COMPOSITE_STEPS: Type = Type::new(Form::Sequence(&COMPOSITE_STEP));
static COMPOSITE_STEP: Type = Type::new(Form::OneOf(&[&RUN_STEP, &USES_STEP]));
static RUN_STEP: Type = Type::new(record(&[
    property("name", &STEP_TEXT),
    property("id", &NON_EMPTY),
    property("if", &STEP_IF),
    required("run", &STEP_TEXT),
    property("env", &STEP_MAP),
    property("continue-on-error", &STEP_BOOLEAN),
    property("working-directory", &STEP_TEXT),
    required("shell", &STEP_TEXT),
]));
static USES_STEP: Type = Type::new(record(&[
    property("name", &STEP_TEXT),
    property("id", &NON_EMPTY),
    property("if", &STEP_IF),
    required("uses", &NON_EMPTY),
    property("continue-on-error", &STEP_BOOLEAN),
    property("with", &STEP_MAP),
    property("env", &STEP_MAP),
]));
static STEP_TEXT: Type = Type::naming(Names::ACTION_STEP, Form::Text);
static STEP_BOOLEAN: Type = Type::naming(Names::ACTION_STEP, Form::OneOf(&[&BOOLEAN]));
static STEP_MAP: Type = Type::naming(Names::ACTION_STEP, map(&NON_EMPTY, &TEXT));
static STEP_IF: Type = Type::naming(Names::ACTION_STEP_IF, Form::Text);
