//! One setting: its key, type, help and the names derived from its key.

use std::borrow::Cow;

/// One setting with its documentation.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Its key in the file, sections separated by dots: `web.listen_address`.
    pub key: Cow<'static, str>,
    /// Type of its value.
    pub takes: SettingType,
    /// One or more sentences without the final full stop.
    pub help: Cow<'static, str>,
}

/// Type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingType {
    /// A duration, see [`HumanDuration`](crate::duration::HumanDuration).
    Duration,
    /// A number, possibly with a fraction.
    Number,
    /// An integer, not negative.
    Integer,
    /// True or false.
    Bool,
    /// Any text.
    Text,
    /// The path of a directory.
    Directory,
    /// A list of texts.
    TextList,
    /// A list of maintenance windows, see [`MaintenanceWindow`](crate::maintenance::MaintenanceWindow).
    Windows,
    /// A list of logs, see [`WatchedLogSettings`](crate::logs::WatchedLogSettings).
    Logs,
    /// A size in bytes, see [`ByteSize`](crate::byte_size::ByteSize).
    Size,
    /// A false-alarm budget, see [`AlertBudget`](crate::alert_budget::AlertBudget).
    Budget,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

impl SettingType {
    /// Description of valid values, for messages and documentation.
    pub fn words(self) -> Cow<'static, str> {
        match self {
            Self::Duration => "a duration such as 100ms, 15s, 5m, 1h30m or 7d".into(),
            Self::Number => "a number".into(),
            Self::Integer => "a whole number".into(),
            Self::Bool => "true or false".into(),
            Self::Text => "text".into(),
            Self::Directory => "a directory".into(),
            Self::TextList => "a list of text".into(),
            Self::Windows => {
                "a list of windows such as {cron: \"30 2 * * sun\", duration: 1h, name: backup}".into()
            }
            Self::Logs => {
                "a list of logs such as {name: nginx, file: {paths: [/var/log/nginx/*.log]}}".into()
            }
            Self::Size => "a size such as 256MiB, 1GiB or 20MB".into(),
            Self::Budget => "a budget such as 1 per week, or off".into(),
            Self::OneOf(words) => format!("one of {}", words.join(", ")).into(),
        }
    }

    /// Placeholder in the help of the command line.
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Duration => "DURATION",
            Self::Number | Self::Integer => "NUMBER",
            Self::Bool => "BOOLEAN",
            Self::Text | Self::TextList => "TEXT",
            Self::Windows => "WINDOW",
            Self::Logs => "LOG",
            Self::Directory => "DIRECTORY",
            Self::Size => "SIZE",
            Self::Budget => "BUDGET",
            Self::OneOf(_) => "WORD",
        }
    }
}

impl Setting {
    /// Its flag, without the leading dashes: `web.listen-address`.
    pub fn flag(&self) -> String {
        super::setting_source::flag(&self.key)
    }

    /// Its environment variable: `HOSTNORM_WEB__LISTEN_ADDRESS`.
    pub fn variable(&self) -> String {
        super::setting_source::variable(&self.key)
    }

    /// Its top section; empty at the top level.
    pub fn section(&self) -> &str {
        self.key.split_once('.').map_or("", |(section, _)| section)
    }

    /// Its sections, from the top.
    pub fn sections(&self) -> impl Iterator<Item = &str> {
        let above = self.key.rsplit_once('.').map_or("", |(sections, _)| sections);
        above.split('.').filter(|it| !it.is_empty())
    }

    /// Whether it is in this section, at any depth.
    pub fn is_below(&self, section: &str) -> bool {
        self.key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
    }

    /// Its name within its innermost section.
    pub fn name(&self) -> &str {
        self.key.rsplit_once('.').map_or(&self.key, |(_, name)| name)
    }
}
