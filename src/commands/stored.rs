//! Where the store is that a command looks into.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::cli::{Exit, Options};
use crate::config::Config;
use crate::store::{Archive, Place};

/// The directory of the store that these settings name.
pub(super) fn directory(
    options: &Options,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<PathBuf, Exit> {
    config(options, environment).map(|(_, directory)| directory)
}

/// These settings, and the directory of the store that they name.
pub(super) fn config(
    options: &Options,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<(Config, PathBuf), Exit> {
    let environment: BTreeMap<OsString, OsString> = environment.into_iter().collect();
    let loaded = options.load(environment.clone());
    let config = loaded.map_err(|problems| Exit::usage(problems.to_string()))?.config;
    match config.storage.place(|name| environment.get(OsStr::new(name)).cloned()) {
        Place::Directory(directory) => Ok((config, directory)),
        Place::Off => Err(Exit::usage("nothing is stored: storage.path is off; give --storage.path")),
        Place::Nowhere => Err(Exit::usage("no directory for the store is known; give --storage.path")),
    }
}

/// The store that these settings name, open for reading.
pub(super) fn archive(
    options: &Options,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Archive, Exit> {
    let directory = directory(options, environment)?;
    Archive::open(&directory).map_err(|error| Exit::failure(error.to_string()))
}
