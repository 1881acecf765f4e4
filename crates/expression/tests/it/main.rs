mod conformance;
mod evaluation;
mod hostile;
mod round_trip;
mod templates;
