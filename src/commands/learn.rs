//! `hostnorm learn`: asks the running hostnorm to learn nothing for a while, or to learn again.

use std::ffi::OsString;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use super::stored;
use crate::cli::{Exit, Learn, Options};
use crate::clock;
use crate::store::{Asked, Error, Verb, is_in_use};

/// How long is waited for the answer: several commits, as the settings have them by default.
const PATIENCE: Duration = Duration::from_secs(20);
/// Time between two looks for it.
const PAUSE: Duration = Duration::from_millis(100);

/// Switches learning; exit code 0 once that is done, or will be at the next start.
pub fn run(options: &Learn, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Exit {
    ask(&options.options, environment, &Verb::Learn(options.on))
}

/// Asks the hostnorm that writes to the store that these settings name, and waits for its answer.
pub(super) fn ask(
    options: &Options,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    verb: &Verb,
) -> Exit {
    let directory = match stored::directory(options, environment) {
        Ok(directory) => directory,
        Err(exit) => return exit,
    };
    answer(&directory, verb).unwrap_or_else(|error| Exit::failure(error.to_string()))
}

fn answer(directory: &Path, verb: &Verb) -> Result<Exit, Error> {
    let asked = Asked::new(directory, clock::now(), verb)?;
    if !is_in_use(directory) {
        return Ok(Exit::success(
            "no hostnorm writes to this store just now; it will be done when one is started",
        ));
    }
    let until = clock::instant() + PATIENCE;
    // A channel on which nobody sends is the pause that the rules of this house allow.
    let (_silent, pause) = mpsc::channel::<()>();
    while clock::instant() < until {
        match asked.outcome()? {
            Some(Ok(told)) => return Ok(Exit::success(told)),
            Some(Err(told)) => return Ok(Exit::failure(told)),
            None => drop(pause.recv_timeout(PAUSE)),
        }
    }
    Ok(Exit::failure(format!(
        "hostnorm did not answer within {} s; it will do it with its next commit, see storage.commit_every and its log",
        PATIENCE.as_secs()
    )))
}
