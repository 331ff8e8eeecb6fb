//! Network devices, from `/proc/1/net/dev` (`net/core/net-procfs.c`).
//!
//! The devices of process 1 are those of the host, even where hostnorm has a network namespace of its own.

use serde::{Deserialize, Serialize};

use super::device_filter::{self, IncludedDevices, counted_rates};
use super::filter_pattern::ExcludePattern;
use super::kernel_file::{KernelFile, KernelText, LIST_BYTES_MAX, SkippedLines, number};
use super::network_device::NetworkLinks;
use super::network_device_name::{CountedHeight, TUNNEL, height, is_loopback};
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
    /// dummy devices, unless sysfs shows hardware.
    pub device_exclude: ExcludePattern,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self { device_exclude: ExcludePattern::known(r"^(veth|cali|lxc|vnet|tap|ifb|dummy).+$") }
    }
}

pub(super) fn open(settings: &super::SourceSettings) -> Box<dyn Source> {
    let is_own_pattern = settings.network != NetworkSettings::default();
    let directory = settings.roots.sysfs.join("class/net");
    let devices = IncludedDevices::new(settings.network.device_exclude.clone());
    Box::new(NetworkSource {
        dev: KernelFile::first_of(settings.roots.of_process_1("1/net/dev", "net/dev")).up_to(LIST_BYTES_MAX),
        devices: if is_own_pattern { devices } else { devices.with_hardware(directory.clone()) },
        is_own_pattern,
        links: NetworkLinks::new(directory, &settings.blocking),
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
        // Without hardware, what is left out by default may be all that a container has.
        let may_show_all = !self.is_own_pattern && !self.links.had_hardware();
        set(self.dev.read()?, &mut self.devices, may_show_all, rank, into.host())?.add_to(into);
        self.devices.note_dropped(into);
        let now = clock::instant();
        let host = into.host();
        let shown: Vec<(&str, &MetricLabels)> = self.devices.shown().collect();
        let names: Vec<&str> = shown.iter().map(|it| it.0).collect();
        let outcome = self.links.update(&names, now);
        // Rates across a replaced device would be wrong.
        let is_replaced = |labels: &MetricLabels| {
            let replaced = self.links.replaced_devices();
            !replaced.is_empty() && shown.iter().any(|it| it.1 == labels && replaced.contains(it.0))
        };
        host.keep(0, |_, it| !METRICS.contains(&it.metric) || !is_replaced(&it.labels));
        // By default, only ends of guests are left out, of which nothing that is shown is made.
        let counting = self.links.counting(self.devices.left_out().filter(|_| self.is_own_pattern));
        for (name, labels) in shown.iter().filter(|it| !is_replaced(it.1)) {
            if let Some(is_counted) = counting.is_counted(name) {
                host.set_by(&COUNTED, labels, f64::from(u8::from(is_counted)));
            }
            host.set_by(&SPEED, labels, self.links.link_speed(name, now).unwrap_or(f64::NAN));
        }
        let is_any_judged = host.each(&COUNTED).any(|it| it.value > 0.0);
        let is_known = host.each(&COUNTED).next().is_some();
        self.links.note_silent(now, into);
        if self.is_own_pattern && is_known && !self.links.is_hardware_gone() {
            self.devices.note_unjudged(is_any_judged, "network.device_exclude", into);
        }
        outcome
    }
}

/// Sets the counters of each network device; those of the lowest ranks first, if there are too many. If `may_show_all`, devices
/// that are left out are shown where there are only tunnels besides: a container without root has a `tap0` and the tunnels that
/// the kernel adds to each network.
pub(super) fn set(
    text: KernelText<'_>,
    devices: &mut IncludedDevices,
    may_show_all: bool,
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
    let is_better = |name: &str| !is_loopback(name) && height(name) < TUNNEL;
    let shows_all = may_show_all && !rows.iter().any(|it| is_better(it.0) && !devices.is_left_out(it.0));
    let is_left_out = |it: &(&str, _)| !shows_all && devices.is_left_out(it.0);
    device_filter::most_important_first(&mut rows, is_left_out, |it| rank(it.0));
    for (name, values) in rows {
        let labels = if shows_all { devices.labels_of_included(name) } else { devices.labels(name) };
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
mod tests;
