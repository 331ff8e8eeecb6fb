//! Drops values that cannot be: outside the range that their metric declares, or larger than the whole of which they are a
//! part.
//!
//! Each source declares both in its metrics, by [`Metric::within`] and [`Metric::part_of`]. Kernels, containers and
//! hypervisors print such values now and then: more memory available than there is, less than no connections.

use super::kernel_file::{BELOW_ZERO, IMPOSSIBLE};
use crate::metric::{self, Metric};
use crate::reading::{MetricLabels, MetricSample, Reading, Subject, SubjectValues};

/// How much a reading has before a source is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CountsBeforeSource {
    host_values: usize,
    subjects: usize,
}

impl CountsBeforeSource {
    pub(super) fn of(reading: &Reading) -> Self {
        Self {
            host_values: reading.host_values().map_or(0, SubjectValues::count),
            subjects: reading.subjects.len(),
        }
    }
}

/// Drops the impossible values that a source added, and notes each metric that lacks one. Values of other subjects than the
/// host come from one source only.
pub(super) fn drop_from(reading: &mut Reading, before: CountsBeforeSource) {
    let mut found: Vec<Impossible> = Vec::new();
    let has_others = before.subjects.max(1) < reading.subjects.len();
    for (subject, values) in &mut reading.subjects {
        let from = match subject {
            Subject::Host => before.host_values,
            _ if has_others => 0,
            _ => continue,
        };
        for MetricSample { metric, labels, value } in values.take_refused() {
            found.push(Impossible { subject: subject.clone(), metric, labels, why: digits(value) });
        }
        values.keep(from, |all, sample| {
            let why = impossible(all, sample);
            let holds = why.is_none();
            found.extend(why.map(|why| Impossible {
                subject: subject.clone(),
                metric: sample.metric,
                labels: sample.labels.clone(),
                why,
            }));
            holds
        });
    }
    for Impossible { subject, metric, labels, why } in found {
        let labels =
            if labels.values().is_empty() { String::new() } else { format!("{:?}", labels.values()) };
        let of = match subject {
            Subject::Host => String::new(),
            _ => format!(" of {} {:?}", subject.kind().name(), subject.name()),
        };
        reading.note_omission(
            1,
            format!("{}{labels}", metric.name),
            format!("{metric}{labels}{of} is {why}, which cannot be; it counts as missing"),
        );
    }
}

struct Impossible {
    subject: Subject,
    metric: &'static Metric,
    labels: MetricLabels,
    why: String,
}

/// Why a value cannot be.
fn impossible(all: &SubjectValues, sample: &MetricSample) -> Option<String> {
    let MetricSample { metric, labels, value } = sample;
    if !metric.is_possible(*value) {
        return Some(digits(*value));
    }
    let whole = metric.whole?;
    let size = all.get_by(whole, labels)?;
    (!metric::fits(*value, size)).then(|| format!("{}, more than {whole}, {}", digits(*value), digits(size)))
}

/// Largest number whose digits are written in a sentence.
const DIGITS_MAX: f64 = 1e21;

/// A value as people read it.
fn digits(value: f64) -> String {
    match value {
        IMPOSSIBLE => "2^63 or more".to_owned(),
        BELOW_ZERO => "below zero".to_owned(),
        // The sum of both.
        _ if value.is_nan() => "in part below zero, in part 2^63 or more".to_owned(),
        _ if value.abs() < DIGITS_MAX => value.to_string(),
        _ => format!("{value:e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_in_digits() {
        for (value, expect) in [
            (-61.0, "-61"),
            (18_446_744_073_709_540_000.0, "18446744073709540000"),
            (1e300, "1e300"),
            (IMPOSSIBLE, "2^63 or more"),
            (BELOW_ZERO, "below zero"),
            (BELOW_ZERO + IMPOSSIBLE, "in part below zero, in part 2^63 or more"),
        ] {
            assert_eq!(digits(value), expect);
        }
    }
}
