//! Opens the store that the settings name.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::cli::{CommandExit, GlobalOptions};
use crate::config::Config;
use crate::store::{StoreLocation, StoreReader};

/// The settings, and the location of the store.
pub(super) fn load_config_and_location(
    options: &GlobalOptions,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Config, StoreLocation), CommandExit> {
    let environment: BTreeMap<OsString, OsString> = environment.into_iter().collect();
    let loaded = options.load(environment.clone());
    let config = loaded.map_err(|problems| CommandExit::usage(problems.to_string()))?.config;
    let place = config.storage.location(|name| environment.get(OsStr::new(name)).cloned());
    Ok((config, place))
}

/// The settings, and the directory of the store.
pub(super) fn config(
    options: &GlobalOptions,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Config, PathBuf), CommandExit> {
    let (config, place) = load_config_and_location(options, environment)?;
    match place {
        StoreLocation::Directory(directory) => Ok((config, directory)),
        StoreLocation::Off => Err(CommandExit::usage("no store: storage.path is off; set --storage.path")),
        StoreLocation::Unknown => Err(CommandExit::usage("no directory for the store; set --storage.path")),
    }
}

/// The store of these settings, open for reading.
pub(super) fn reader(
    options: &GlobalOptions,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<StoreReader, CommandExit> {
    let (_, directory) = config(options, environment)?;
    open(&directory)
}

/// The store in this directory, open for reading.
pub(super) fn open(directory: &Path) -> Result<StoreReader, CommandExit> {
    StoreReader::open(directory).map_err(|error| CommandExit::failure(error.to_string()))
}
