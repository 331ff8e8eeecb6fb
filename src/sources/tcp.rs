//! TCP and sockets, from `/proc/1/net/snmp` (RFC 4022 names the counters) and `/proc/1/net/sockstat`
//! (`net/ipv4/proc.c`), of the same network namespace as the source `network`.

use super::kernel_file::{KernelFile, KernelText, SkippedLines, count, number, optional};
use super::{Source, SourceError, SourceSettings};
use crate::culprit::Resource;
use crate::impact::ImpactFormula;
use crate::metric::Metric;
use crate::reading::{Reading, SubjectKind, Values};
use crate::signal::{Signal, SignalUnit};

/// More sockets than the memory of any host has room for.
const SOCKETS_MAX: f64 = 2_147_483_647.0;

static ESTABLISHED: Metric =
    Metric::gauge("hostnorm_tcp_connections_established", "Established TCP connections")
        .within(0.0, SOCKETS_MAX);
static RECEIVED: Metric = Metric::counter("hostnorm_tcp_segments_received_total", "TCP segments received");
static SENT: Metric =
    Metric::counter("hostnorm_tcp_segments_sent_total", "TCP segments sent, without retransmissions");
static RETRANSMITTED: Metric =
    Metric::counter("hostnorm_tcp_segments_retransmitted_total", "TCP segments retransmitted");
static SOCKETS: Metric =
    Metric::gauge("hostnorm_sockets_used", "Sockets in use, all protocols").within(0.0, SOCKETS_MAX);
static IN_USE: Metric =
    Metric::gauge("hostnorm_tcp_sockets_used", "TCP sockets in use").within(0.0, SOCKETS_MAX);
static ORPHANED: Metric =
    Metric::gauge("hostnorm_tcp_sockets_orphaned", "Orphaned TCP sockets, not attached to any process")
        .within(0.0, SOCKETS_MAX);
static TIME_WAIT: Metric =
    Metric::gauge("hostnorm_tcp_sockets_time_wait", "TCP sockets in TIME_WAIT").within(0.0, SOCKETS_MAX);

pub(super) static METRICS: &[&Metric] =
    &[&ESTABLISHED, &RECEIVED, &SENT, &RETRANSMITTED, &SOCKETS, &IN_USE, &ORPHANED, &TIME_WAIT];

pub(super) static SIGNALS: &[Signal] = &[
    Signal {
        kind: SubjectKind::Host,
        name: "tcp_connections_established",
        title: "TCP connections",
        help: "Established TCP connections",
        unit: SignalUnit::Count,
        // A connection pool or a handful of browsers.
        floor: 100.0,
        device: None,
        formula: |it| it.level(&ESTABLISHED),
    },
    Signal {
        kind: SubjectKind::Host,
        name: "tcp_retransmits_per_second",
        title: "retransmits",
        help: "TCP segments retransmitted per second",
        unit: SignalUnit::PerSecond,
        // Downloads at full speed lose some dozens of segments per second.
        floor: 50.0,
        device: None,
        formula: |it| it.rate(&RETRANSMITTED),
    },
];

/// Share of retransmitted segments at which connections stand still.
const RETRANSMITTED_MAX: f64 = 0.2;
/// Segments per second below which a share says little.
const SEGMENTS_MIN: f64 = 20.0;

pub(super) static IMPACTS: &[ImpactFormula] = &[ImpactFormula {
    kind: SubjectKind::Host,
    resource: Resource::Network,
    formula: |it| {
        let (sent, again) = (it.rate(&SENT)?, it.rate(&RETRANSMITTED)?);
        let all = sent + again;
        Some(if all < SEGMENTS_MIN { 0.0 } else { again / all / RETRANSMITTED_MAX })
    },
}];

/// Columns of the group `Tcp` in `snmp`.
static SNMP: [(&str, &Metric); 4] =
    [("CurrEstab", &ESTABLISHED), ("InSegs", &RECEIVED), ("OutSegs", &SENT), ("RetransSegs", &RETRANSMITTED)];

/// Names of the states of sockets in a scene.
pub(super) static STATES: [(&str, &Metric); 4] =
    [("used", &SOCKETS), ("established", &ESTABLISHED), ("time_wait", &TIME_WAIT), ("orphaned", &ORPHANED)];

/// Values of `sockstat`, by the start of the line and the preceding word.
static SOCKSTAT: [(&str, &str, &Metric); 4] = [
    ("sockets:", "used", &SOCKETS),
    ("TCP:", "inuse", &IN_USE),
    ("TCP:", "orphan", &ORPHANED),
    ("TCP:", "tw", &TIME_WAIT),
];

pub(super) fn open(settings: &SourceSettings) -> Box<dyn Source> {
    let file = |first, own| KernelFile::first_of(settings.roots.of_process_1(first, own));
    Box::new(Tcp { snmp: file("1/net/snmp", "net/snmp"), sockstat: file("1/net/sockstat", "net/sockstat") })
}

#[derive(Debug)]
struct Tcp {
    snmp: KernelFile,
    sockstat: KernelFile,
}

impl Source for Tcp {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let host = into.host();
        let snmp = self.snmp.read().and_then(|text| set_snmp(text, host));
        let sockstat = optional(self.sockstat.read()).and_then(|text| match text {
            Some(text) => set_sockstat(text, host),
            None => Ok(SkippedLines::default()),
        });
        snmp.map(|it| it.note(into)).and(sockstat.map(|it| it.note(into)))
    }
}

/// Each group has two lines: the names of its columns, then their values.
pub(super) fn set_snmp(text: KernelText<'_>, into: &mut Values) -> Result<SkippedLines, SourceError> {
    let mut group = text.lines().filter(|it| it.text.starts_with("Tcp: "));
    let (Some(names), Some(values)) = (group.next(), group.next()) else { return Err(text.error()) };
    let mut missing = SNMP.map(Some);
    let mut skipped = SkippedLines::default();
    for (name, value) in names.text.split_ascii_whitespace().zip(values.text.split_ascii_whitespace()) {
        let Some(row) = missing.iter_mut().find(|row| row.is_some_and(|(it, _)| it == name)) else {
            continue;
        };
        let Some(value) = skipped.take(count(value).ok_or_else(|| values.error())) else { continue };
        if let Some((_, metric)) = row.take() {
            into.set(metric, value);
        }
    }
    if missing.iter().all(Option::is_some) { Err(skipped.fail(names.error())) } else { Ok(skipped) }
}

/// Each line is a protocol, followed by pairs of a word and a number.
pub(super) fn set_sockstat(text: KernelText<'_>, into: &mut Values) -> Result<SkippedLines, SourceError> {
    let mut missing = SOCKSTAT.map(Some);
    let mut skipped = SkippedLines::default();
    for line in text.lines() {
        let mut fields = line.text.split_ascii_whitespace();
        let Some(protocol) = fields.next() else { continue };
        while let Some(word) = fields.next() {
            let value = number(&mut fields);
            let wanted =
                |row: &Option<(&str, &str, _)>| row.is_some_and(|it| (it.0, it.1) == (protocol, word));
            let Some(row) = missing.iter_mut().find(|row| wanted(row)) else { continue };
            let Some(value) = skipped.take(value.ok_or_else(|| line.error())) else { continue };
            if let Some((_, _, metric)) = row.take() {
                into.set(metric, value);
            }
        }
    }
    if missing.iter().all(Option::is_some) { Err(skipped.fail(text.error())) } else { Ok(skipped) }
}
