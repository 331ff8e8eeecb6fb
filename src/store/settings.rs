//! The settings of the section `storage`, and where the store is: in the set directory, else in the standard one for services,
//! else nowhere.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::byte_size::ByteSize;
use crate::duration::HumanDuration;

/// Location and size of the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoreSettings {
    /// A directory, `auto`, or `off`.
    pub path: PathBuf,
    /// Largest size of the whole store.
    pub max_bytes: ByteSize,
    /// Age up to which rows are kept.
    pub retention: RetentionSettings,
    /// Size of readings that are kept longer for episodes.
    pub episode_bytes: ByteSize,
    /// Interval between commits.
    pub commit_interval: HumanDuration,
}

/// Age up to which rows are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RetentionSettings {
    /// Of raw readings.
    pub readings: HumanDuration,
    /// Of points, scores and episodes.
    pub points: HumanDuration,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            path: AUTO.into(),
            max_bytes: ByteSize::from_mebibytes(256),
            retention: RetentionSettings {
                readings: HumanDuration::days(2),
                points: HumanDuration::days(90),
            },
            episode_bytes: ByteSize::from_mebibytes(64),
            commit_interval: HumanDuration::seconds(5),
        }
    }
}

/// The standard directory.
const AUTO: &str = "auto";
/// No store.
const OFF: &str = "off";
/// State directory of packages and of the image; used if it exists.
const SYSTEM: &str = "/var/lib/hostnorm";
/// Subdirectory in a directory that several programs share.
const OWN: &str = "hostnorm";

/// Location of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreLocation {
    /// Disabled by the settings.
    Off,
    /// No directory is known.
    Unknown,
    /// In this directory.
    Directory(PathBuf),
}

impl StoreLocation {
    /// The directory, if there is one.
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Directory(path) => Some(path),
            Self::Off | Self::Unknown => None,
        }
    }
}

impl StoreSettings {
    /// The location, given environment variables and the state directory of the package, if it exists.
    ///
    /// The daemon and all commands use this function, so that they agree.
    pub fn location(&self, variable: impl Fn(&str) -> Option<OsString>) -> StoreLocation {
        let system = Path::new(SYSTEM);
        self.location_beside(system.is_dir().then_some(system), variable)
    }

    fn location_beside(
        &self,
        system: Option<&Path>,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> StoreLocation {
        match self.path.to_str() {
            Some("" | OFF) => return StoreLocation::Off,
            Some(AUTO) => {}
            _ => return StoreLocation::Directory(self.path.clone()),
        }
        let path = |name: &str| variable(name).filter(|it| !it.is_empty()).map(PathBuf::from);
        // For a unit with several directories, systemd separates them by colons.
        if let Some(directories) = path("STATE_DIRECTORY") {
            let first = directories.to_str().and_then(|it| it.split(':').next()).map(PathBuf::from);
            return StoreLocation::Directory(first.unwrap_or(directories));
        }
        if let Some(system) = system {
            return StoreLocation::Directory(system.to_owned());
        }
        // The XDG specification says to ignore relative paths.
        let state = path("XDG_STATE_HOME").filter(|it| it.is_absolute());
        let home = || path("HOME").filter(|it| it.is_absolute()).map(|it| it.join(".local/state"));
        match state.or_else(home) {
            Some(state) => StoreLocation::Directory(state.join(OWN)),
            None => StoreLocation::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, variables: &[(&str, &str)], expect: &str) {
        check_beside(None, path, variables, expect);
    }

    fn check_beside(system: Option<&str>, path: &str, variables: &[(&str, &str)], expect: &str) {
        let settings = StoreSettings { path: path.into(), ..StoreSettings::default() };
        let variable = |name: &str| variables.iter().find(|it| it.0 == name).map(|it| it.1.into());
        let found = match settings.location_beside(system.map(Path::new), variable) {
            StoreLocation::Off => "off".to_owned(),
            StoreLocation::Unknown => "nowhere".to_owned(),
            StoreLocation::Directory(path) => path.display().to_string(),
        };
        assert_eq!(found, expect, "{path} {variables:?}");
    }

    #[test]
    fn settings_count_first_then_systemd_then_the_user() {
        let all = [("STATE_DIRECTORY", "/var/lib/hostnorm"), ("XDG_STATE_HOME", "/x"), ("HOME", "/h")];
        check("/data", &all, "/data");
        check("auto", &all, "/var/lib/hostnorm");
        check("auto", &all[1..], "/x/hostnorm");
        check("auto", &all[2..], "/h/.local/state/hostnorm");
        check("auto", &[], "nowhere");
        check("auto", &[("STATE_DIRECTORY", "/a:/b")], "/a");
        check("auto", &[("XDG_STATE_HOME", "x"), ("HOME", "/h")], "/h/.local/state/hostnorm");
        check("auto", &[("HOME", "")], "nowhere");
        check("off", &all, "off");
        check("", &all, "off");
        check("./off", &all, "./off");
        check_beside(Some("/s"), "auto", &all, "/var/lib/hostnorm");
        check_beside(Some("/s"), "auto", &all[1..], "/s");
        check_beside(Some("/s"), "auto", &[], "/s");
        check_beside(Some("/s"), "/data", &[], "/data");
        check_beside(Some("/s"), "off", &[], "off");
    }
}
