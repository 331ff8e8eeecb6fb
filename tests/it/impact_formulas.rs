//! From readings to the part of the work that waits, and on to the severity of an episode: each formula of the host but
//! those of TCP, and those of containers, pods and services.

use hostnorm::culprit::Resource;
use hostnorm::impact::{EpisodeSeverity, ImpactFormula, ImpactTracker};
use hostnorm::metric::Metric;
use hostnorm::reading::{MetricLabels, SubjectKind, SubjectValues};
use hostnorm::signal::ReadingPair;
use hostnorm::sources;

/// A metric without the prefix of its name, its device, and what it gains in a second.
type Gain = (&'static str, Option<&'static str>, f64);

fn metric(name: &str) -> &'static Metric {
    let is_it = |it: &&Metric| it.name.strip_prefix("hostnorm_") == Some(name);
    sources::reading_metrics().find(is_it).unwrap_or_else(|| panic!("no metric {name}"))
}

fn values(gains: &[Gain], seconds: f64) -> SubjectValues {
    let mut values = SubjectValues::default();
    for (name, device, gain) in gains {
        let labels = device.map_or(MetricLabels::NONE, |it| MetricLabels::new([it]));
        values.set_by(metric(name), &labels, 1_000.0 + gain * seconds);
    }
    values
}

/// The impact on a resource after a calm time and a minute with these gains, and the severity of the episode.
fn impact(source: &str, resource: Resource, gains: &[Gain]) -> Option<(f64, EpisodeSeverity)> {
    let formulas: Vec<_> = sources::impacts(|it| it == source).filter(|it| it.resource == resource).collect();
    let [calm, later] = [0.0, 1.0].map(|seconds| values(gains, seconds));
    impact_of(&formulas, [&calm, &later])
}

/// The same for a calm time without a gain and a minute of what is between the two.
fn impact_of(
    formulas: &[&'static ImpactFormula],
    [calm, later]: [&SubjectValues; 2],
) -> Option<(f64, EpisodeSeverity)> {
    let mut tracker = ImpactTracker::default();
    for _ in 0..100 {
        tracker.step(&ReadingPair::new(calm, calm, 1.0).unwrap(), formulas, false);
    }
    for _ in 0..100 {
        tracker.step(&ReadingPair::new(calm, later, 1.0).unwrap(), formulas, true);
    }
    Some((tracker.rows().next()?.ratio, tracker.severity()?))
}

/// The source, the resource, what is gained, and the impact with its severity; `None` if nothing is known.
type Row = (&'static str, Resource, &'static [Gain], Option<(f64, EpisodeSeverity)>);

const SDA: Option<&str> = Some("sda");
const ETH: Option<&str> = Some("eth0");

const ROWS: &[Row] = &[
    // Half of the time in which somebody waits, or all of the time in which all wait.
    (
        "pressure",
        Resource::Cpu,
        &[("pressure_cpu_waiting_seconds_total", None, 0.6)],
        Some((0.3, EpisodeSeverity::Warning)),
    ),
    (
        "pressure",
        Resource::Cpu,
        &[
            ("pressure_cpu_waiting_seconds_total", None, 0.8),
            ("pressure_cpu_stalled_seconds_total", None, 0.7),
        ],
        Some((0.7, EpisodeSeverity::Critical)),
    ),
    (
        "pressure",
        Resource::Cpu,
        &[("pressure_cpu_waiting_seconds_total", None, 0.8), ("cpu_throttled_seconds_total", None, 0.9)],
        Some((0.0, EpisodeSeverity::Info)),
    ),
    (
        "pressure",
        Resource::Memory,
        &[("pressure_memory_waiting_seconds_total", None, 0.1)],
        Some((0.05, EpisodeSeverity::Info)),
    ),
    (
        "pressure",
        Resource::Memory,
        &[
            ("pressure_memory_waiting_seconds_total", None, 0.9),
            ("pressure_memory_stalled_seconds_total", None, 0.8),
        ],
        Some((0.8, EpisodeSeverity::Critical)),
    ),
    (
        "pressure",
        Resource::Io,
        &[("pressure_io_waiting_seconds_total", None, 0.9), ("pressure_io_stalled_seconds_total", None, 0.1)],
        Some((0.45, EpisodeSeverity::Warning)),
    ),
    ("pressure", Resource::Io, &[], None),
    // 10,000 pages from swap per second, and a kill in ten seconds, are all of the work.
    (
        "memory",
        Resource::Memory,
        &[("swap_in_pages_total", None, 2_000.0)],
        Some((0.2, EpisodeSeverity::Warning)),
    ),
    (
        "memory",
        Resource::Memory,
        &[("swap_in_pages_total", None, 500.0)],
        Some((0.05, EpisodeSeverity::Info)),
    ),
    ("memory", Resource::Memory, &[("oom_kills_total", None, 0.06)], Some((0.6, EpisodeSeverity::Critical))),
    (
        "memory",
        Resource::Memory,
        &[("swap_in_pages_total", None, 90_000.0), ("oom_kills_total", None, 0.0)],
        Some((1.0, EpisodeSeverity::Critical)),
    ),
    // The mean time of an operation.
    (
        "disk",
        Resource::Io,
        &[
            ("disk_reads_completed_total", SDA, 10.0),
            ("disk_writes_completed_total", SDA, 30.0),
            ("disk_io_time_weighted_seconds_total", SDA, 8.0),
        ],
        Some((0.2, EpisodeSeverity::Warning)),
    ),
    (
        "disk",
        Resource::Io,
        &[
            ("disk_reads_completed_total", SDA, 4.0),
            ("disk_writes_completed_total", SDA, 0.0),
            ("disk_io_time_weighted_seconds_total", SDA, 8.0),
        ],
        Some((0.0, EpisodeSeverity::Info)),
    ),
    // Five times the share of packets that are lost.
    (
        "network",
        Resource::Network,
        &[
            ("network_receive_packets_total", ETH, 60.0),
            ("network_transmit_packets_total", ETH, 36.0),
            ("network_receive_drops_total", ETH, 3.0),
            ("network_transmit_errors_total", ETH, 1.0),
        ],
        Some((0.2, EpisodeSeverity::Warning)),
    ),
    (
        "network",
        Resource::Network,
        &[("network_receive_packets_total", ETH, 9.0), ("network_receive_drops_total", ETH, 9.0)],
        Some((0.0, EpisodeSeverity::Info)),
    ),
];

#[test]
fn each_formula_leads_to_a_severity() {
    for (source, resource, gains, expected) in ROWS {
        let found = impact(source, *resource, gains);
        let is_near = |one: f64, other: f64| (one - other).abs() < 1e-3;
        let is_right = match (found, expected) {
            (Some(found), Some(expected)) => is_near(found.0, expected.0) && found.1 == expected.1,
            (found, expected) => found.is_none() && expected.is_none(),
        };
        assert!(is_right, "{source} {gains:?}: {found:?} instead of {expected:?}");
    }
}

/// What a group gains in a second, its CPU limit, and the impact with its severity.
type GroupRow = (&'static str, Resource, &'static [Gain], Option<f64>, Option<(f64, EpisodeSeverity)>);

const GROUP_ROWS: &[GroupRow] = &[
    (
        "a task at its limit of a fifth of a CPU",
        Resource::Cpu,
        &[("cgroup_cpu_throttled_seconds_total", None, 0.8)],
        Some(0.2),
        Some((0.8, EpisodeSeverity::Critical)),
    ),
    (
        "short bursts of many threads",
        Resource::Cpu,
        &[("cgroup_cpu_throttled_seconds_total", None, 1.6)],
        Some(8.0),
        Some((0.2, EpisodeSeverity::Warning)),
    ),
    ("no limit", Resource::Cpu, &[("cgroup_cpu_throttled_seconds_total", None, 0.0)], None, None),
    (
        "other containers on a full host",
        Resource::Cpu,
        &[("cgroup_pressure_cpu_waiting_seconds_total", None, 0.9)],
        None,
        Some((0.45, EpisodeSeverity::Warning)),
    ),
    (
        "memory that is reclaimed again and again",
        Resource::Memory,
        &[
            ("cgroup_pressure_memory_waiting_seconds_total", None, 0.8),
            ("cgroup_pressure_memory_stalled_seconds_total", None, 0.7),
        ],
        None,
        Some((0.7, EpisodeSeverity::Critical)),
    ),
    (
        "an OOM kill every 12.5 s",
        Resource::Memory,
        &[("cgroup_oom_kills_total", None, 0.08)],
        None,
        Some((0.8, EpisodeSeverity::Critical)),
    ),
    (
        "a slow disk",
        Resource::Io,
        &[
            ("cgroup_pressure_io_waiting_seconds_total", None, 0.4),
            ("cgroup_pressure_io_stalled_seconds_total", None, 0.1),
        ],
        None,
        Some((0.2, EpisodeSeverity::Warning)),
    ),
    ("nothing is known", Resource::Io, &[], None, None),
];

#[test]
fn a_container_that_waits_is_seen_as_the_host_is() {
    for kind in [SubjectKind::Container, SubjectKind::Pod, SubjectKind::Service] {
        for (what, resource, gains, limit, expected) in GROUP_ROWS {
            let formulas: Vec<_> = sources::impacts(|it| it == "cgroup")
                .filter(|it| it.kind == kind && it.resource == *resource)
                .collect();
            let [mut calm, mut later] = [0.0, 1.0].map(|seconds| values(gains, seconds));
            for it in [&mut calm, &mut later] {
                limit.iter().for_each(|limit| it.set(metric("cgroup_cpu_limit_cores"), *limit));
            }
            let found = impact_of(&formulas, [&calm, &later]);
            let rounded = found.map(|(ratio, severity)| ((ratio * 1e3).round() / 1e3, severity));
            assert_eq!(rounded, *expected, "{kind:?}, {what}");
        }
    }
}
