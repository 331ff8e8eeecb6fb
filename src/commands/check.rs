//! `hostnorm check`: validates the settings and prints those in effect.

use std::ffi::OsString;

use crate::cli::{CheckOutput, CommandExit, GlobalOptions};
use crate::config::{self, LoadedConfig};

/// Checks settings. Exit code 0 or 64.
pub fn run(
    options: &GlobalOptions,
    print: CheckOutput,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> CommandExit {
    if print == CheckOutput::Defaults {
        return CommandExit::success(config::default_file());
    }
    let loaded = options.load(environment);
    match loaded.and_then(LoadedConfig::with_web_config) {
        Err(problems) => CommandExit::usage(problems.to_string()),
        Ok(loaded) if print == CheckOutput::Effective => {
            CommandExit::success(config::effective_settings_yaml(&loaded))
        }
        Ok(loaded) => {
            let verdict = match &loaded.file {
                Some(file) => format!("{} is valid", file.display()),
                None => "the settings are valid; there is no settings file".into(),
            };
            CommandExit::success(match loaded.absent_web_config() {
                Some(file) => {
                    format!("{verdict}; {} was not checked: it is not on this host", file.display())
                }
                None => verdict,
            })
        }
    }
}
