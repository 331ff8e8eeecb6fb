//! `hostnorm reject` and `hostnorm confirm`: the verdict of an operator on an episode.

use std::ffi::OsString;

use super::daemon_client::{self, failure};
use super::open_store;
use crate::cli::{CommandExit, VerdictArgs};
use crate::clock;
use crate::control_command::ControlCommand;
use crate::episode_text;
use crate::store::{StoreWrite, VerdictRow};

/// Records a verdict. Exit code 0 once that is done, or stored for the next start; 1 for an unknown episode.
pub fn run(
    options: &VerdictArgs,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> CommandExit {
    let (subject, second, verdict) = (&options.episode.subject, options.episode.second, options.verdict);
    let command = ControlCommand::SetVerdict { subject: subject.clone(), second, verdict };
    daemon_client::send_or_store_command(&options.options, environment, &command, |directory| {
        let reader = open_store::open(directory)?;
        let episode = reader.episode(subject, second).map_err(|it| failure(reader.locate(it)))?;
        if episode.is_none() {
            let id = episode_text::id(subject, second);
            return Err(CommandExit::failure(format!(
                "no episode {id} in the store; `hostnorm episodes` lists all"
            )));
        }
        let row = VerdictRow { subject: subject.clone(), second, verdict, at: clock::now() };
        Ok(vec![StoreWrite::Verdict(row)])
    })
}
