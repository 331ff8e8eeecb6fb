//! Describes an episode in words: while it lasts, and when it ends.
//!
//! Log, metrics, store, page and alerts show the same description. Numbers have two or three digits. Prefixes are decimal,
//! as usual for networks and disks: 1 kB is 1000 bytes.

use crate::detect::absence;
use crate::duration::HumanDuration;
use crate::reading::{Subject, Timestamp};
use crate::report::{AbsentSignal, Assessment, Contribution, Episode, ExpectedValue, SignalState};
use crate::signal::{ReadingPair, SignalUnit};

mod culprits;
mod instant;
mod scene_facts;
mod templates;

pub use culprits::{culprit, nobody, usage, usage_with_usual, with_culprits};
pub use instant::{instant, second};
pub use scene_facts::scene_facts;
pub use templates::with_templates;

/// Largest number of signals that a description names.
pub const CAUSES_MAX: usize = 3;

/// Longest description, in bytes. It is a label value.
pub const DESCRIPTION_MAX: usize = 512;

/// A signal to name, with its values.
#[derive(Debug, Clone, Copy)]
pub struct NamedSignal<'a> {
    /// Its contribution to the score.
    pub contribution: &'a Contribution,
    /// Its value and expected value.
    pub state: &'a SignalState,
}

/// The signals to name, largest deviation first, without those that lower the score.
pub fn causes(assessment: &Assessment) -> Vec<NamedSignal<'_>> {
    let causes = assessment.details.iter().flat_map(|it| &it.causes).filter(|it| it.value > 0.0);
    let known = causes.filter_map(|contribution| {
        let state = assessment.signals.iter().find(|it| it.signal.name == contribution.signal.name)?;
        Some(NamedSignal { contribution, state })
    });
    known.take(CAUSES_MAX).collect()
}

/// The description of the current episode: its subject and its anomalous signals, in at most [`DESCRIPTION_MAX`]
/// bytes. Signals of one device are named with it if the newest pair of readings is given.
pub fn describe(subject: &Subject, assessment: &Assessment, change: Option<&ReadingPair<'_>>) -> String {
    let like_rejected = match assessment.like_rejected {
        0 => String::new(),
        1 => "; like 1 episode rejected before".into(),
        count => format!("; like {count} episodes rejected before"),
    };
    let signals = phrases(assessment, change);
    let text = shortened_to(
        DESCRIPTION_MAX - like_rejected.len(),
        format!("Anomaly on {}: {signals}", name(subject)),
    );
    text + &like_rejected
}

/// The log message for an episode that ended.
pub fn ended(subject: &Subject, episode: &Episode) -> String {
    let (name, lasted, peak) = (name(subject), rounded_episode_duration(episode), rounded(episode.peak));
    format!("anomaly ended on {name} after {lasted}, peak score {peak}")
}

/// The log message for an episode that was accepted as normal.
pub fn accepted_episode_message(subject: &Subject, episode: &Episode) -> String {
    format!("anomaly accepted as normal on {} after {}", name(subject), rounded_episode_duration(episode))
}

/// The identifier of an episode, from its subject and the second of its start: `2026-11-28T19:04:05Z` on the host,
/// `2026-11-28T19:04:05Z/container/web` for other subjects.
pub fn id(subject: &Subject, since: Timestamp) -> String {
    let second = second(since);
    match subject {
        Subject::Host => second,
        subject => format!("{second}/{}/{}", subject.kind().name(), subject.name()),
    }
}

/// Length of an episode in seconds of readings, rounded.
pub fn rounded_episode_duration(episode: &Episode) -> HumanDuration {
    HumanDuration::nearest(episode.lasted.round())
}

/// Display name of a subject.
pub fn name(subject: &Subject) -> String {
    match subject {
        Subject::Host => "host".into(),
        other => format!("{} {}", other.kind().name(), other.name()),
    }
}

/// Shortens a text to this number of bytes, at a word boundary.
fn shortened_to(bytes_max: usize, text: String) -> String {
    const ELLIPSIS: &str = "…";
    if text.len() <= bytes_max {
        return text;
    }
    let room = text.floor_char_boundary(bytes_max.saturating_sub(ELLIPSIS.len()));
    let words = text[..room].rfind(' ').map_or(&text[..room], |end| &text[..end]);
    format!("{}{ELLIPSIS}", words.trim_end_matches([',', ':']))
}

fn phrases(assessment: &Assessment, change: Option<&ReadingPair<'_>>) -> String {
    // Absent signals come first: their absence is more specific than a deviation, and needs none.
    let absent = || assessment.absent.iter();
    let present = causes(assessment).into_iter().map(|it| it.state);
    let present = present.filter(|it| absent().all(|gone| gone.signal.name != it.signal.name));
    let phrases = absent().map(ceased).chain(present.map(|it| phrase(it, change)));
    let phrases: Vec<_> = phrases.take(CAUSES_MAX).collect();
    match phrases.is_empty() {
        true => "no single signal stands out".into(),
        false => phrases.join(", "),
    }
}

/// For example "memory used unchanged for 12m (usually changes every 30s)".
fn ceased(absent: &AbsentSignal) -> String {
    let span = |seconds: f64| HumanDuration::nearest(seconds.round());
    let (title, lasted) = (absent.signal.title, span(absent.seconds));
    match absent.kind {
        absence::AbsenceKind::FlatLine => {
            format!("{title} unchanged for {lasted} (usually changes every {})", span(absent.usual))
        }
        absence::AbsenceKind::Stopped => format!("{title} stopped {lasted} ago"),
        absence::AbsenceKind::Vanished => format!("{title} vanished {lasted} ago"),
    }
}

/// For example "fullest filesystem (/var) 97 % (expected 70 %, range 69–72 %)".
fn phrase(state: &SignalState, change: Option<&ReadingPair<'_>>) -> String {
    let unit = state.signal.unit;
    let device = change.and_then(|it| state.signal.highest_device(it));
    let device = device.map_or_else(String::new, |it| format!(" ({it})"));
    let value = format!("{}{device} {}", state.signal.title, quantity(unit, state.value));
    match &state.expected {
        None => value,
        Some(expected) => {
            format!("{value} (expected {}{})", quantity(unit, expected.value), range(unit, expected))
        }
    }
}

/// ", range 0–9 %", or one bound if only one is known.
fn range(unit: SignalUnit, ExpectedValue { lower, upper, .. }: &ExpectedValue) -> String {
    let [from, to] = [*lower, *upper].map(|it| quantity(unit, it));
    match (lower.is_finite(), upper.is_finite()) {
        (true, true) if *lower < 0.0 => format!(", range {from} to {to}"),
        (true, true) => {
            // A common unit is written once, and 0 has no unit.
            let number = |text: &str| text.find([' ', '/']).unwrap_or(text.len());
            let (from_number, from_unit) = from.split_at(number(&from));
            let same = from_number == "0" || from_unit == &to[number(&to)..];
            format!(", range {}–{to}", if same { from_number } else { &from })
        }
        (false, true) => format!(", at most {to}"),
        (true, false) => format!(", at least {from}"),
        (false, false) => String::new(),
    }
}

/// A number with its unit: `97 %`, `1.2 MB/s`, `41 k/s`, `12`.
pub fn quantity(unit: SignalUnit, value: f64) -> String {
    let (number, prefix) = scaled(value);
    match unit {
        SignalUnit::Ratio => format!("{} %", rounded(value * 100.0)),
        SignalUnit::Bytes => format!("{number} {prefix}B"),
        SignalUnit::BytesPerSecond => format!("{number} {prefix}B/s"),
        SignalUnit::PerSecond if prefix.is_empty() => format!("{number}/s"),
        SignalUnit::PerSecond => format!("{number} {prefix}/s"),
        SignalUnit::Seconds => format!("{number} {prefix}s"),
        _ if prefix.is_empty() => number,
        _ => format!("{number} {prefix}"),
    }
}

fn scaled(value: f64) -> (String, &'static str) {
    const PREFIXES: [&str; 6] = ["", "k", "M", "G", "T", "P"];
    let mut value = value;
    for prefix in PREFIXES {
        // Round first: 999.9 becomes 1 k, not 1000.
        if value.abs().round() < 1000.0 {
            return (rounded(value), prefix);
        }
        value /= 1000.0;
    }
    (format!("{value:.1e}"), "E")
}

/// One decimal below 10, none above, without trailing zeros.
fn rounded(value: f64) -> String {
    let text = if value.abs() < 9.95 { format!("{value:.1}") } else { format!("{value:.0}") };
    match text.trim_end_matches(".0") {
        "-0" => "0".into(),
        text => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::SubjectKind;
    use crate::report::{DeviationDirection, ScoreDetails};
    use crate::signal::Signal;

    static BUSY: Signal = signal("cpu_busy_ratio", "CPU usage", SignalUnit::Ratio);
    static SWITCHES: Signal = signal("switches", "context switches", SignalUnit::PerSecond);
    static RECEIVED: Signal = signal("received", "network received", SignalUnit::BytesPerSecond);
    static BLOCKED: Signal = signal("blocked", "blocked tasks", SignalUnit::Count);

    const fn signal(name: &'static str, title: &'static str, unit: SignalUnit) -> Signal {
        Signal {
            kind: SubjectKind::Host,
            name,
            title,
            help: "",
            unit,
            floor: 0.0,
            device: None,
            formula: |_| None,
        }
    }

    /// Each row: signal, contribution, value, and optionally expected value, lower and upper bound.
    type Row = (&'static Signal, f64, f64, Option<[f64; 3]>);

    fn assessment(rows: &[Row]) -> Assessment {
        let mut assessment = Assessment { details: Some(ScoreDetails::default()), ..Assessment::default() };
        for (signal, contribution, value, expected) in rows {
            let expected = expected.map(|[value, lower, upper]| ExpectedValue { value, lower, upper });
            assessment.signals.push(SignalState {
                signal,
                value: *value,
                expected,
                expected_by_detector: Default::default(),
                drift: None,
            });
            let direction = DeviationDirection::High;
            assessment.details.as_mut().unwrap().causes.push(Contribution {
                signal,
                direction,
                value: *contribution,
            });
        }
        assessment
    }

    fn check(rows: &[Row], expect: &str) {
        assert_eq!(describe(&Subject::Host, &assessment(rows), None), expect);
    }

    #[test]
    fn an_anomaly_names_its_causes() {
        check(
            &[
                (&BUSY, 1.5, 0.97, Some([0.03, 0.0, 0.09])),
                (&SWITCHES, 0.5, 41_000.0, Some([1200.0, 0.0, 9000.0])),
            ],
            "Anomaly on host: CPU usage 97 % (expected 3 %, range 0–9 %), \
             context switches 41 k/s (expected 1.2 k/s, range 0–9 k/s)",
        );
    }

    #[test]
    fn signals_that_lower_the_score_are_not_named() {
        check(&[(&BUSY, -0.1, 0.5, None)], "Anomaly on host: no single signal stands out");
        check(&[(&BLOCKED, 1.0, 12.0, None), (&BUSY, -0.1, 0.5, None)], "Anomaly on host: blocked tasks 12");
    }

    #[test]
    fn absent_signals_come_first_and_once() {
        let absent = |signal, kind| AbsentSignal { signal, kind, seconds: 720.4, usual: 30.2 };
        let mut found = assessment(&[(&BUSY, 1.5, 0.4, None), (&SWITCHES, 0.5, 0.0, None)]);
        found.absent = vec![
            absent(&BUSY, absence::AbsenceKind::FlatLine),
            absent(&RECEIVED, absence::AbsenceKind::Vanished),
            absent(&BLOCKED, absence::AbsenceKind::Stopped),
        ];
        let expect = "Anomaly on host: CPU usage unchanged for 12m (usually changes every 30s), \
                      network received vanished 12m ago, blocked tasks stopped 12m ago";
        assert_eq!(describe(&Subject::Host, &found, None), expect);
        found.absent.truncate(1);
        let expect = "Anomaly on host: CPU usage unchanged for 12m (usually changes every 30s), \
                      context switches 0/s";
        assert_eq!(describe(&Subject::Host, &found, None), expect);
    }

    #[test]
    fn a_signal_of_one_device_names_it() {
        static FULLEST: Signal = Signal {
            device: Some(|_| vec![("/", 0.2), ("/var", 0.97)]),
            ..signal("filesystem_used_ratio", "fullest filesystem", SignalUnit::Ratio)
        };
        let (before, now) = Default::default();
        let change = ReadingPair::new(&before, &now, 1.0);
        let found = assessment(&[(&FULLEST, 1.5, 0.95, Some([0.7, 0.65, 0.72]))]);
        let text = describe(&Subject::Host, &found, change.as_ref());
        assert_eq!(text, "Anomaly on host: fullest filesystem (/var) 95 % (expected 70 %, range 65–72 %)");
    }

    #[test]
    fn only_the_largest_are_named() {
        let rows = [
            (&BLOCKED, 4.0, 1.0, None),
            (&RECEIVED, 3.0, 1.0, None),
            (&SWITCHES, 2.0, 1.0, None),
            (&BUSY, 1.0, 0.1, None),
        ];
        check(&rows, "Anomaly on host: blocked tasks 1, network received 1 B/s, context switches 1/s");
    }

    #[test]
    fn a_range_has_its_unit_once_and_may_be_open() {
        let inf = f64::INFINITY;
        for (signal, lower, upper, expect) in [
            (&BLOCKED, -inf, 2.0, ", at most 2"),
            (&BLOCKED, 1.0, inf, ", at least 1"),
            (&BLOCKED, -inf, inf, ""),
            (&BLOCKED, -1.0, 2.0, ", range -1 to 2"),
            (&BLOCKED, 0.5, 1300.0, ", range 0.5–1.3 k"),
            (&BUSY, 0.01, 0.13, ", range 1–13 %"),
            (&SWITCHES, 900.0, 1200.0, ", range 900/s–1.2 k/s"),
            (&RECEIVED, 0.0, 1.3e7, ", range 0–13 MB/s"),
            (&RECEIVED, 2e6, 1.3e7, ", range 2–13 MB/s"),
        ] {
            let quantity = |value| quantity(signal.unit, value);
            let (title, nine, one) = (signal.title, quantity(9.0), quantity(1.5));
            let expect = format!("Anomaly on host: {title} {nine} (expected {one}{expect})");
            check(&[(signal, 1.0, 9.0, Some([1.5, lower, upper]))], &expect);
        }
    }

    #[test]
    fn a_long_description_is_cut_after_a_word() {
        for (length, ends) in [(470, "blocked tasks 1"), (476, "blocked…"), (600, "Anomaly on container…")]
        {
            let subject = Subject::Container("ä".repeat(length / 2).into());
            let text = describe(&subject, &assessment(&[(&BLOCKED, 1.0, 1.0, None)]), None);
            assert!(text.len() <= DESCRIPTION_MAX && text.ends_with(ends), "{} {text}", text.len());
        }
    }

    #[test]
    fn an_identifier_is_the_second_of_the_onset_and_the_subject() {
        let since = Timestamp(1_795_255_200.999);
        assert_eq!(id(&Subject::Host, since), "2026-11-21T10:00:00Z");
        assert_eq!(id(&Subject::Container("web".into()), since), "2026-11-21T10:00:00Z/container/web");
    }

    #[test]
    fn the_end_has_duration_and_peak() {
        let episode = Episode { since: Timestamp(100.0), peak: 7.43, lasted: 95.2 };
        let subject = Subject::Container("web".into());
        let expect = "anomaly ended on container web after 1m35s, peak score 7.4";
        assert_eq!(ended(&subject, &episode), expect);
    }

    #[test]
    fn numbers_are_short() {
        for (unit, value, expect) in [
            (SignalUnit::Ratio, 0.0, "0 %"),
            (SignalUnit::Ratio, 0.004, "0.4 %"),
            (SignalUnit::Ratio, 0.0996, "10 %"),
            (SignalUnit::Ratio, 1.0, "100 %"),
            (SignalUnit::Ratio, -0.0001, "0 %"),
            (SignalUnit::Bytes, 512.0, "512 B"),
            (SignalUnit::BytesPerSecond, 1536.0, "1.5 kB/s"),
            (SignalUnit::BytesPerSecond, 1.25e9, "1.2 GB/s"),
            (SignalUnit::BytesPerSecond, -2.5e6, "-2.5 MB/s"),
            (SignalUnit::PerSecond, 0.25, "0.2/s"),
            (SignalUnit::PerSecond, 999.4, "999/s"),
            (SignalUnit::PerSecond, 999.6, "1 k/s"),
            (SignalUnit::PerSecond, 9.97, "10/s"),
            (SignalUnit::Count, 3.0, "3"),
            (SignalUnit::Seconds, 90.4, "90 s"),
            (SignalUnit::Count, 41_234.0, "41 k"),
            (SignalUnit::Count, 1e300, "1.0e282 E"),
        ] {
            assert_eq!(quantity(unit, value), expect);
        }
    }
}
