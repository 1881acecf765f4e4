mod model;

pub use model::{
    ApprovalRule, Config, Environment, Freeze, ReleaseRule, Service, Target, Variable, VariableKind, WeekTime,
};
