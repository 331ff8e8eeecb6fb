//! Opens the store that the settings name.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::cli::{Exit, GlobalOptions};
use crate::config::Config;
use crate::store::{StoreLocation, StoreReader};

/// The settings, and the location of the store.
pub(super) fn locate(
    options: &GlobalOptions,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Config, StoreLocation), Exit> {
    let environment: BTreeMap<OsString, OsString> = environment.into_iter().collect();
    let loaded = options.load(environment.clone());
    let config = loaded.map_err(|problems| Exit::usage(problems.to_string()))?.config;
    let place = config.storage.location(|name| environment.get(OsStr::new(name)).cloned());
    Ok((config, place))
}

/// The settings, and the directory of the store.
pub(super) fn config(
    options: &GlobalOptions,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Config, PathBuf), Exit> {
    let (config, place) = locate(options, environment)?;
    match place {
        StoreLocation::Directory(directory) => Ok((config, directory)),
        StoreLocation::Off => Err(Exit::usage("no store: storage.path is off; set --storage.path")),
        StoreLocation::Nowhere => Err(Exit::usage("no directory for the store; set --storage.path")),
    }
}

/// The store of these settings, open for reading.
pub(super) fn reader(
    options: &GlobalOptions,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<StoreReader, Exit> {
    let (_, directory) = config(options, environment)?;
    StoreReader::open(&directory).map_err(|error| Exit::failure(error.to_string()))
}
