//! What may stand where: GitHub's workflow schema (`workflow-v1.0`) as types that point at each other.

mod action;
mod event;
mod job;
mod root;

pub(crate) use action::ACTION;
pub(crate) use root::ROOT;

/// The contexts and functions that expressions may name at a place, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Names(u16);

impl Names {
    pub(crate) const NONE: Self = Self(0);
    const GITHUB: Self = Self(1);
    const INPUTS: Self = Self(1 << 1);
    const VARS: Self = Self(1 << 2);
    const NEEDS: Self = Self(1 << 3);
    const STRATEGY: Self = Self(1 << 4);
    const MATRIX: Self = Self(1 << 5);
    const SECRETS: Self = Self(1 << 6);
    const STEPS: Self = Self(1 << 7);
    const JOB: Self = Self(1 << 8);
    const RUNNER: Self = Self(1 << 9);
    const ENV: Self = Self(1 << 10);
    const JOBS: Self = Self(1 << 11);
    const HASH_FILES: Self = Self(1 << 12);
    const JOB_STATUS: Self = Self(1 << 13);
    const STEP_STATUS: Self = Self(1 << 14);

    /// `github`, `inputs`, `vars`: what is known before any job.
    const RUN: Self = Self::GITHUB.and(Self::INPUTS).and(Self::VARS);
    const JOB_START: Self = Self::RUN.and(Self::NEEDS);
    const INSTANCE: Self = Self::JOB_START.and(Self::STRATEGY).and(Self::MATRIX);
    const RUNNING: Self = Self::INSTANCE.and(Self::STEPS).and(Self::JOB).and(Self::RUNNER).and(Self::ENV);
    const STEP: Self = Self::RUNNING.and(Self::SECRETS).and(Self::HASH_FILES);

    /// Where a job's `if` stands.
    pub(crate) const JOB_IF: Self = Self::JOB_START.and(Self::JOB_STATUS);
    /// Where a step's `if` stands.
    pub(crate) const STEP_IF: Self = Self::RUNNING.and(Self::HASH_FILES).and(Self::STEP_STATUS);
    /// Where a snapshot's `if` stands.
    pub(crate) const SNAPSHOT_IF: Self = Self::INSTANCE;

    /// Where the default of an action's input stands.
    const ACTION_INPUT: Self = Self::GITHUB
        .and(Self::STRATEGY)
        .and(Self::MATRIX)
        .and(Self::JOB)
        .and(Self::RUNNER)
        .and(Self::HASH_FILES);
    /// What an action knows: no secrets, no variables of the repository, no other jobs.
    const ACTION: Self = Self::GITHUB
        .and(Self::INPUTS)
        .and(Self::STRATEGY)
        .and(Self::MATRIX)
        .and(Self::STEPS)
        .and(Self::JOB)
        .and(Self::RUNNER)
        .and(Self::ENV);
    const ACTION_STEP: Self = Self::ACTION.and(Self::HASH_FILES);
    /// Where the `if` of a composite action's step stands.
    pub(crate) const ACTION_STEP_IF: Self = Self::ACTION_STEP.and(Self::STEP_STATUS);

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn is_none(self) -> bool {
        self.0 == 0
    }

    /// In the notation of GitHub's schema.
    pub(crate) fn spelled(self) -> Vec<&'static str> {
        const SPELLED: [(Names, &[&str]); 15] = [
            (Names::GITHUB, &["github"]),
            (Names::INPUTS, &["inputs"]),
            (Names::VARS, &["vars"]),
            (Names::NEEDS, &["needs"]),
            (Names::STRATEGY, &["strategy"]),
            (Names::MATRIX, &["matrix"]),
            (Names::SECRETS, &["secrets"]),
            (Names::STEPS, &["steps"]),
            (Names::JOB, &["job"]),
            (Names::RUNNER, &["runner"]),
            (Names::ENV, &["env"]),
            (Names::JOBS, &["jobs"]),
            (Names::HASH_FILES, &["hashFiles(1,255)"]),
            (Names::JOB_STATUS, &["always(0,0)", "failure(0,MAX)", "cancelled(0,0)", "success(0,MAX)"]),
            (Names::STEP_STATUS, &["always(0,0)", "failure(0,0)", "cancelled(0,0)", "success(0,0)"]),
        ];
        let known = SPELLED.iter().filter(|(name, _)| self.0 & name.0 != 0);
        known.flat_map(|(_, spelled)| spelled.iter().copied()).collect()
    }
}

/// What a value may be, and what its expressions may name beside what the value around it allows.
#[derive(Debug)]
pub(crate) struct Type {
    pub(crate) names: Names,
    pub(crate) form: Form,
}

#[derive(Debug)]
pub(crate) enum Form {
    Null,
    Boolean,
    Number,
    Text,
    NonEmptyText,
    /// One of these texts.
    Texts(&'static [&'static str]),
    Sequence(&'static Type),
    Mapping(Mapping),
    OneOf(&'static [&'static Type]),
}

#[derive(Debug)]
pub(crate) struct Mapping {
    pub(crate) properties: &'static [Property],
    /// The types of keys and values that have no property.
    pub(crate) loose: Option<(&'static Type, &'static Type)>,
}

#[derive(Debug)]
pub(crate) struct Property {
    pub(crate) name: &'static str,
    pub(crate) value: &'static Type,
    pub(crate) required: bool,
}

impl Type {
    const fn new(form: Form) -> Self {
        Self { names: Names::NONE, form }
    }

    const fn naming(names: Names, form: Form) -> Self {
        Self { names, form }
    }

    /// Whether any form that is no choice is `wanted`.
    pub(crate) fn any(&'static self, wanted: &mut impl FnMut(&'static Form) -> bool) -> bool {
        match &self.form {
            Form::OneOf(choices) => choices.iter().any(|choice| choice.any(wanted)),
            form => wanted(form),
        }
    }

    pub(crate) fn item(&'static self) -> Option<&'static Type> {
        match &self.form {
            Form::OneOf(choices) => choices.iter().find_map(|choice| choice.item()),
            Form::Sequence(item) => Some(item),
            _ => None,
        }
    }

    pub(crate) fn mappings(&'static self, found: &mut Vec<&'static Mapping>) {
        match &self.form {
            Form::OneOf(choices) => choices.iter().for_each(|choice| choice.mappings(found)),
            Form::Mapping(mapping) => found.push(mapping),
            _ => {}
        }
    }

    /// The texts that the value may be, where it may only be one of some.
    pub(crate) fn choices(&'static self) -> Vec<&'static str> {
        let mut texts = Vec::new();
        self.any(&mut |form| {
            if let Form::Texts(choices) = form {
                texts.extend_from_slice(choices);
            }
            false
        });
        texts
    }
}

const fn property(name: &'static str, value: &'static Type) -> Property {
    Property { name, value, required: false }
}

const fn required(name: &'static str, value: &'static Type) -> Property {
    Property { name, value, required: true }
}

const fn record(properties: &'static [Property]) -> Form {
    Form::Mapping(Mapping { properties, loose: None })
}

const fn map(key: &'static Type, value: &'static Type) -> Form {
    Form::Mapping(Mapping { properties: &[], loose: Some((key, value)) })
}

static NULL: Type = Type::new(Form::Null);
static BOOLEAN: Type = Type::new(Form::Boolean);
static NUMBER: Type = Type::new(Form::Number);
static TEXT: Type = Type::new(Form::Text);
static NON_EMPTY: Type = Type::new(Form::NonEmptyText);
pub(crate) static ANY: Type =
    Type::new(Form::OneOf(&[&NULL, &BOOLEAN, &NUMBER, &TEXT, &ANY_SEQUENCE, &ANY_MAPPING]));
static ANY_SEQUENCE: Type = Type::new(Form::Sequence(&ANY));
static ANY_MAPPING: Type = Type::new(map(&TEXT, &ANY));
static NON_EMPTY_SEQUENCE: Type = Type::new(Form::Sequence(&NON_EMPTY));
static TEXT_SEQUENCE: Type = Type::new(Form::Sequence(&TEXT));
/// One non-empty text, or a list of them.
static NON_EMPTY_ONE_OR_MORE: Type = Type::new(Form::OneOf(&[&NON_EMPTY, &NON_EMPTY_SEQUENCE]));
