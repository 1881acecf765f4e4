use super::{
    ANY, ANY_SEQUENCE, BOOLEAN, Form, Mapping, NON_EMPTY, NON_EMPTY_ONE_OR_MORE, NON_EMPTY_SEQUENCE, NULL,
    NUMBER, Names, TEXT, Type, map, property, record, required,
};

pub(super) static JOB: Type = Type::new(Form::OneOf(&[&STEPS_JOB, &CALL_JOB]));

static STEPS_JOB: Type = Type::new(record(&[
    property("needs", &NON_EMPTY_ONE_OR_MORE),
    property("if", &JOB_IF),
    property("strategy", &STRATEGY),
    property("name", &INSTANCE_TEXT),
    required("runs-on", &RUNS_ON),
    property("timeout-minutes", &INSTANCE_NUMBER),
    property("cancel-timeout-minutes", &INSTANCE_NUMBER),
    property("continue-on-error", &INSTANCE_BOOLEAN),
    property("container", &CONTAINER),
    property("services", &SERVICES),
    property("env", &JOB_ENV),
    property("environment", &ENVIRONMENT),
    property("permissions", &PERMISSIONS),
    property("concurrency", &CONCURRENCY),
    property("outputs", &OUTPUTS),
    property("defaults", &JOB_DEFAULTS),
    property("steps", &STEPS),
    property("snapshot", &SNAPSHOT),
]));

static CALL_JOB: Type = Type::new(record(&[
    property("name", &INSTANCE_TEXT),
    required("uses", &NON_EMPTY),
    property("with", &CALL_WITH),
    property("secrets", &CALL_SECRETS),
    property("needs", &NON_EMPTY_ONE_OR_MORE),
    property("if", &JOB_IF),
    property("permissions", &PERMISSIONS),
    property("concurrency", &CONCURRENCY),
    property("strategy", &STRATEGY),
]));

static CALL_WITH: Type = Type::new(map(&NON_EMPTY, &INSTANCE_SCALAR));
static CALL_SECRETS: Type = Type::new(Form::OneOf(&[&CALL_SECRETS_MAPPING, &INHERIT]));
static CALL_SECRETS_MAPPING: Type = Type::new(map(&NON_EMPTY, &SECRET_SCALAR));
static INHERIT: Type = Type::new(Form::Texts(&["inherit"]));
static INSTANCE_SCALAR: Type = Type::naming(Names::INSTANCE, Form::OneOf(&[&TEXT, &BOOLEAN, &NUMBER]));
static SECRET_SCALAR: Type =
    Type::naming(Names::INSTANCE.and(Names::SECRETS), Form::OneOf(&[&TEXT, &BOOLEAN, &NUMBER]));

static INSTANCE_TEXT: Type = Type::naming(Names::INSTANCE, Form::Text);
static INSTANCE_NUMBER: Type = Type::naming(Names::INSTANCE, Form::Number);
static INSTANCE_BOOLEAN: Type = Type::naming(Names::INSTANCE, Form::Boolean);
static JOB_IF: Type = Type::naming(Names::JOB_IF, Form::Text);

static STRATEGY: Type = Type::naming(
    Names::JOB_START,
    record(&[
        property("fail-fast", &BOOLEAN),
        property("max-parallel", &NUMBER),
        property("matrix", &MATRIX),
    ]),
);
static MATRIX: Type = Type::new(Form::Mapping(Mapping {
    properties: &[property("include", &MATRIX_FILTER), property("exclude", &MATRIX_FILTER)],
    loose: Some((&NON_EMPTY, &ANY_SEQUENCE)),
}));
static MATRIX_FILTER: Type = Type::new(Form::Sequence(&MATRIX_FILTER_ITEM));
static MATRIX_FILTER_ITEM: Type = Type::new(map(&NON_EMPTY, &ANY));

static SNAPSHOT: Type = Type::new(Form::OneOf(&[&NON_EMPTY, &SNAPSHOT_MAPPING]));
static SNAPSHOT_MAPPING: Type = Type::new(record(&[
    required("image-name", &NON_EMPTY),
    property("if", &SNAPSHOT_IF),
    property("version", &NON_EMPTY),
]));
static SNAPSHOT_IF: Type = Type::naming(Names::SNAPSHOT_IF, Form::Text);

static RUNS_ON: Type =
    Type::naming(Names::INSTANCE, Form::OneOf(&[&NON_EMPTY, &NON_EMPTY_SEQUENCE, &RUNS_ON_MAPPING]));
static RUNS_ON_MAPPING: Type =
    Type::new(record(&[property("group", &NON_EMPTY), property("labels", &NON_EMPTY_ONE_OR_MORE)]));

static JOB_ENV: Type = Type::naming(Names::INSTANCE.and(Names::SECRETS), map(&NON_EMPTY, &TEXT));

static CONCURRENCY: Type = Type::naming(Names::INSTANCE, Form::OneOf(&[&NON_EMPTY, &CONCURRENCY_MAPPING]));
static CONCURRENCY_MAPPING: Type = Type::new(record(&[
    required("group", &NON_EMPTY),
    property("cancel-in-progress", &BOOLEAN),
    property("queue", &CONCURRENCY_QUEUE),
]));
static CONCURRENCY_QUEUE: Type = Type::new(Form::Texts(&["single", "max"]));

pub(super) const fn concurrency_mapping() -> &'static Type {
    &CONCURRENCY_MAPPING
}

static ENVIRONMENT: Type = Type::naming(Names::INSTANCE, Form::OneOf(&[&TEXT, &ENVIRONMENT_MAPPING]));
static ENVIRONMENT_MAPPING: Type = Type::new(record(&[
    required("name", &INSTANCE_TEXT),
    property("url", &ENVIRONMENT_URL),
    property("deployment", &BOOLEAN),
]));
static ENVIRONMENT_URL: Type = Type::naming(Names::RUNNING, Form::Text);

pub(super) static DEFAULTS: Type = Type::new(record(&[property("run", &DEFAULTS_RUN)]));
static DEFAULTS_RUN: Type =
    Type::new(record(&[property("shell", &NON_EMPTY), property("working-directory", &NON_EMPTY)]));
static JOB_DEFAULTS: Type = Type::new(record(&[property("run", &JOB_DEFAULTS_RUN)]));
static JOB_DEFAULTS_RUN: Type = Type::naming(
    Names::INSTANCE.and(Names::ENV),
    record(&[property("shell", &NON_EMPTY), property("working-directory", &NON_EMPTY)]),
);

static OUTPUTS: Type = Type::new(map(&NON_EMPTY, &OUTPUT));
static OUTPUT: Type = Type::naming(Names::RUNNING.and(Names::SECRETS), Form::Text);

static STEPS: Type = Type::new(Form::Sequence(&STEP));
static STEP: Type = Type::new(Form::OneOf(&[
    &RUN_STEP,
    &USES_STEP,
    &WAIT_STEP,
    &WAIT_ALL_STEP,
    &CANCEL_STEP,
    &PARALLEL_STEP,
]));
static RUN_STEP: Type = Type::new(record(&[
    property("name", &STEP_TEXT),
    property("id", &NON_EMPTY),
    property("if", &STEP_IF),
    property("timeout-minutes", &STEP_NUMBER),
    required("run", &STEP_TEXT),
    property("continue-on-error", &STEP_BOOLEAN),
    property("env", &STEP_MAP),
    property("working-directory", &STEP_TEXT),
    property("shell", &NON_EMPTY),
    property("background", &BOOLEAN),
]));
static USES_STEP: Type = Type::new(record(&[
    property("name", &STEP_TEXT),
    property("id", &NON_EMPTY),
    property("if", &STEP_IF),
    property("continue-on-error", &STEP_BOOLEAN),
    property("timeout-minutes", &STEP_NUMBER),
    required("uses", &NON_EMPTY),
    property("with", &STEP_MAP),
    property("env", &STEP_MAP),
    property("background", &BOOLEAN),
]));
static WAIT_STEP: Type = Type::new(record(&[
    property("name", &STEP_TEXT),
    property("id", &NON_EMPTY),
    property("continue-on-error", &STEP_BOOLEAN),
    required("wait", &NON_EMPTY_ONE_OR_MORE),
]));
static WAIT_ALL_STEP: Type = Type::new(record(&[
    property("name", &STEP_TEXT),
    property("id", &NON_EMPTY),
    property("continue-on-error", &STEP_BOOLEAN),
    required("wait-all", &WAIT_ALL),
]));
static WAIT_ALL: Type = Type::new(Form::OneOf(&[&NULL, &BOOLEAN]));
static CANCEL_STEP: Type = Type::new(record(&[
    property("name", &STEP_TEXT),
    property("id", &NON_EMPTY),
    property("continue-on-error", &STEP_BOOLEAN),
    required("cancel", &NON_EMPTY),
]));
static PARALLEL_STEP: Type = Type::new(record(&[
    property("name", &STEP_TEXT),
    property("id", &NON_EMPTY),
    required("parallel", &STEPS),
]));

static STEP_TEXT: Type = Type::naming(Names::STEP, Form::Text);
static STEP_NUMBER: Type = Type::naming(Names::STEP, Form::Number);
static STEP_BOOLEAN: Type = Type::naming(Names::STEP, Form::Boolean);
static STEP_MAP: Type = Type::naming(Names::STEP, map(&NON_EMPTY, &TEXT));
static STEP_IF: Type = Type::naming(Names::STEP_IF, Form::Text);

static CONTAINER: Type = Type::naming(Names::INSTANCE, Form::OneOf(&[&TEXT, &CONTAINER_MAPPING]));
static CONTAINER_MAPPING: Type = Type::new(record(&[
    property("image", &NON_EMPTY),
    property("options", &TEXT),
    property("env", &CONTAINER_ENV),
    property("ports", &NON_EMPTY_SEQUENCE),
    property("volumes", &NON_EMPTY_SEQUENCE),
    property("credentials", &CREDENTIALS),
]));
static SERVICES: Type = Type::naming(Names::INSTANCE, map(&NON_EMPTY, &SERVICE));
static SERVICE: Type = Type::naming(Names::INSTANCE, Form::OneOf(&[&NON_EMPTY, &SERVICE_MAPPING]));
static SERVICE_MAPPING: Type = Type::new(record(&[
    property("image", &NON_EMPTY),
    property("options", &TEXT),
    property("env", &CONTAINER_ENV),
    property("ports", &NON_EMPTY_SEQUENCE),
    property("volumes", &NON_EMPTY_SEQUENCE),
    property("credentials", &CREDENTIALS),
    property("entrypoint", &TEXT),
    property("command", &TEXT),
]));
static CREDENTIALS: Type = Type::naming(
    Names::RUN.and(Names::SECRETS).and(Names::ENV),
    record(&[property("username", &NON_EMPTY), property("password", &NON_EMPTY)]),
);
static CONTAINER_ENV: Type = Type::new(map(&NON_EMPTY, &OUTPUT));

pub(super) static PERMISSIONS: Type = Type::new(Form::OneOf(&[&PERMISSIONS_MAPPING, &PERMISSIONS_SHORTHAND]));
static PERMISSIONS_SHORTHAND: Type = Type::new(Form::Texts(&["read-all", "write-all"]));
static LEVEL: Type = Type::new(Form::Texts(&["read", "write", "none"]));
static READ_OR_NONE: Type = Type::new(Form::Texts(&["read", "none"]));
static WRITE_OR_NONE: Type = Type::new(Form::Texts(&["write", "none"]));
static PERMISSIONS_MAPPING: Type = Type::new(record(&[
    property("actions", &LEVEL),
    property("artifact-metadata", &LEVEL),
    property("attestations", &LEVEL),
    property("checks", &LEVEL),
    property("contents", &LEVEL),
    property("copilot-requests", &WRITE_OR_NONE),
    property("deployments", &LEVEL),
    property("discussions", &LEVEL),
    property("id-token", &WRITE_OR_NONE),
    property("issues", &LEVEL),
    property("models", &READ_OR_NONE),
    property("packages", &LEVEL),
    property("pages", &LEVEL),
    property("pull-requests", &LEVEL),
    property("repository-projects", &LEVEL),
    property("security-events", &LEVEL),
    property("statuses", &LEVEL),
    property("vulnerability-alerts", &READ_OR_NONE),
]));
