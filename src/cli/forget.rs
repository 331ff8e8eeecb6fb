//! The command line of `hostnorm forget`.

use clap::ArgMatches;

use super::stored::{self, Range};
use super::{Exit, Options};
use crate::config::Setting;

/// What is to be forgotten.
#[derive(Debug, Clone, PartialEq)]
pub struct Forget {
    /// Where the store is, by which the running hostnorm is found.
    pub options: Options,
    /// From when until when; both are there.
    pub range: Range,
}

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    let [from, to] = stored::span();
    clap::Command::new("forget")
        .about("Forget what was learned in a span, such as an incident")
        .long_about(
            "Forget what was learned in a span, such as an incident: what is normal is made anew from the points that are \
             stored of all other time, and the model is trained again. What was read and scored in the span stays in the \
             store; it is never learned again.",
        )
        .args(stored::place(settings))
        .args([from.required(true), to.required(true)])
}

pub(super) fn options(matches: &ArgMatches, options: Options, settings: &[Setting]) -> Result<Forget, Exit> {
    Ok(Forget { options: stored::options(matches, options, settings), range: stored::range(matches) })
}
