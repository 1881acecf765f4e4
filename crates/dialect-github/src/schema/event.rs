use super::{
    ANY, BOOLEAN, Form, Mapping, NON_EMPTY, NON_EMPTY_SEQUENCE, NULL, NUMBER, Names, TEXT, TEXT_SEQUENCE,
    Type, map, property, record, required,
};

pub(super) static ON: Type = Type::new(Form::OneOf(&[&EVENT_NAME, &EVENT_NAMES, &EVENTS]));
static EVENT_NAMES: Type = Type::new(Form::Sequence(&EVENT_NAME));
static EVENT_NAME: Type = Type::new(Form::Texts(&[
    "branch_protection_rule",
    "check_run",
    "check_suite",
    "create",
    "delete",
    "deployment",
    "deployment_status",
    "discussion",
    "discussion_comment",
    "fork",
    "gollum",
    "image_version",
    "issue_comment",
    "issues",
    "label",
    "merge_group",
    "milestone",
    "page_build",
    "project",
    "project_card",
    "project_column",
    "public",
    "pull_request",
    "pull_request_comment",
    "pull_request_review",
    "pull_request_review_comment",
    "pull_request_target",
    "push",
    "registry_package",
    "release",
    "repository_dispatch",
    "schedule",
    "status",
    "watch",
    "workflow_call",
    "workflow_dispatch",
    "workflow_run",
]));

static EVENTS: Type = Type::new(record(&[
    property("branch_protection_rule", &WITH_CREATED_EDITED_DELETED),
    property("check_run", &CHECK_RUN),
    property("check_suite", &CHECK_SUITE),
    property("create", &NULL),
    property("delete", &NULL),
    property("deployment", &NULL),
    property("deployment_status", &NULL),
    property("discussion", &DISCUSSION),
    property("discussion_comment", &WITH_CREATED_EDITED_DELETED),
    property("fork", &NULL),
    property("gollum", &NULL),
    property("image_version", &IMAGE_VERSION),
    property("issue_comment", &WITH_CREATED_EDITED_DELETED),
    property("issues", &ISSUES),
    property("label", &WITH_CREATED_EDITED_DELETED),
    property("merge_group", &MERGE_GROUP),
    property("milestone", &MILESTONE),
    property("page_build", &NULL),
    property("project", &PROJECT),
    property("project_card", &PROJECT_CARD),
    property("project_column", &PROJECT_COLUMN),
    property("public", &NULL),
    property("pull_request", &PULL_REQUEST),
    property("pull_request_comment", &WITH_CREATED_EDITED_DELETED),
    property("pull_request_review", &PULL_REQUEST_REVIEW),
    property("pull_request_review_comment", &WITH_CREATED_EDITED_DELETED),
    property("pull_request_target", &PULL_REQUEST),
    property("push", &PUSH),
    property("registry_package", &REGISTRY_PACKAGE),
    property("release", &RELEASE),
    property("repository_dispatch", &REPOSITORY_DISPATCH),
    property("schedule", &SCHEDULE),
    property("status", &NULL),
    property("watch", &WATCH),
    property("workflow_call", &WORKFLOW_CALL),
    property("workflow_dispatch", &WORKFLOW_DISPATCH),
    property("workflow_run", &WORKFLOW_RUN),
]));

/// A filter: one pattern, a list of them, or nothing at all, which GitHub's service takes as no filter.
static PATTERNS: Type = Type::new(Form::OneOf(&[&NON_EMPTY, &NON_EMPTY_SEQUENCE, &NULL]));

/// An event that has activity types and no other filter.
macro_rules! with_types {
    ($name:ident, $mapping:ident, $types:ident, $list:ident, $one:ident, [$($activity:literal),* $(,)?]) => {
        static $name: Type = Type::new(Form::OneOf(&[&NULL, &$mapping]));
        static $mapping: Type = Type::new(record(&[property("types", &$types)]));
        activity_types!($types, $list, $one, [$($activity),*]);
    };
}

/// One activity type, or a list of them, or nothing.
macro_rules! activity_types {
    ($types:ident, $list:ident, $one:ident, [$($activity:literal),* $(,)?]) => {
        static $types: Type = Type::new(Form::OneOf(&[&$one, &$list, &NULL]));
        static $list: Type = Type::new(Form::Sequence(&$one));
        static $one: Type = Type::new(Form::Texts(&[$($activity),*]));
    };
}

with_types!(
    WITH_CREATED_EDITED_DELETED,
    CED_MAPPING,
    CED_TYPES,
    CED_LIST,
    CED,
    ["created", "edited", "deleted"]
);
with_types!(
    CHECK_RUN,
    CHECK_RUN_MAPPING,
    CHECK_RUN_TYPES,
    CHECK_RUN_LIST,
    CHECK_RUN_TYPE,
    ["completed", "created", "rerequested", "requested_action"]
);
with_types!(
    CHECK_SUITE,
    CHECK_SUITE_MAPPING,
    CHECK_SUITE_TYPES,
    CHECK_SUITE_LIST,
    CHECK_SUITE_TYPE,
    ["completed"]
);
with_types!(
    DISCUSSION,
    DISCUSSION_MAPPING,
    DISCUSSION_TYPES,
    DISCUSSION_LIST,
    DISCUSSION_TYPE,
    [
        "created",
        "edited",
        "deleted",
        "transferred",
        "pinned",
        "unpinned",
        "labeled",
        "unlabeled",
        "locked",
        "unlocked",
        "category_changed",
        "answered",
        "unanswered",
    ]
);
with_types!(
    ISSUES,
    ISSUES_MAPPING,
    ISSUES_TYPES,
    ISSUES_LIST,
    ISSUES_TYPE,
    [
        "opened",
        "edited",
        "deleted",
        "transferred",
        "pinned",
        "unpinned",
        "closed",
        "reopened",
        "assigned",
        "unassigned",
        "labeled",
        "unlabeled",
        "locked",
        "unlocked",
        "milestoned",
        "demilestoned",
        "typed",
        "untyped",
    ]
);
with_types!(
    MILESTONE,
    MILESTONE_MAPPING,
    MILESTONE_TYPES,
    MILESTONE_LIST,
    MILESTONE_TYPE,
    ["created", "closed", "opened", "edited", "deleted"]
);
with_types!(
    PROJECT,
    PROJECT_MAPPING,
    PROJECT_TYPES,
    PROJECT_LIST,
    PROJECT_TYPE,
    ["created", "closed", "reopened", "edited", "deleted"]
);
with_types!(
    PROJECT_CARD,
    PROJECT_CARD_MAPPING,
    PROJECT_CARD_TYPES,
    PROJECT_CARD_LIST,
    PROJECT_CARD_TYPE,
    ["created", "moved", "converted", "edited", "deleted"]
);
with_types!(
    PROJECT_COLUMN,
    PROJECT_COLUMN_MAPPING,
    PROJECT_COLUMN_TYPES,
    PROJECT_COLUMN_LIST,
    PROJECT_COLUMN_TYPE,
    ["created", "updated", "moved", "deleted"]
);
with_types!(
    PULL_REQUEST_REVIEW,
    PULL_REQUEST_REVIEW_MAPPING,
    PULL_REQUEST_REVIEW_TYPES,
    PULL_REQUEST_REVIEW_LIST,
    PULL_REQUEST_REVIEW_TYPE,
    ["submitted", "edited", "dismissed"]
);
with_types!(
    REGISTRY_PACKAGE,
    REGISTRY_PACKAGE_MAPPING,
    REGISTRY_PACKAGE_TYPES,
    REGISTRY_PACKAGE_LIST,
    REGISTRY_PACKAGE_TYPE,
    ["published", "updated"]
);
with_types!(
    RELEASE,
    RELEASE_MAPPING,
    RELEASE_TYPES,
    RELEASE_LIST,
    RELEASE_TYPE,
    ["published", "unpublished", "created", "edited", "deleted", "prereleased", "released"]
);
with_types!(WATCH, WATCH_MAPPING, WATCH_TYPES, WATCH_LIST, WATCH_TYPE, ["started"]);

static IMAGE_VERSION: Type = Type::new(Form::OneOf(&[&NULL, &IMAGE_VERSION_MAPPING]));
static IMAGE_VERSION_MAPPING: Type = Type::new(record(&[
    property("types", &IMAGE_VERSION_TYPES),
    property("names", &PATTERNS),
    property("versions", &PATTERNS),
]));
activity_types!(IMAGE_VERSION_TYPES, IMAGE_VERSION_LIST, IMAGE_VERSION_TYPE, ["created", "ready", "deleted"]);

static MERGE_GROUP: Type = Type::new(Form::OneOf(&[&NULL, &MERGE_GROUP_MAPPING]));
static MERGE_GROUP_MAPPING: Type = Type::new(record(&[
    property("types", &MERGE_GROUP_TYPES),
    property("branches", &PATTERNS),
    property("branches-ignore", &PATTERNS),
]));
activity_types!(MERGE_GROUP_TYPES, MERGE_GROUP_LIST, MERGE_GROUP_TYPE, ["checks_requested"]);

static PULL_REQUEST: Type = Type::new(Form::OneOf(&[&NULL, &PULL_REQUEST_MAPPING]));
static PULL_REQUEST_MAPPING: Type = Type::new(record(&[
    property("types", &PULL_REQUEST_TYPES),
    property("branches", &PATTERNS),
    property("branches-ignore", &PATTERNS),
    property("paths", &PATTERNS),
    property("paths-ignore", &PATTERNS),
]));
activity_types!(
    PULL_REQUEST_TYPES,
    PULL_REQUEST_LIST,
    PULL_REQUEST_TYPE,
    [
        "assigned",
        "unassigned",
        "labeled",
        "unlabeled",
        "opened",
        "edited",
        "closed",
        "reopened",
        "synchronize",
        "converted_to_draft",
        "locked",
        "unlocked",
        "enqueued",
        "dequeued",
        "milestoned",
        "demilestoned",
        "ready_for_review",
        "review_requested",
        "review_request_removed",
        "auto_merge_enabled",
        "auto_merge_disabled",
    ]
);

static PUSH: Type = Type::new(Form::OneOf(&[&NULL, &PUSH_MAPPING]));
static PUSH_MAPPING: Type = Type::new(record(&[
    property("branches", &PATTERNS),
    property("branches-ignore", &PATTERNS),
    property("tags", &PATTERNS),
    property("tags-ignore", &PATTERNS),
    property("paths", &PATTERNS),
    property("paths-ignore", &PATTERNS),
]));

static WORKFLOW_RUN: Type = Type::new(Form::OneOf(&[&NULL, &WORKFLOW_RUN_MAPPING]));
static WORKFLOW_RUN_MAPPING: Type = Type::new(record(&[
    property("types", &WORKFLOW_RUN_TYPES),
    property("workflows", &PATTERNS),
    property("branches", &PATTERNS),
    property("branches-ignore", &PATTERNS),
]));
activity_types!(
    WORKFLOW_RUN_TYPES,
    WORKFLOW_RUN_LIST,
    WORKFLOW_RUN_TYPE,
    ["requested", "completed", "in_progress"]
);

static REPOSITORY_DISPATCH: Type = Type::new(Form::OneOf(&[&NULL, &REPOSITORY_DISPATCH_MAPPING]));
static REPOSITORY_DISPATCH_MAPPING: Type = Type::new(record(&[property("types", &PATTERNS)]));

static SCHEDULE: Type = Type::new(Form::Sequence(&CRON));
static CRON: Type = Type::new(record(&[required("cron", &NON_EMPTY), property("timezone", &NON_EMPTY)]));

static WORKFLOW_CALL: Type = Type::new(Form::OneOf(&[&NULL, &WORKFLOW_CALL_MAPPING]));
static WORKFLOW_CALL_MAPPING: Type = Type::new(record(&[
    property("inputs", &CALL_INPUTS),
    property("secrets", &CALL_SECRETS),
    property("outputs", &CALL_OUTPUTS),
]));
static CALL_INPUTS: Type = Type::new(map(&NON_EMPTY, &CALL_INPUT));
static CALL_INPUT: Type = Type::new(record(&[
    property("description", &TEXT),
    required("type", &CALL_INPUT_TYPE),
    property("required", &BOOLEAN),
    property("default", &CALL_INPUT_DEFAULT),
]));
static CALL_INPUT_TYPE: Type = Type::new(Form::Texts(&["string", "boolean", "number"]));
static CALL_INPUT_DEFAULT: Type = Type::naming(Names::RUN, Form::OneOf(&[&TEXT, &BOOLEAN, &NUMBER]));
static CALL_SECRETS: Type = Type::new(map(&NON_EMPTY, &CALL_SECRET));
static CALL_SECRET: Type = Type::new(Form::OneOf(&[&NULL, &CALL_SECRET_MAPPING]));
static CALL_SECRET_MAPPING: Type =
    Type::new(record(&[property("description", &TEXT), property("required", &BOOLEAN)]));
static CALL_OUTPUTS: Type = Type::new(map(&NON_EMPTY, &CALL_OUTPUT));
static CALL_OUTPUT: Type =
    Type::new(record(&[property("description", &TEXT), required("value", &CALL_OUTPUT_VALUE)]));
static CALL_OUTPUT_VALUE: Type = Type::naming(Names::RUN.and(Names::JOBS), Form::Text);

/// A key that is not known here is ignored, as GitHub ignores it.
static WORKFLOW_DISPATCH: Type = Type::new(Form::OneOf(&[&NULL, &WORKFLOW_DISPATCH_MAPPING]));
static WORKFLOW_DISPATCH_MAPPING: Type = Type::new(Form::Mapping(Mapping {
    properties: &[property("inputs", &DISPATCH_INPUTS)],
    loose: Some((&NON_EMPTY, &ANY)),
}));
static DISPATCH_INPUTS: Type = Type::new(Form::OneOf(&[&NULL, &DISPATCH_INPUTS_MAPPING]));
static DISPATCH_INPUTS_MAPPING: Type = Type::new(map(&NON_EMPTY, &DISPATCH_INPUT));
static DISPATCH_INPUT: Type = Type::new(Form::OneOf(&[&NULL, &DISPATCH_INPUT_MAPPING]));
static DISPATCH_INPUT_MAPPING: Type = Type::new(record(&[
    property("description", &TEXT),
    property("type", &DISPATCH_INPUT_TYPE),
    property("required", &BOOLEAN),
    property("default", &DISPATCH_INPUT_DEFAULT),
    property("options", &TEXT_SEQUENCE),
    property("deprecationMessage", &TEXT),
]));
static DISPATCH_INPUT_TYPE: Type =
    Type::new(Form::Texts(&["string", "boolean", "number", "choice", "environment"]));
static DISPATCH_INPUT_DEFAULT: Type = Type::new(Form::OneOf(&[&TEXT, &BOOLEAN, &NUMBER]));
