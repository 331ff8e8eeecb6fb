//! The way of local commands to the hostnorm that runs on this host: its control socket.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::cli::{Exit, Options};
use crate::control::{Command, Outcome, Reply};
use crate::http::{self, ClientError};
use crate::store::{self, Entry, Place};

/// What a command found where the daemon should be.
pub(super) enum Answer {
    /// The daemon's reply or refusal.
    Outcome(Outcome),
    /// No daemon listens.
    NotRunning(NotRunning),
}

/// Where no daemon listens.
pub(super) struct NotRunning {
    /// The directory of the store, if there is one.
    pub(super) directory: Option<PathBuf>,
    /// What was tried.
    pub(super) reason: String,
}

/// Sends a command to the daemon of these settings.
pub(super) fn send(
    options: &Options,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    command: &Command,
) -> Result<Answer, Exit> {
    let environment: BTreeMap<OsString, OsString> = environment.into_iter().collect();
    let loaded = options.load(environment.clone());
    let config = loaded.map_err(|problems| Exit::usage(problems.to_string()))?.config;
    let place = config.storage.place(|name| environment.get(OsStr::new(name)).cloned());
    let directory = if let Place::Directory(directory) = &place { Some(directory.clone()) } else { None };
    let Some(socket) = config.control_socket(&place) else {
        let reason = "these settings have no control socket; give --config.file or --storage.path of the \
                      hostnorm that runs, or set web.control_socket";
        return Ok(Answer::NotRunning(NotRunning { directory, reason: reason.into() }));
    };
    match http::send(&socket, command) {
        Ok(outcome) => Ok(Answer::Outcome(outcome)),
        Err(error @ ClientError::NotRunning(_)) => {
            Ok(Answer::NotRunning(NotRunning { directory, reason: error.to_string() }))
        }
        Err(error) => Err(Exit::failure(error.to_string())),
    }
}

/// Sends a command that only a daemon can carry out; its reply as the exit.
pub(super) fn ask(
    options: &Options,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    command: &Command,
) -> Result<Reply, Exit> {
    match send(options, environment, command)? {
        Answer::Outcome(outcome) => outcome.map_err(|refusal| Exit::failure(refusal.to_string())),
        Answer::NotRunning(it) => Err(Exit::failure(it.reason)),
    }
}

/// Sends a command; without a daemon makes these entries in the store, for the next start.
pub(super) fn ask_or_amend(
    options: &Options,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    command: &Command,
    entries: impl FnOnce(&std::path::Path) -> Result<Vec<Entry>, Exit>,
) -> Result<String, Exit> {
    let it = match send(options, environment, command)? {
        Answer::Outcome(outcome) => {
            let reply = outcome.map_err(|refusal| Exit::failure(refusal.to_string()))?;
            return Ok(reply.message);
        }
        Answer::NotRunning(it) => it,
    };
    let Some(directory) = it.directory else { return Err(Exit::failure(it.reason)) };
    // A store that cannot be changed is told with the daemon that was not found.
    let failed = |error: &dyn std::fmt::Display| Exit::failure(format!("{}\n{error}", it.reason));
    let entries = entries(&directory).map_err(|exit| failed(&exit.text))?;
    store::amend(&directory, &entries).map_err(|error| failed(&error))?;
    Ok(format!("no hostnorm runs; done in the store in {}, for the next start", directory.display()))
}
