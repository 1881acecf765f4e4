/// One key of `sluice.yaml`: the parser, the JSON Schema and the messages read the same table.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    /// As YAML; empty: there is none.
    pub(crate) default: &'static str,
    pub(crate) about: &'static str,
}

pub(crate) enum Form {
    Text,
    /// A text that matches this regular expression.
    Pattern(&'static str),
    OneOf(&'static [&'static str]),
    Texts,
    Bool,
    Int {
        min: i64,
        max: i64,
    },
    /// `30m`, `1h30m`.
    Duration,
    Map(&'static [Key]),
    /// A map from names that match the pattern.
    MapOf(&'static str, &'static [Key]),
    ListOf(&'static [Key]),
    /// A map from names to texts, numbers or booleans.
    Values(&'static str),
    /// Any of text, number and boolean.
    Scalar,
    Scalars,
}

const fn key(name: &'static str, form: Form, default: &'static str, about: &'static str) -> Key {
    Key { name, form, default, about }
}

/// Of services, environments and targets: safe in a host name.
pub(crate) const NAME: &str = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";
pub(crate) const VARIABLE: &str = "^[A-Za-z_][A-Za-z0-9_]*$";
const PATH: &str = "^/";
const WEEK_TIME: &str = "^(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [0-9]{2}:[0-9]{2}$";

pub(crate) const ROOT: &[Key] = &[
    key("name", Form::Text, "", "What pages call the product. The repository's name where it is not given."),
    key("release", Form::Map(RELEASE), "{}", "Which green runs become releases."),
    key("services", Form::MapOf(NAME, SERVICE), "{}", "What a release consists of."),
    key("environments", Form::MapOf(NAME, ENVIRONMENT), "{}", "Where a release goes, in this order."),
    key("targets", Form::MapOf(NAME, TARGET), "{}", "Where environments run."),
    key(
        "registry",
        Form::Map(REGISTRY),
        "{}",
        "How long the images of this repository are kept, and which of others it follows.",
    ),
];

pub(crate) const REGISTRY: &[Key] = &[
    key(
        "follow",
        Form::Texts,
        "[]",
        "Images of others whose push starts the workflows that are `on: registry_package`; `*` stands for any characters: `base/*`.",
    ),
    key(
        "retention",
        Form::ListOf(RETENTION),
        "[]",
        "Which tags go. The first rule that matches a tag decides about it; a tag that no rule matches stays, and so does whatever was released.",
    ),
];

pub(crate) const RETENTION: &[Key] = &[
    key("tags", Form::Text, "", "The tags that the rule is about; `*` stands for any characters: `build-*`."),
    key("keep", Form::Int { min: 0, max: 1_000_000 }, "", "So many of the newest stay, however old."),
    key("days", Form::Int { min: 0, max: 36_500 }, "", "Those set within so many days stay, however many."),
];

pub(crate) const RELEASE: &[Key] =
    &[key("on", Form::Map(ON), "{}", "The refs whose green runs become releases.")];

pub(crate) const ON: &[Key] = &[
    key(
        "branches",
        Form::Texts,
        "[main, master]",
        "Branches; `*` stands for text without a slash, `**` for any.",
    ),
    key("tags", Form::Texts, "[]", "Tags, in the same form. A tag's name is the release's version."),
];

pub(crate) const SERVICE: &[Key] = &[
    key("image", Form::Text, "", "The image that the pipeline pushes, without a tag: `storefront/api`."),
    key(
        "port",
        Form::Int { min: 1, max: 65_535 },
        "8080",
        "Where the service listens. It gets the number as PORT.",
    ),
    key("health", Form::Pattern(PATH), "", "The path that answers 2xx when the service is healthy."),
    key(
        "version",
        Form::Pattern(PATH),
        "",
        "The path whose JSON names this release's `version` and `commit`; a service that says something else is not live.",
    ),
    key("env", Form::MapOf(VARIABLE, VARIABLE_KEYS), "{}", "The variables that the service reads."),
    key("depends_on", Form::Texts, "[]", "Services that are healthy before this one starts."),
];

pub(crate) const TYPES: &[&str] = &["string", "int", "bool", "url"];

pub(crate) const VARIABLE_KEYS: &[Key] = &[
    key("type", Form::OneOf(TYPES), "string", "The form of the value."),
    key("schemes", Form::Texts, "[]", "For a url: how it may begin. Empty: any scheme."),
    key("default", Form::Scalar, "", "The value where the environment gives none."),
    key("one_of", Form::Scalars, "[]", "The only values that are taken. Empty: any of the type."),
    key(
        "secret",
        Form::Bool,
        "false",
        "The value is a secret of the environment, and never shown. No secrets are kept yet: a required one refuses the rollout.",
    ),
    key("required", Form::Bool, "true", "There has to be a value."),
];

pub(crate) const ENVIRONMENT: &[Key] = &[
    key("approve", Form::Map(APPROVE), "", "Who has to say yes. Without it a release enters by itself."),
    key(
        "soak",
        Form::Duration,
        "0s",
        "How long a release has to have been live in the environment before this one.",
    ),
    key("freeze", Form::ListOf(FREEZE), "[]", "Stretches of every week in which nothing enters."),
    key("target", Form::Text, "local", "A key of `targets`."),
    key("replicas", Form::Int { min: 1, max: 100 }, "1", "Instances of each service."),
    key("env", Form::Values(VARIABLE), "{}", "Values for the variables that services declare."),
    key(
        "gate",
        Form::Text,
        "approve-<environment>",
        "The pipeline's approval job that is this environment's gate.",
    ),
    key(
        "verify_for",
        Form::Duration,
        "10s",
        "How long after the switch health and version are watched before the release counts as live.",
    ),
    key("keep", Form::Int { min: 0, max: 20 }, "1", "Earlier instances that are kept for a rollback."),
];

pub(crate) const APPROVE: &[Key] = &[
    key(
        "by",
        Form::Texts,
        "[]",
        "Groups, and persons as `@name`. Empty: anyone who may write to the repository.",
    ),
    key("count", Form::Int { min: 1, max: 20 }, "1", "How many different people."),
    key("not_author", Form::Bool, "false", "Whoever caused the release may not approve it."),
];

pub(crate) const FREEZE: &[Key] = &[
    key("from", Form::Pattern(WEEK_TIME), "", "`Fri 16:00`."),
    key("to", Form::Pattern(WEEK_TIME), "", "`Mon 08:00`."),
    key("zone", Form::Text, "UTC", "An IANA time zone: `Europe/London`."),
];

pub(crate) const KINDS: &[&str] = &["auto", "docker", "host"];

pub(crate) const TARGET: &[Key] = &[key(
    "kind",
    Form::OneOf(KINDS),
    "auto",
    "`docker`; `host`: processes of this machine; `auto`: docker where an engine answers, else host.",
)];
