//! Network devices, from `/proc/1/net/dev` (`net/core/net-procfs.c`).
//!
//! The devices of process 1 are those of the host, even where hostnorm has a network namespace of its own.

use serde::{Deserialize, Serialize};

use super::device_filter::{self, IncludedDevices, counted_rates};
use super::filter_pattern::ExcludePattern;
use super::kernel_file::{KernelFile, KernelText, SkippedLines, number};
use super::network_device::NetworkLinks;
use super::network_device_name::{CountedHeight, is_loopback};
use super::{Source, SourceError};
use crate::clock;
use crate::culprit::Resource;
use crate::impact::ImpactFormula;
use crate::metric::Metric;
use crate::reading::{MetricLabels, MetricSample, Reading, SubjectKind, SubjectValues};
use crate::signal::{ReadingPair, Signal, SignalUnit};

/// More bytes per second than any link, or several of them together: 1.6 Tbit/s.
const SPEED_MAX: f64 = 2e11;
/// Bytes per second of a link whose speed is unknown, as of virtual machines.
pub(super) const LINK_BYTES_MAX: f64 = 1e11;
/// Length of the shortest frames, in bytes.
const FRAME_BYTES_MIN: f64 = 64.0;
/// More packets per second than all CPUs of a host can handle.
pub(super) const PACKETS_MAX: f64 = 1e8;

pub(super) static RECEIVED: Metric =
    Metric::counter("hostnorm_network_receive_bytes_total", "Bytes received")
        .by(&["device"])
        .gains_at_most_per(1.0, &SPEED, LINK_BYTES_MAX);
pub(super) static RECEIVED_PACKETS: Metric =
    Metric::counter("hostnorm_network_receive_packets_total", "Packets received")
        .by(&["device"])
        .gains_at_most_per(1.0 / FRAME_BYTES_MIN, &SPEED, PACKETS_MAX);
pub(super) static RECEIVE_ERRORS: Metric =
    Metric::counter("hostnorm_network_receive_errors_total", "Receive errors")
        .by(&["device"])
        .gains_at_most_per(1.0 / FRAME_BYTES_MIN, &SPEED, PACKETS_MAX);
static RECEIVE_DROPS: Metric =
    Metric::counter("hostnorm_network_receive_drops_total", "Received packets dropped")
        .by(&["device"])
        .gains_at_most_per(1.0 / FRAME_BYTES_MIN, &SPEED, PACKETS_MAX);
pub(super) static SENT: Metric = Metric::counter("hostnorm_network_transmit_bytes_total", "Bytes sent")
    .by(&["device"])
    .gains_at_most_per(1.0, &SPEED, LINK_BYTES_MAX);
pub(super) static SENT_PACKETS: Metric =
    Metric::counter("hostnorm_network_transmit_packets_total", "Packets sent")
        .by(&["device"])
        .gains_at_most_per(1.0 / FRAME_BYTES_MIN, &SPEED, PACKETS_MAX);
pub(super) static SEND_ERRORS: Metric =
    Metric::counter("hostnorm_network_transmit_errors_total", "Transmit errors")
        .by(&["device"])
        .gains_at_most_per(1.0 / FRAME_BYTES_MIN, &SPEED, PACKETS_MAX);
// Programs may send more than the link takes.
static SEND_DROPS: Metric =
    Metric::counter("hostnorm_network_transmit_drops_total", "Packets dropped before transmission")
        .by(&["device"])
        .gains_at_most(PACKETS_MAX);
static COUNTED: Metric = Metric::gauge(
    "hostnorm_network_device_counted",
    "Whether the signals contain the traffic of the device (1), or other devices count the same packets (0)",
)
.by(&["device"]);
static SPEED: Metric = Metric::gauge(
    "hostnorm_network_speed_bytes_per_second",
    "Speed of the link in bytes per second; absent if the driver does not say",
)
.by(&["device"])
.within(0.0, SPEED_MAX);
static DROPPED: Metric = Metric::gauge(
    "hostnorm_network_devices_omitted",
    "Network devices not exposed because there are too many",
);

pub(super) static METRICS: &[&Metric] = &[
    &RECEIVED,
    &RECEIVED_PACKETS,
    &RECEIVE_ERRORS,
    &RECEIVE_DROPS,
    &SENT,
    &SENT_PACKETS,
    &SEND_ERRORS,
    &SEND_DROPS,
    &COUNTED,
    &SPEED,
    &DROPPED,
];

pub(super) static SIGNALS: &[Signal] = &[
    Signal {
        kind: SubjectKind::Host,
        name: "network_received_bytes_per_second",
        title: "network in",
        help: "Bytes received per second, each packet once, without loopback",
        unit: SignalUnit::BytesPerSecond,
        // 150 MB within a window: package lists and most packages are smaller.
        floor: 5e6,
        device: None,
        formula: |it| physical(it, &[&RECEIVED]),
    },
    Signal {
        kind: SubjectKind::Host,
        name: "network_sent_bytes_per_second",
        title: "network out",
        help: "Bytes sent per second, each packet once, without loopback",
        unit: SignalUnit::BytesPerSecond,
        // As for receiving.
        floor: 5e6,
        device: None,
        formula: |it| physical(it, &[&SENT]),
    },
    Signal {
        kind: SubjectKind::Host,
        name: "network_packets_per_second",
        title: "network packets",
        help: "Packets received and sent per second, each packet once, without loopback",
        unit: SignalUnit::PerSecond,
        // The number of packets at the floor of the bytes, with 1,000 bytes each.
        floor: 5_000.0,
        device: None,
        formula: |it| physical(it, &[&RECEIVED_PACKETS, &SENT_PACKETS]),
    },
    Signal {
        kind: SubjectKind::Host,
        name: "network_errors_per_second",
        title: "network errors and drops",
        help: "Packet errors and drops per second, each packet once, without loopback",
        unit: SignalUnit::PerSecond,
        // Devices drop packets that no program listens to, on busy segments a few per second.
        floor: 10.0,
        device: None,
        formula: |it| physical(it, &[&RECEIVE_ERRORS, &RECEIVE_DROPS, &SEND_ERRORS, &SEND_DROPS]),
    },
    Signal {
        kind: SubjectKind::Host,
        name: "loopback_bytes_per_second",
        title: "loopback traffic",
        help: "Bytes sent per second on the loopback device",
        unit: SignalUnit::BytesPerSecond,
        // A local database backup within a window; a busy transfer has 1 GB per second.
        floor: 10e6,
        device: None,
        formula: |it| {
            it.rates(&SENT)
                .find(|(labels, _)| labels.values().first().is_some_and(|it| **it == *"lo"))
                .map(|it| it.1)
        },
    },
];

/// Share of lost packets at which connections stand still.
const LOSS_MAX: f64 = 0.2;
/// Packets per second below which a share says little.
const PACKETS_MIN: f64 = 20.0;

pub(super) static IMPACTS: &[ImpactFormula] = &[ImpactFormula {
    kind: SubjectKind::Host,
    resource: Resource::Network,
    formula: |it| {
        let passed = physical(it, &[&RECEIVED_PACKETS, &SENT_PACKETS])?;
        let lost = physical(it, &[&RECEIVE_ERRORS, &RECEIVE_DROPS, &SEND_ERRORS, &SEND_DROPS])?;
        let all = passed + lost;
        Some(if all < PACKETS_MIN { 0.0 } else { lost / all / LOSS_MAX })
    },
}];

/// Sum of the rates of some counters over all devices whose packets no other device counts; `None` while a gain is unknown.
fn physical(change: &ReadingPair<'_>, counters: &[&'static Metric]) -> Option<f64> {
    let mut sum = None;
    for counter in counters {
        match counted_rates(change, counter, &COUNTED) {
            Some(rates) => {
                for rate in rates {
                    sum = Some(sum.unwrap_or(0.0) + rate?);
                }
            }
            // Readings of earlier versions do not say.
            None => {
                let counted = CountedHeight::of_names(change.current.each(counter).filter_map(name_of));
                for (labels, rate) in change.rates(counter) {
                    if labels.values().first().is_some_and(|it| counted.counts_name(it)) {
                        sum = Some(sum.unwrap_or(0.0) + rate);
                    }
                }
            }
        }
    }
    sum
}

fn name_of(sample: &MetricSample) -> Option<&str> {
    sample.labels.values().first().map(|it| &**it)
}

/// Settings of the source `network`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSettings {
    /// Regular expression of devices to leave out; by default the host's ends of containers and virtual machines, and
    /// dummy devices.
    pub device_exclude: ExcludePattern,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self { device_exclude: ExcludePattern::known(r"^(veth|cali|lxc|vnet|tap|ifb|dummy).+$") }
    }
}

pub(super) fn open(settings: &super::SourceSettings) -> Box<dyn Source> {
    Box::new(NetworkSource {
        dev: KernelFile::first_of(settings.roots.of_process_1("1/net/dev", "net/dev")),
        devices: IncludedDevices::new(settings.network.device_exclude.clone()),
        is_own_pattern: settings.network != NetworkSettings::default(),
        links: NetworkLinks::new(settings.roots.sysfs.join("class/net"), &settings.blocking),
    })
}

#[derive(Debug)]
struct NetworkSource {
    dev: KernelFile,
    devices: IncludedDevices,
    links: NetworkLinks,
    /// Whether the settings leave out other devices than by default.
    is_own_pattern: bool,
}

impl Source for NetworkSource {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let rank = |name: &str| self.links.rank(name);
        set(self.dev.read()?, &mut self.devices, !self.is_own_pattern, rank, into.host())?.add_to(into);
        self.devices.note_dropped(into);
        let now = clock::instant();
        let host = into.host();
        let labels: Vec<MetricLabels> = host.each(&RECEIVED).map(|it| it.labels.clone()).collect();
        let names: Vec<&str> = labels.iter().filter_map(|it| Some(&**it.values().first()?)).collect();
        let outcome = self.links.update(&names, now);
        // Rates across a replaced device would be wrong.
        let replaced = self.links.replaced_devices();
        host.keep(0, |_, it| {
            it.metric.labels != RECEIVED.labels
                || !METRICS.contains(&it.metric)
                || name_of(it).is_none_or(|it| !replaced.contains(it))
        });
        // By default, only ends of guests are left out, of which nothing that is shown is made.
        let counting = self.links.counting(self.devices.left_out().filter(|_| self.is_own_pattern));
        for (labels, name) in labels.iter().zip(&names).filter(|(_, name)| !replaced.contains(**name)) {
            if let Some(is_counted) = counting.is_counted(name) {
                host.set_by(&COUNTED, labels, f64::from(u8::from(is_counted)));
            }
            host.set_by(&SPEED, labels, self.links.link_speed(name, now).unwrap_or(f64::NAN));
        }
        let is_any_judged = host.each(&COUNTED).any(|it| it.value > 0.0);
        let is_known = host.each(&COUNTED).next().is_some();
        self.links.note_silent(now, into);
        if self.is_own_pattern && is_known {
            self.devices.note_unjudged(is_any_judged, "network.device_exclude", into);
        }
        outcome
    }
}

/// Sets the counters of each network device; those of the lowest ranks first, if there are too many. If `shows_only`, the only
/// device is shown, whatever its name: a container without root has nothing but a `tap0`.
pub(super) fn set(
    text: KernelText<'_>,
    devices: &mut IncludedDevices,
    shows_only: bool,
    rank: impl Fn(&str) -> usize,
    into: &mut SubjectValues,
) -> Result<SkippedLines, SourceError> {
    let mut skipped = SkippedLines::default();
    let (mut is_list, mut rows) = (false, Vec::new());
    devices.begin();
    for line in text.lines().filter(|it| !it.text.trim_ascii().is_empty()) {
        let row = line.text.rsplit_once(':').and_then(|(name, columns)| Some((name, parse(columns)?)));
        let Some((name, values)) = row else {
            // The titles of the columns; a name of a device may have a bar, too.
            match is_title(line.text) {
                true => is_list = true,
                false => skipped.add(line.error()),
            }
            continue;
        };
        is_list = true;
        rows.push((name.trim_ascii_start(), values));
    }
    device_filter::most_important_first(&mut rows, |it| devices.is_left_out(it.0), |it| rank(it.0));
    let mut others = rows.iter().map(|it| it.0).filter(|it| !is_loopback(it));
    let only = others.next().filter(|_| shows_only && others.next().is_none()).map(str::to_owned);
    for (name, values) in rows {
        let is_only = only.as_deref() == Some(name);
        let labels = if is_only { devices.labels_of_included(name) } else { devices.labels(name) };
        let Some(labels) = labels else { continue };
        for (metric, value) in METRICS.iter().zip(values) {
            into.set_by(metric, labels, value);
        }
    }
    into.set(&DROPPED, devices.end().into());
    if is_list { Ok(skipped) } else { Err(skipped.fail(text.error())) }
}

/// Whether a line of `net/dev` has titles of columns: a bar between them, and no colon as after a name.
pub(super) fn is_title(line: &str) -> bool {
    line.contains('|') && !line.contains(':')
}

/// Bytes, packets, errors and drops of both directions, in the order of [`METRICS`].
pub(super) fn parse(columns: &str) -> Option<[f64; 8]> {
    let mut values = [0.0; 12];
    let mut fields = columns.split_ascii_whitespace();
    for value in &mut values {
        *value = number(&mut fields)?;
    }
    let [received, packets, errors, drops, _, _, _, _, sent, sent_packets, send_errors, send_drops] = values;
    Some([received, packets, errors, drops, sent, sent_packets, send_errors, send_drops])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_both_directions() {
        let parsed = parse(" 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0");
        assert_eq!(parsed, Some([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]));
    }

    #[test]
    fn an_odd_line_costs_itself() {
        let text = "\0\0\na|b\nwe|rd: 1 2 3 4 5 6 7 8 9 10 11 12\neth0: 1 2 3 4 5 6 7 8 9 10 11 12\neth1: 1 2 3\nno colon\n\neth2: -5 2 3 4 5 6 7 8 9 10 11 12\n";
        let mut reading = Reading::default();
        let mut devices = IncludedDevices::new(ExcludePattern::default());
        let text = KernelText::of(Path::new("dev"), text);
        set(text, &mut devices, false, |_| 0, reading.host()).unwrap().add_to(&mut reading);
        assert_eq!(reading.host().each(&RECEIVED).count(), 2);
        assert_eq!(reading.host().each(&SENT).count(), 3);
        assert_eq!(reading.omissions[0].count, 3);
        assert!(reading.omissions[0].what.contains("dev:1: malformed"), "{:?}", reading.omissions);
    }

    #[test]
    fn refuses_what_the_kernel_does_not_write() {
        for columns in
            ["", "1 2 3", "1 2 3 4 5 6 7 8 9 10 11", "a b c d e f g h i j k l", "1x 2 3 4 5 6 7 8 9 0 1 2"]
        {
            assert_eq!(parse(columns), None, "{columns}");
        }
    }

    #[test]
    fn packets_that_pass_several_devices_count_once() {
        let mut values = [SubjectValues::default(), SubjectValues::default()];
        for (idx, values) in values.iter_mut().enumerate() {
            for name in
                ["lo", "eth0", "eth0.7", "eth1", "bond0", "docker0", "br-1234", "wg0", "wlan0", "enp3s0"]
            {
                values.set_by(&SENT, &MetricLabels::new([name]), idx as f64);
            }
        }
        let change = ReadingPair::new(&values[0], &values[1], 1.0).unwrap();
        // eth0, eth1, wlan0, enp3s0.
        assert_eq!(physical(&change, &[&SENT]), Some(4.0));
    }

    #[test]
    fn ends_of_containers_are_left_out() {
        let pattern = NetworkSettings::default().device_exclude;
        for name in ["veth12ab", "cali1234", "lxc_health", "vnet0", "ifb0"] {
            assert!(pattern.matches(name), "{name}");
        }
        for name in ["lo", "eth0", "bond0", "wlan0"] {
            assert!(!pattern.matches(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = (parse(&text), CountedHeight::of_names([&*text]).counts_name(&text));
        }
    }
}
