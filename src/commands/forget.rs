//! `hostnorm forget`: asks the running hostnorm to forget what it learned in a span.

use std::ffi::OsString;

use super::learn::ask;
use crate::cli::{Exit, Forget};
use crate::clock;
use crate::store::Verb;

/// Forgets; exit code 0 once that is done, 64 for a span that ends before it begins.
pub fn run(options: &Forget, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Exit {
    let span = options.range.between(clock::now());
    if span.from > span.to {
        return Exit::usage("--from is later than --to; nothing is forgotten".to_owned());
    }
    ask(&options.options, environment, &Verb::Forget(span))
}
