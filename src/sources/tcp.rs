//! TCP and sockets, from `/proc/1/net/snmp` (RFC 4022 names the counters), `/proc/1/net/netstat` and
//! `/proc/1/net/sockstat` (`net/ipv4/proc.c`), of the same network namespace as the source `network`.

use super::kernel_file::{KernelFile, KernelFileLine, KernelText, SkippedLines, count, number};
use super::network::PACKETS_MAX;
use super::several_files::{note_files, set_if_there};
use super::{Source, SourceError, SourceSettings};
use crate::culprit::Resource;
use crate::impact::ImpactFormula;
use crate::metric::Metric;
use crate::reading::{Reading, SubjectKind, SubjectValues};
use crate::signal::{ReadingPair, Signal, SignalUnit};

/// More sockets than the memory of any host has room for.
const SOCKETS_MAX: f64 = 2_147_483_647.0;

static ESTABLISHED: Metric =
    Metric::gauge("hostnorm_tcp_connections_established", "Established TCP connections")
        .within(0.0, SOCKETS_MAX);
static RECEIVED: Metric = Metric::counter("hostnorm_tcp_segments_received_total", "TCP segments received")
    .gains_at_most(PACKETS_MAX);
static SENT: Metric =
    Metric::counter("hostnorm_tcp_segments_sent_total", "TCP segments sent, without retransmissions")
        .gains_at_most(PACKETS_MAX);
static RETRANSMITTED: Metric =
    Metric::counter("hostnorm_tcp_segments_retransmitted_total", "TCP segments retransmitted")
        .gains_at_most(PACKETS_MAX);
static ACCEPTED: Metric = Metric::counter(
    "hostnorm_tcp_connections_accepted_total",
    "TCP connections that listening sockets accepted",
)
.gains_at_most(PACKETS_MAX);
static LISTEN_OVERFLOWS: Metric = Metric::counter(
    "hostnorm_tcp_listen_overflows_total",
    "Attempts to connect that found the queue of the listening socket full",
)
// They are a part of the drops, but that counter wraps on a kernel with 32 bits.
.gains_at_most(PACKETS_MAX);
static LISTEN_DROPS: Metric = Metric::counter(
    "hostnorm_tcp_listen_drops_total",
    "Attempts to connect that a listening socket dropped, including overflows",
)
.gains_at_most(PACKETS_MAX);
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

/// Columns of the group `TcpSource` in `snmp`.
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
    Box::new(TcpSource {
        snmp: file("1/net/snmp", "net/snmp"),
        netstat: file("1/net/netstat", "net/netstat"),
        sockstat: file("1/net/sockstat", "net/sockstat"),
    })
}

#[derive(Debug)]
struct TcpSource {
    snmp: KernelFile,
    netstat: KernelFile,
    sockstat: KernelFile,
}

impl Source for TcpSource {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let host = into.host();
        let snmp = self.snmp.read().and_then(|text| set_snmp(text, host));
        let netstat = set_if_there(&mut self.netstat, set_netstat, host);
        let sockstat = set_if_there(&mut self.sockstat, set_sockstat, host);
        note_files([snmp, netstat, sockstat], into)
    }
}

pub(super) fn set_snmp(text: KernelText<'_>, into: &mut SubjectValues) -> Result<SkippedLines, SourceError> {
    set_group(text, "Tcp: ", &SNMP, into)
}

pub(super) fn set_netstat(
    text: KernelText<'_>,
    into: &mut SubjectValues,
) -> Result<SkippedLines, SourceError> {
    set_group(text, "TcpExt: ", &NETSTAT, into)
}

/// Largest number of lines of a group that are compared; the kernel writes two.
const GROUP_LINES_MAX: usize = 32;

/// Each group has two lines: the names of its columns, then their values. An odd line may start like them, so the pair with the
/// most values counts; other lines of the group are malformed.
fn set_group<const N: usize>(
    text: KernelText<'_>,
    name: &str,
    columns: &[(&'static str, &'static Metric); N],
    into: &mut SubjectValues,
) -> Result<SkippedLines, SourceError> {
    let mut skipped = SkippedLines::default();
    let group: Vec<KernelFileLine<'_>> = text.lines().filter(|it| it.text.starts_with(name)).collect();
    let compared = group.get(..GROUP_LINES_MAX).unwrap_or(&group);
    let mut best: Option<(usize, usize, [Option<f64>; N])> = None;
    let known = |values: &[Option<f64>; N]| values.iter().flatten().count();
    for (idx, names) in compared.iter().enumerate() {
        for (offset, line) in compared.iter().enumerate().skip(idx + 1) {
            let values = columns.map(|(column, _)| value_of(names, line, column));
            if best.as_ref().map_or(0, |it| known(&it.2)) < known(&values) {
                best = Some((idx, offset, values));
            }
        }
    }
    let Some((names, values, found)) = best else {
        return Err(group.first().map_or_else(|| text.error(), KernelFileLine::error));
    };
    for (idx, line) in group.iter().enumerate() {
        // A value of the pair that is no number counts as well.
        let is_whole = idx != values
            || columns
                .iter()
                .zip(&found)
                .all(|((column, _), value)| value.is_some() || !has_column(compared[names], column));
        if (idx != names && idx != values) || !is_whole {
            skipped.add(line.error());
        }
    }
    for ((column, metric), value) in columns.iter().zip(found) {
        match value {
            Some(value) => into.set(metric, value),
            None if !has_column(compared[names], column) => skipped.lacks(text, column),
            None => {}
        }
    }
    Ok(skipped)
}

fn has_column(names: KernelFileLine<'_>, column: &str) -> bool {
    names.text.split_ascii_whitespace().any(|it| it == column)
}

/// The value of a column, if both lines have as many columns.
fn value_of(names: &KernelFileLine<'_>, values: &KernelFileLine<'_>, column: &str) -> Option<f64> {
    let (mut names, mut values) = (names.text.split_ascii_whitespace(), values.text.split_ascii_whitespace());
    let mut found = None;
    loop {
        match (names.next(), values.next()) {
            (Some(name), Some(value)) if name == column => found = found.or_else(|| count(value)),
            (Some(_), Some(_)) => {}
            (None, None) => return found,
            _ => return None,
        }
    }
}

/// Each line is a protocol, followed by pairs of a word and a number.
pub(super) fn set_sockstat(
    text: KernelText<'_>,
    into: &mut SubjectValues,
) -> Result<SkippedLines, SourceError> {
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
    if missing.iter().all(Option::is_some) {
        return Err(skipped.fail(text.error()));
    }
    for (protocol, word, _) in missing.into_iter().flatten() {
        let mut lines = text.lines().filter(|it| it.text.starts_with(protocol));
        // A word whose number is malformed is there.
        if !lines.any(|it| it.text.split_ascii_whitespace().any(|it| it == word)) {
            skipped.lacks(text, word);
        }
    }
    Ok(skipped)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const NETSTAT: &str = "TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPHPHits\nTcpExt: 1 OVERFLOWS DROPS 9\n\
        IpExt: InOctets\nIpExt: 5\n";

    fn values(accepted: u64, overflows: u64, drops: u64) -> SubjectValues {
        let mut values = SubjectValues::default();
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

    /// The second pair of names and values is that of the kernel; a line before it is cut off, or its values are lost.
    #[test]
    fn an_odd_line_of_the_group_costs_itself() {
        let names = "Tcp: PassiveOpens CurrEstab InSegs OutSegs RetransSegs InErrs\n";
        let values = "Tcp: 1 2 3 4 5 6\n";
        for odd in [
            "Tcp: \0\0\0\n",
            "Tcp: \n",
            "Tcp: 7 8 9\n",
            "Tcp: 7 x 9 x 9 9\n",
            "Tcp: PassiveOpens CurrEstab\n",
            names,
        ] {
            for (text, place) in [
                ([odd, names, values].concat(), "before"),
                ([names, odd, values].concat(), "between"),
                ([names, values, odd].concat(), "after"),
            ] {
                let mut found = SubjectValues::default();
                let skipped = set_snmp(KernelText::of(Path::new("snmp"), &text), &mut found).unwrap();
                let found: Vec<Option<f64>> = SNMP.iter().map(|it| found.get(it.1)).collect();
                assert_eq!(found, [1.0, 2.0, 3.0, 4.0, 5.0].map(Some), "{odd:?} {place}");
                assert_eq!(skipped.omission().map(|it| it.count), Some(1), "{odd:?} {place}");
            }
        }
        // Without a pair of the same length, nobody knows which value is whose.
        for text in ["Tcp: \0\0\0\n", "Tcp: PassiveOpens CurrEstab\nTcp: 1\n"] {
            let mut found = SubjectValues::default();
            assert!(set_snmp(KernelText::of(Path::new("snmp"), text), &mut found).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_kernel_without_these_counters_has_none() {
        let text = KernelText::of(Path::new("netstat"), "IpExt: InOctets\nIpExt: 5\n");
        assert!(set_netstat(text, &mut SubjectValues::default()).is_err());
    }
}
