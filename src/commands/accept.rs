//! `hostnorm accept`: asks the running hostnorm to take the anomaly that is under way for the new normal.

use std::ffi::OsString;

use super::learn::ask;
use crate::cli::{Exit, Options};
use crate::store::Verb;

/// Accepts; exit code 0 once that is done, 1 when there is no anomaly.
pub fn run(options: &Options, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Exit {
    ask(options, environment, &Verb::Accept)
}
