//! Checks that the directories and certificates in settings exist.

use std::path::PathBuf;

use super::{ConfigProblem, ConfigProblems, LoadedConfig, ValueSource};
use crate::http;
use crate::telemetry::otlp_traces;

impl LoadedConfig {
    /// Checks that the directories and certificates in the settings exist on this host. `check` checks the web configuration
    /// only, because the settings may be those of another host.
    ///
    /// # Errors
    /// Each missing path. The default of sysfs may be missing.
    pub fn check_paths_exist(self) -> Result<Self, ConfigProblems> {
        let path = &self.config.path;
        let roots =
            [("path.procfs", &path.procfs), ("path.sysfs", &path.sysfs), ("path.rootfs", &path.rootfs)];
        let problems = roots.into_iter().filter(|(key, root)| {
            let matters = *self.source(key) != ValueSource::Default
                || (cfg!(target_os = "linux") && *key == "path.procfs");
            matters && !root.is_dir()
        });
        let mut problems: Vec<_> = problems
            .map(|(key, root)| ConfigProblem {
                source: self.source(key).clone(),
                key: Some(key.to_owned()),
                value: Some(root.display().to_string()),
                sentence: format!("{} is not a directory on this machine", root.display()),
            })
            .collect();
        problems.extend(otlp_traces::unusable_file_setting(&self.config.otlp).map(|it| ConfigProblem {
            source: self.source(it.key).clone(),
            key: Some(it.key.to_owned()),
            value: None,
            sentence: it.sentence,
        }));
        problems.extend(self.web_config_problem());
        if problems.is_empty() { Ok(self) } else { Err(ConfigProblems(problems)) }
    }

    /// Checks the web configuration file that the settings name, with its certificates, if it is on this host.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn with_web_config(self) -> Result<Self, ConfigProblems> {
        if self.absent_web_config().is_some() {
            return Ok(self);
        }
        match self.web_config_problem() {
            None => Ok(self),
            Some(problem) => Err(ConfigProblems(vec![problem])),
        }
    }

    /// The web configuration file that the settings name, if it is not on this host.
    pub fn absent_web_config(&self) -> Option<PathBuf> {
        // A file that may not be looked at is an error, and not absent.
        self.config.access().config_file.filter(|it| matches!(it.try_exists(), Ok(false)))
    }

    fn web_config_problem(&self) -> Option<ConfigProblem> {
        let access = self.config.access();
        let problem = http::check_web_config(access.config_file.as_deref()?).err()?;
        Some(ConfigProblem {
            source: self.source("web.config_file").clone(),
            key: Some("web.config_file".to_owned()),
            value: None,
            sentence: problem.to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::FlagValue;

    #[test]
    fn roots_that_were_asked_for_are_there() {
        let check = |key: &str, root: &str| {
            let words = vec![root.to_owned()];
            let given = FlagValue { key: key.into(), flag: key.into(), words };
            let loaded = LoadedConfig::new(None, [], vec![given]).unwrap();
            loaded.check_paths_exist().err().map(|it| it.to_string()).unwrap_or_default()
        };
        for key in ["path.procfs", "path.sysfs", "path.rootfs"] {
            assert_eq!(check(key, "/"), "");
            let expect = format!("flag --{key}: /does/not/exist is not a directory on this machine");
            assert_eq!(check(key, "/does/not/exist"), expect);
        }
    }
}
