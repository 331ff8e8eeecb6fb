//! TCP and sockets, from `/proc/1/net/snmp` (RFC 4022 names the counters), `/proc/1/net/netstat` and
//! `/proc/1/net/sockstat` (`net/ipv4/proc.c`), of the same network namespace as the source `network`.

use super::kernel_file::{KernelFile, KernelText, SkippedLines, count, number, optional};
use super::{Source, SourceError, SourceSettings};
use crate::culprit::Resource;
use crate::impact::ImpactFormula;
use crate::metric::Metric;
use crate::reading::{Reading, SubjectKind, Values};
use crate::signal::{ReadingPair, Signal, SignalUnit};

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
static ACCEPTED: Metric = Metric::counter(
    "hostnorm_tcp_connections_accepted_total",
    "TCP connections that listening sockets accepted",
);
static LISTEN_OVERFLOWS: Metric = Metric::counter(
    "hostnorm_tcp_listen_overflows_total",
    "Attempts to connect that found the queue of the listening socket full",
);
static LISTEN_DROPS: Metric = Metric::counter(
    "hostnorm_tcp_listen_drops_total",
    "Attempts to connect that a listening socket dropped, including overflows",
);
static SOCKETS: Metric =
    Metric::gauge("hostnorm_sockets_used", "Sockets in use, all protocols").within(0.0, SOCKETS_MAX);
static IN_USE: Metric =
    Metric::gauge("hostnorm_tcp_sockets_used", "TCP sockets in use").within(0.0, SOCKETS_MAX);
static ORPHANED: Metric =
    Metric::gauge("hostnorm_tcp_sockets_orphaned", "Orphaned TCP sockets, not attached to any process")
        .within(0.0, SOCKETS_MAX);
static TIME_WAIT: Metric =
    Metric::gauge("hostnorm_tcp_sockets_time_wait", "TCP sockets in TIME_WAIT").within(0.0, SOCKETS_MAX);

pub(super) static METRICS: &[&Metric] = &[
    &ESTABLISHED,
    &ACCEPTED,
    &RECEIVED,
    &SENT,
    &RETRANSMITTED,
    &LISTEN_OVERFLOWS,
    &LISTEN_DROPS,
    &SOCKETS,
    &IN_USE,
    &ORPHANED,
    &TIME_WAIT,
];

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

/// Attempts to connect per second below which a share says little.
const ATTEMPTS_MIN: f64 = 2.0;

pub(super) static IMPACTS: &[ImpactFormula] = &[
    impact(|it| {
        let (sent, again) = (it.rate(&SENT)?, it.rate(&RETRANSMITTED)?);
        let all = sent + again;
        Some(if all < SEGMENTS_MIN { 0.0 } else { again / all / RETRANSMITTED_MAX })
    }),
    // A client whose attempt was dropped waits for a second or more, so the share is the part of the clients that wait.
    impact(|it| {
        let (accepted, dropped) =
            (it.rate(&ACCEPTED)?, it.rate(&LISTEN_DROPS)?.max(it.rate(&LISTEN_OVERFLOWS)?));
        let all = accepted + dropped;
        Some(if all < ATTEMPTS_MIN { 0.0 } else { dropped / all })
    }),
];

const fn impact(formula: fn(&ReadingPair<'_>) -> Option<f64>) -> ImpactFormula {
    ImpactFormula { kind: SubjectKind::Host, resource: Resource::Network, formula }
}

/// Columns of the group `Tcp` in `snmp`.
static SNMP: [(&str, &Metric); 5] = [
    ("PassiveOpens", &ACCEPTED),
    ("CurrEstab", &ESTABLISHED),
    ("InSegs", &RECEIVED),
    ("OutSegs", &SENT),
    ("RetransSegs", &RETRANSMITTED),
];

/// Columns of the group `TcpExt` in `netstat`.
static NETSTAT: [(&str, &Metric); 2] =
    [("ListenOverflows", &LISTEN_OVERFLOWS), ("ListenDrops", &LISTEN_DROPS)];

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
    Box::new(Tcp {
        snmp: file("1/net/snmp", "net/snmp"),
        netstat: file("1/net/netstat", "net/netstat"),
        sockstat: file("1/net/sockstat", "net/sockstat"),
    })
}

#[derive(Debug)]
struct Tcp {
    snmp: KernelFile,
    netstat: KernelFile,
    sockstat: KernelFile,
}

impl Source for Tcp {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let host = into.host();
        let snmp = self.snmp.read().and_then(|text| set_snmp(text, host));
        let netstat = set_if_there(&mut self.netstat, set_netstat, host);
        let sockstat = set_if_there(&mut self.sockstat, set_sockstat, host);
        let outcomes = [snmp, netstat, sockstat].map(|it| it.map(|skipped| skipped.note(into)));
        outcomes.into_iter().collect()
    }
}

type SetFn = fn(KernelText<'_>, &mut Values) -> Result<SkippedLines, SourceError>;

/// Sets the values of a file that a machine may lack.
fn set_if_there(file: &mut KernelFile, set: SetFn, into: &mut Values) -> Result<SkippedLines, SourceError> {
    match optional(file.read())? {
        Some(text) => set(text, into),
        None => Ok(SkippedLines::default()),
    }
}

pub(super) fn set_snmp(text: KernelText<'_>, into: &mut Values) -> Result<SkippedLines, SourceError> {
    set_group(text, "Tcp: ", &SNMP, into)
}

pub(super) fn set_netstat(text: KernelText<'_>, into: &mut Values) -> Result<SkippedLines, SourceError> {
    set_group(text, "TcpExt: ", &NETSTAT, into)
}

/// Each group has two lines: the names of its columns, then their values.
fn set_group<const N: usize>(
    text: KernelText<'_>,
    name: &str,
    columns: &[(&str, &'static Metric); N],
    into: &mut Values,
) -> Result<SkippedLines, SourceError> {
    let mut group = text.lines().filter(|it| it.text.starts_with(name));
    let (Some(names), Some(values)) = (group.next(), group.next()) else { return Err(text.error()) };
    let mut missing = columns.map(Some);
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const NETSTAT: &str = "TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPHPHits\nTcpExt: 1 OVERFLOWS DROPS 9\n\
        IpExt: InOctets\nIpExt: 5\n";

    fn values(accepted: u64, overflows: u64, drops: u64) -> Values {
        let mut values = Values::default();
        let snmp = format!("Tcp: PassiveOpens InSegs OutSegs RetransSegs\nTcp: {accepted} 0 0 0\n");
        let netstat =
            NETSTAT.replace("OVERFLOWS", &overflows.to_string()).replace("DROPS", &drops.to_string());
        set_snmp(KernelText::of(Path::new("snmp"), &snmp), &mut values).unwrap();
        set_netstat(KernelText::of(Path::new("netstat"), &netstat), &mut values).unwrap();
        values
    }

    fn check(now: (u64, u64, u64), expect: f64) {
        let (before, now) = (values(100, 5, 7), values(now.0, now.1, now.2));
        let change = ReadingPair::new(&before, &now, 1.0).unwrap();
        let found = IMPACTS.iter().filter_map(|it| (it.formula)(&change)).fold(0.0, f64::max);
        assert!((found - expect).abs() < 1e-9, "{now:?}: {found}");
    }

    #[test]
    fn clients_that_no_listening_socket_accepts_wait() {
        check((200, 5, 7), 0.0);
        check((130, 15, 17), 0.25);
        check((100, 15, 17), 1.0);
        // Drops for another reason than a full queue.
        check((110, 5, 17), 0.5);
        // A single attempt says little.
        check((100, 6, 8), 0.0);
    }

    #[test]
    fn a_kernel_without_these_counters_has_none() {
        let text = KernelText::of(Path::new("netstat"), "IpExt: InOctets\nIpExt: 5\n");
        assert!(set_netstat(text, &mut Values::default()).is_err());
    }
}
