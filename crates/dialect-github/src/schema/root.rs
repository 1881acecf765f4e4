use super::event::ON;
use super::job::{DEFAULTS, JOB, PERMISSIONS, concurrency_mapping};
use super::{Form, NON_EMPTY, Names, TEXT, Type, map, property, record, required};

pub(crate) static ROOT: Type = Type::new(record(&[
    required("on", &ON),
    property("name", &TEXT),
    property("description", &TEXT),
    property("run-name", &RUN_NAME),
    property("defaults", &DEFAULTS),
    property("env", &ENV),
    property("permissions", &PERMISSIONS),
    property("concurrency", &CONCURRENCY),
    required("jobs", &JOBS),
]));

static RUN_NAME: Type = Type::naming(Names::RUN, Form::Text);
static ENV: Type = Type::naming(Names::RUN.and(Names::SECRETS), map(&NON_EMPTY, &TEXT));
static CONCURRENCY: Type = Type::naming(Names::RUN, Form::OneOf(&[&TEXT, concurrency_mapping()]));
static JOBS: Type = Type::new(map(&NON_EMPTY, &JOB));
