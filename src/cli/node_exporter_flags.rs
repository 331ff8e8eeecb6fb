//! Flags of node_exporter, which roles, charts and units template: those with the same meaning here are accepted, the
//! others are refused with what to use instead.

use std::borrow::Cow;
use std::ffi::OsString;

use clap::{Arg, ArgAction, ArgMatches};

use super::CommandExit;
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
    ("collector.filesystem.ignored-mount-points", "use --filesystem.mount-exclude"),
    ("collector.filesystem.ignored-fs-types", "use --filesystem.fstype-exclude"),
    ("collector.diskstats.ignored-devices", "use --disk.device-exclude"),
    ("collector.netdev.device-blacklist", "use --network.device-exclude"),
    ("collector.netdev.ignored-devices", "use --network.device-exclude"),
    ("path.udev.data", "it reads nothing of udev; remove it"),
    ("runtime.gomaxprocs", "use --limits.cpu"),
];

/// Collectors of node_exporter, and the ones here that read the same or most of it.
const RENAMED: &[(&str, &str)] = &[
    ("cgroups", "cgroup"),
    ("diskstats", "disk"),
    ("filefd", "stat"),
    ("hwmon", "sensors"),
    ("loadavg", "load"),
    ("meminfo", "memory"),
    ("netclass", "network"),
    ("netdev", "network"),
    ("netstat", "tcp"),
    ("sockstat", "tcp"),
    ("tcpstat", "tcp"),
    ("thermal_zone", "sensors"),
    ("vmstat", "memory"),
];

/// Collectors of node_exporter with the same name here; options of theirs are refused, too.
const SAME: &[&str] = &["cpu", "filesystem", "pressure", "stat"];

/// Collectors of node_exporter without an equivalent, for which removing the flag is not all.
const WITHOUT_BUT: &[(&str, &str)] = &[
    ("systemd", "it has no such collector, but --collector.cgroup scores each service; remove it"),
    ("textfile", "it exposes no files with metrics; keep node_exporter for them, and remove it here"),
];

/// The other collectors of node_exporter for Linux, without an equivalent.
const WITHOUT: &str = "arp bcache bcachefs bonding btrfs buddyinfo conntrack cpu_vulnerabilities cpufreq dmi drbd drm edac \
    entropy ethtool fibrechannel infiniband interrupts ipvs kernel_hung ksmd lnstat logind mdadm \
    meminfo_numa mountstats network_route nfs nfsd ntp nvme os pcidevice perf powersupplyclass processes \
    qdisc rapl runit schedstat selinux slabinfo softirqs softnet supervisord swap sysctl tapestats time \
    timex udp_queues uname watchdog wifi xfrm xfs zfs zoneinfo";

const DISABLE_DEFAULTS: &str = "collector.disable-defaults";
const COLLECTOR: &str = "collector";

/// Other names of the flag of a setting; help does not show them.
pub(super) fn aliases(key: &str) -> Option<&'static str> {
    ALIASES.iter().find(|(own, _)| *own == key).map(|(_, alias)| *alias)
}

/// Refuses a flag that hostnorm does not have, with what to use instead.
pub(super) fn refuse(args: &[OsString]) -> Result<(), CommandExit> {
    let flags = args.iter().filter_map(|it| it.to_str()?.strip_prefix("--"));
    let names = flags.map(|it| it.split_once('=').map_or(it, |(name, _)| name));
    let refused = names.filter_map(|it| Some((it, instead(it)?))).next();
    refused.map_or(Ok(()), |(name, instead)| {
        Err(CommandExit::usage(format!(
            "--{name} is a flag of node_exporter that hostnorm does not have: {instead}"
        )))
    })
}

/// What to use instead of a flag, without its dashes; `None` if it is a flag of hostnorm, or of neither.
fn instead(name: &str) -> Option<Cow<'static, str>> {
    let find = |table: &[(&str, &'static str)], name: &str| {
        table.iter().find(|(it, _)| *it == name).map(|(_, found)| *found)
    };
    if let Some(found) = find(REFUSED, name) {
        return Some(found.into());
    }
    if ALIASES.iter().any(|(_, alias)| *alias == name) {
        return None;
    }
    let (prefix, rest) = match name.strip_prefix("no-collector.") {
        Some(rest) => ("no-collector", rest),
        None => (COLLECTOR, name.strip_prefix("collector.")?),
    };
    let (collector, has_option) = rest.split_once('.').map_or((rest, false), |(it, _)| (it, true));
    if let Some(found) = find(WITHOUT_BUT, collector) {
        return Some(found.into());
    }
    if WITHOUT.split(' ').any(|it| it == collector) {
        return Some("it has no such collector; remove it".into());
    }
    match find(RENAMED, collector) {
        Some(own) if has_option => Some(format!("its collector {own} has no such option; remove it").into()),
        Some(own) => Some(format!("use --{prefix}.{own}").into()),
        None if has_option && SAME.contains(&collector) => {
            Some(format!("its collector {collector} has no such option; remove it").into())
        }
        None => None,
    }
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
        let collectors: Vec<_> =
            settings().iter().filter(|it| it.section() == COLLECTOR).map(Setting::flag).collect();
        let is_own = |name: &str| collectors.iter().any(|it| it.strip_prefix("collector.") == Some(name));
        for (name, own) in RENAMED {
            assert!(is_own(own) && !is_own(name), "{name}: {own}");
        }
        assert!(SAME.iter().all(|it| is_own(it)));
        assert!(WITHOUT.split(' ').chain(WITHOUT_BUT.iter().map(|(it, _)| *it)).all(|it| !is_own(it)));
    }

    #[test]
    fn no_flag_of_hostnorm_is_refused() {
        for setting in settings() {
            for flag in [setting.flag(), format!("no-{}", setting.flag())] {
                assert_eq!(instead(&flag), None, "{flag}");
            }
        }
        assert_eq!(instead(DISABLE_DEFAULTS), None);
        assert!(ALIASES.iter().all(|(_, alias)| instead(alias).is_none()));
    }
}
