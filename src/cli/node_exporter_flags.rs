//! Flags of node_exporter, which roles, charts and units template: those with the same meaning here are accepted, the
//! others are refused with what to use instead.

use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches};

use super::Exit;
use crate::config::{FlagValue, Setting};

/// The keys of settings, and the flags of node_exporter with the same meaning.
const ALIASES: &[(&str, &str)] = &[
    ("filesystem.mount_exclude", "collector.filesystem.mount-points-exclude"),
    ("filesystem.fstype_exclude", "collector.filesystem.fs-types-exclude"),
    ("disk.device_exclude", "collector.diskstats.device-exclude"),
    ("network.device_exclude", "collector.netdev.device-exclude"),
];

/// Flags without an equivalent, and what to use instead.
const REFUSED: &[(&str, &str)] = &[
    ("web.max-requests", "hostnorm accepts at most 16 connections per address; remove it"),
    (
        "web.disable-exporter-metrics",
        "the alerting rules need hostnorm's own metrics; remove it, or drop series by metric_relabel_configs",
    ),
    (
        "collector.filesystem.mount-points-include",
        "use --filesystem.mount-exclude with an expression for the others",
    ),
    (
        "collector.filesystem.fs-types-include",
        "use --filesystem.fstype-exclude with an expression for the others",
    ),
    ("collector.diskstats.device-include", "use --disk.device-exclude with an expression for the others"),
    ("collector.netdev.device-include", "use --network.device-exclude with an expression for the others"),
];

const DISABLE_DEFAULTS: &str = "collector.disable-defaults";
const COLLECTOR: &str = "collector";

/// Other names of the flag of a setting; help does not show them.
pub(super) fn aliases(key: &str) -> Option<&'static str> {
    ALIASES.iter().find(|(own, _)| *own == key).map(|(_, alias)| *alias)
}

/// Refuses a flag that hostnorm does not have, with what to use instead.
pub(super) fn refuse(args: &[OsString]) -> Result<(), Exit> {
    let flags = args.iter().filter_map(|it| it.to_str()?.strip_prefix("--"));
    let names = flags.map(|it| it.split_once('=').map_or(it, |(name, _)| name));
    let refused = names.filter_map(|it| REFUSED.iter().find(|(name, _)| *name == it)).next();
    refused.map_or(Ok(()), |(name, instead)| {
        Err(Exit::usage(format!(
            "--{name} is a flag of node_exporter that hostnorm does not have: {instead}"
        )))
    })
}

/// The flag that disables all collectors but those that are named.
pub(super) fn disable_defaults() -> Arg {
    Arg::new(DISABLE_DEFAULTS)
        .long(DISABLE_DEFAULTS)
        .action(ArgAction::SetTrue)
        .hide_short_help(true)
        .help_heading(super::heading(COLLECTOR))
        .help("Disable all collectors but those of --collector.NAME")
}

/// What [`disable_defaults`] sets: each collector off. Flags of collectors follow and override it.
pub(super) fn disabled(matches: &ArgMatches, settings: &[Setting]) -> Vec<FlagValue> {
    // Commands without flags of collectors do not have it.
    if !matches.try_get_one::<bool>(DISABLE_DEFAULTS).is_ok_and(|it| it == Some(&true)) {
        return Vec::new();
    }
    let collectors = settings.iter().filter(|it| it.section() == COLLECTOR);
    collectors
        .map(|it| FlagValue {
            key: it.key.to_string(),
            flag: DISABLE_DEFAULTS.to_owned(),
            words: vec!["false".to_owned()],
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings;

    #[test]
    fn aliases_are_those_of_settings() {
        let settings = settings();
        for (key, alias) in ALIASES {
            assert!(settings.iter().any(|it| it.key == *key && it.flag() != *alias), "{key}");
        }
    }

    #[test]
    fn what_is_refused_names_a_flag_that_exists() {
        let flags: Vec<String> = settings().iter().map(|it| format!("--{}", it.flag())).collect();
        for (name, instead) in REFUSED {
            let named = instead.split([' ', ';']).filter(|it| it.starts_with("--"));
            named.for_each(|it| assert!(flags.iter().any(|flag| flag == it), "{name}: {it}"));
        }
    }
}
