//! Sends commands to the running hostnorm through its control socket; without one, writes them to the store.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::open_store;
use crate::cli::{CommandExit, GlobalOptions};
use crate::clock;
use crate::control_command::{CommandRefusal, ControlCommand, ControlReply};
use crate::http::{self, ControlClientError};
use crate::store::{self, StoreWrite};

/// No daemon listens at the socket of these settings.
pub(super) struct DaemonNotRunning {
    /// Where it was looked for.
    pub(super) reason: String,
    /// The directory of the store, if there is one.
    pub(super) directory: Option<PathBuf>,
    /// Whether the settings name no socket, so that none can be found.
    is_without_socket: bool,
}

impl DaemonNotRunning {
    /// The exit of a command that the store cannot answer instead.
    fn exit(self) -> CommandExit {
        if self.is_without_socket {
            CommandExit::usage(self.reason)
        } else {
            CommandExit::failure(self.reason)
        }
    }
}

/// Sends a command to the daemon and shows its message, or the data as JSON.
pub(super) fn ask(
    options: &GlobalOptions,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    command: &ControlCommand,
    as_json: bool,
) -> CommandExit {
    match send(options, environment, command) {
        Ok(Ok(reply)) if as_json => CommandExit::success(format!("{:#}", reply.data)),
        Ok(Ok(reply)) => CommandExit::success(reply.message),
        Ok(Err(it)) => it.exit(),
        Err(exit) => exit,
    }
}

/// Sends a command to the daemon; without one, writes these entries to the store for the next start.
pub(super) fn send_or_store_command(
    options: &GlobalOptions,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    command: &ControlCommand,
    entries: impl FnOnce(&Path) -> Result<Vec<StoreWrite>, CommandExit>,
) -> CommandExit {
    let missing = match send(options, environment, command) {
        Ok(Ok(reply)) => return CommandExit::success(reply.message),
        Ok(Err(it)) => it,
        Err(exit) => return exit,
    };
    let Some(directory) = missing.directory.clone() else { return missing.exit() };
    let amended =
        entries(&directory).and_then(|it| store::write_entries_offline(&directory, &it).map_err(failure));
    match amended {
        Ok(()) => CommandExit::success(format!(
            "hostnorm is not running; done in the store in {}, effective at the next start",
            directory.display()
        )),
        // The message shows where a daemon was expected.
        Err(exit) => CommandExit { text: format!("{}\n{}", missing.reason, exit.text), ..exit },
    }
}

fn send(
    options: &GlobalOptions,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    command: &ControlCommand,
) -> Result<Result<ControlReply, DaemonNotRunning>, CommandExit> {
    on_socket(options, environment, |socket| http::send(socket, command))
}

/// A resource of the API, such as `explain?at=now`; without a daemon, the directory of the store.
pub(super) fn get(
    options: &GlobalOptions,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    resource: &str,
) -> Result<Result<serde_json::Value, DaemonNotRunning>, CommandExit> {
    on_socket(options, environment, |socket| http::get(socket, resource))
}

/// The resources of the API that the store knows, too.
const STORED: [&str; 2] = ["explain", "episodes"];

/// A resource of the API, and where it comes from: nothing for the daemon, else a sentence about the store.
///
/// # Errors
/// Why there is no answer from either.
pub(super) fn get_from_daemon_or_store(
    options: &GlobalOptions,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    resource: &str,
) -> Result<(serde_json::Value, Option<String>), CommandExit> {
    let missing = match get(options, environment, resource)? {
        Ok(found) => return Ok((found, None)),
        Err(it) => it,
    };
    let is_stored = STORED.iter().any(|it| resource.split('?').next() == Some(it));
    let Some(directory) = missing.directory.clone().filter(|_| is_stored) else { return Err(missing.exit()) };
    let reason = missing.reason;
    match http::get_stored(&directory, clock::now, resource) {
        Ok(found) => Ok((found, Some(format!("the store in {}: {reason}", directory.display())))),
        Err(error) => Err(failure(format!("{reason}\n{error}"))),
    }
}

fn on_socket<T>(
    options: &GlobalOptions,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    exchange: impl FnOnce(&Path) -> Result<Result<T, CommandRefusal>, ControlClientError>,
) -> Result<Result<T, DaemonNotRunning>, CommandExit> {
    let (config, place) = open_store::load_config_and_location(options, environment)?;
    let outcome = config.control_socket(&place).map(|socket| exchange(&socket));
    let is_without_socket = outcome.is_none();
    let reason = match outcome {
        Some(Ok(outcome)) => return outcome.map(Ok).map_err(failure),
        Some(Err(error @ ControlClientError::NotRunning(_))) => error.to_string(),
        Some(Err(error)) => return Err(failure(error)),
        None => "no control socket in these settings; pass the --config.file or --storage.path of the running hostnorm, or set web.control_socket"
            .to_owned(),
    };
    let directory = place.directory().map(Path::to_owned);
    Ok(Err(DaemonNotRunning { reason, directory, is_without_socket }))
}

/// The exit of a failed command.
pub(super) fn failure(reason: impl Display) -> CommandExit {
    CommandExit::failure(reason.to_string())
}
