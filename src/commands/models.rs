//! `hostnorm models`: lists, compares, promotes and rolls back models.

use std::ffi::OsString;
use std::path::Path;

use super::daemon_client::{self, failure};
use super::open_store;
use crate::cli::{CommandExit, ModelsAction, ModelsArgs};
use crate::control_command::ControlCommand;
use crate::model_registry::{ModelRegistry, ModelVersion, VersionRecord, VersionStage};
use crate::sampler::{entries, record};
use crate::store::StoreWrite;

mod compare;
mod output;

/// Shows models, or selects another one. Exit code 0; 1 for a model that is missing or cannot be read.
pub fn run(options: &ModelsArgs, environment: impl IntoIterator<Item = (OsString, OsString)>) -> CommandExit {
    let command = match &options.action {
        ModelsAction::Promote(id) => ControlCommand::Promote { model: id.clone() },
        ModelsAction::Rollback => ControlCommand::Rollback,
        ModelsAction::List | ModelsAction::Show(_) | ModelsAction::Compare(..) => {
            return look(options, environment).unwrap_or_else(|exit| exit);
        }
    };
    let entries = |directory: &Path| promoted(directory, &command);
    daemon_client::send_or_store_command(&options.options, environment, &command, entries)
}

/// Store entries that promote a model while no daemon runs.
fn promoted(directory: &Path, command: &ControlCommand) -> Result<Vec<StoreWrite>, CommandExit> {
    let reader = open_store::open(directory)?;
    let rows = reader.models().map_err(|it| failure(reader.locate(it)))?;
    let mut registry = ModelRegistry::new(0.0);
    let versions = rows.into_iter().filter_map(|row| ModelVersion::from_record(&record(row)).ok());
    versions.for_each(|it| registry.restore(it));
    let id = match command {
        ControlCommand::Promote { model } => model.clone(),
        _ => registry.previous().map_err(failure)?.to_string(),
    };
    registry.promote(&id).map_err(failure)?;
    Ok(entries(&mut registry))
}

fn look(
    options: &ModelsArgs,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<CommandExit, CommandExit> {
    let (config, directory) = open_store::config(&options.options, environment)?;
    let reader = open_store::open(&directory)?;
    let failed = |error| failure(reader.locate(error));
    let records: Vec<VersionRecord> = reader.models().map_err(failed)?.into_iter().map(record).collect();
    let text = match &options.action {
        ModelsAction::Show(id) => output::one(&found(&records, id.as_deref())?, options.json),
        ModelsAction::Compare(one, other) => {
            let pair = [found(&records, Some(one))?, found(&records, other.as_deref())?];
            let scores = compare::scores(&reader, &config, &pair).map_err(failed)?;
            output::two(&pair, scores.as_ref(), options.json)
        }
        _ => output::all(&records, options.json),
    };
    Ok(CommandExit::success(text))
}

/// The model with this identifier; the current one by default.
fn found(records: &[VersionRecord], id: Option<&str>) -> Result<ModelVersion, CommandExit> {
    let wanted = |it: &&VersionRecord| id.map_or(it.state == VersionStage::Current.name(), |id| it.id == id);
    let record = records.iter().rev().find(wanted).ok_or_else(|| {
        CommandExit::failure(match id {
            Some(id) => format!("no model {id}; `hostnorm models list` lists all"),
            None => "no current model; the first is trained after the warm-up".to_owned(),
        })
    })?;
    ModelVersion::from_record(record)
        .map_err(|error| CommandExit::failure(format!("model {}: {error}", record.id)))
}
