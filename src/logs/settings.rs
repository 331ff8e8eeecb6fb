//! The entries of the setting `logs`, and what is wrong with them.

use serde::{Deserialize, Serialize};

use super::file::FileSettings;
use super::journald::JournaldSettings;
use super::loki::LokiSettings;
use super::syslog::SyslogSettings;
use super::victorialogs::VictoriaLogsSettings;

/// Largest number of logs; each has a thread and is a subject.
pub const LOGS_MAX: usize = 64;
/// Longest name of a log, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// One log of the settings: a name, and exactly one source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchedLogSettings {
    /// Its name: the subject.
    pub name: String,
    /// Files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSettings>,
    /// The journal of systemd.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journald: Option<JournaldSettings>,
    /// Sockets that take messages of syslog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syslog: Option<SyslogSettings>,
    /// A Loki server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loki: Option<LokiSettings>,
    /// A VictoriaLogs server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub victorialogs: Option<VictoriaLogsSettings>,
}

/// The source of a log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LogInput<'a> {
    /// Files.
    File(&'a FileSettings),
    /// The journal of systemd.
    Journald(&'a JournaldSettings),
    /// Sockets that take messages of syslog.
    Syslog(&'a SyslogSettings),
    /// A Loki server.
    Loki(&'a LokiSettings),
    /// A VictoriaLogs server.
    VictoriaLogs(&'a VictoriaLogsSettings),
}

impl LogInput<'_> {
    /// The key in the settings.
    pub fn key(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Journald(_) => "journald",
            Self::Syslog(_) => "syslog",
            Self::Loki(_) => "loki",
            Self::VictoriaLogs(_) => "victorialogs",
        }
    }

    /// The key and the reason of the first invalid value; none if all are valid.
    fn error(&self) -> Option<(&'static str, String)> {
        match self {
            Self::File(it) => it.error(),
            Self::Journald(it) => it.error(),
            Self::Syslog(it) => it.error(),
            Self::Loki(it) => it.error(),
            Self::VictoriaLogs(it) => it.error(),
        }
    }
}

impl WatchedLogSettings {
    /// All sources of the entry; a valid one has one.
    fn sources(&self) -> impl Iterator<Item = LogInput<'_>> {
        let sources = [
            self.file.as_ref().map(LogInput::File),
            self.journald.as_ref().map(LogInput::Journald),
            self.syslog.as_ref().map(LogInput::Syslog),
            self.loki.as_ref().map(LogInput::Loki),
            self.victorialogs.as_ref().map(LogInput::VictoriaLogs),
        ];
        sources.into_iter().flatten()
    }

    /// Its source; none in an entry that [`logs_error`] refuses.
    pub fn source(&self) -> Option<LogInput<'_>> {
        self.sources().next()
    }

    /// Why the entry cannot be used; none if it can.
    fn error(&self) -> Option<String> {
        let name = &self.name;
        let is_name = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
        if !is_name {
            return Some(format!(
                "{name:?} is not a valid name for a log; expected 1 to {NAME_BYTES_MAX} bytes without line breaks"
            ));
        }
        let keys: Vec<&str> = self.sources().map(|it| it.key()).collect();
        match keys[..] {
            [] => Some(format!("log {name:?} has no source; add one of {SOURCE_KEYS}")),
            [key] => {
                let (at, reason) = self.source()?.error()?;
                Some(format!("log {name:?}, {key}.{at}: {reason}"))
            }
            [..] => Some(format!("log {name:?} has {}; give each source its own entry", keys.join(" and "))),
        }
    }
}

/// For messages.
const SOURCE_KEYS: &str = "file, journald, syslog, loki and victorialogs";

/// Why logs cannot be used together; none if they can.
pub fn logs_error(logs: &[WatchedLogSettings]) -> Option<String> {
    if logs.len() > LOGS_MAX {
        return Some(format!("{} logs; expected at most {LOGS_MAX}", logs.len()));
    }
    let is_twin =
        |(idx, it): (usize, &WatchedLogSettings)| logs[..idx].iter().any(|other| other.name == it.name);
    let twins = logs
        .iter()
        .enumerate()
        .find(|it| is_twin(*it))
        .map(|(_, it)| format!("two logs have the name {:?}; give each its own", it.name));
    logs.iter().find_map(WatchedLogSettings::error).or(twins)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, paths: &[&str]) -> WatchedLogSettings {
        let paths = paths.iter().map(|it| (*it).to_owned()).collect();
        let file = Some(FileSettings { paths, ..FileSettings::default() });
        WatchedLogSettings { name: name.into(), file, ..WatchedLogSettings::default() }
    }

    #[test]
    fn errors_name_the_entry_and_the_key() {
        let check = |logs: &[WatchedLogSettings], expect: &str| {
            let error = logs_error(logs).unwrap_or_default();
            assert!(error.contains(expect) && error.is_empty() == expect.is_empty(), "{error}");
        };
        let good = file("nginx", &["/var/log/nginx/*.log"]);
        check(&[], "");
        check(std::slice::from_ref(&good), "");
        check(&[good.clone(), good.clone()], "two logs have the name \"nginx\"");
        check(
            &[WatchedLogSettings { name: "a".into(), ..WatchedLogSettings::default() }],
            "log \"a\" has no source; add",
        );
        let two = WatchedLogSettings { journald: Some(JournaldSettings::default()), ..good.clone() };
        check(&[two], "log \"nginx\" has file and journald; give each");
        check(&[file("nginx", &[])], "log \"nginx\", file.paths: ");
        check(&[file("nginx", &["/a", "/var/log/**x"])], "log \"nginx\", file.paths: \"/var/log/**x\" ");
        check(&[file("", &["/a"])], "is not a valid name for a log");
        check(&[file(&"n".repeat(65), &["/a"])], "is not a valid name for a log");
        check(&vec![good; LOGS_MAX + 1], "65 logs; expected at most 64");
    }
}
