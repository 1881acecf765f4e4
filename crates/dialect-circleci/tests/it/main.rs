mod compile;
mod conformance;
mod errors;
mod hostile;
mod plan;
mod select;
mod support;
