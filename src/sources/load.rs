//! Load averages, from `/proc/loadavg` (`Documentation/filesystems/proc.rst`, §1).
//!
//! They are exposed but not scored: an average over minutes would prolong an episode. Runnable and blocked tasks and
//! pressure show the same without delay.

use super::best_line::best_values;
use super::kernel_file::{KernelFile, KernelText, SkippedLines, decimal};
use super::stat::TASKS_MAX;
use super::{Source, SourceError, SourceSettings};
use crate::metric::Metric;
use crate::reading::{Reading, SubjectValues};
use crate::signal::Signal;

static LOAD1: Metric = Metric::gauge("hostnorm_load1", "Load average over 1 minute").within(0.0, TASKS_MAX);
static LOAD5: Metric = Metric::gauge("hostnorm_load5", "Load average over 5 minutes").within(0.0, TASKS_MAX);
static LOAD15: Metric =
    Metric::gauge("hostnorm_load15", "Load average over 15 minutes").within(0.0, TASKS_MAX);

pub(super) static METRICS: &[&Metric] = &[&LOAD1, &LOAD5, &LOAD15];
pub(super) static SIGNALS: &[Signal] = &[];

pub(super) fn open(settings: &SourceSettings) -> Box<dyn Source> {
    Box::new(LoadSource { loadavg: KernelFile::new(settings.roots.procfs.join("loadavg")) })
}

#[derive(Debug)]
struct LoadSource {
    loadavg: KernelFile,
}

impl Source for LoadSource {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        set(self.loadavg.read()?, into.host())?.add_to(into);
        Ok(())
    }
}

/// Sets the three averages.
pub(super) fn set(text: KernelText<'_>, into: &mut SubjectValues) -> Result<SkippedLines, SourceError> {
    let (values, skipped) = best_values(text, parse)?;
    for (metric, value) in METRICS.iter().zip(values) {
        into.set(metric, value);
    }
    Ok(skipped)
}

/// The first three fields; NaN for one that is missing or no number.
fn parse(text: &str) -> [f64; 3] {
    let mut fields = text.split_ascii_whitespace().map(decimal);
    std::array::from_fn(|_| fields.next().flatten().unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::sources::kernel_file::BELOW_ZERO;

    #[test]
    fn reads_the_first_three_fields() {
        let found = |text: &str| parse(text).map(Some);
        assert_eq!(found("0.52 0.58 0.59 1/1023 12345\n"), [Some(0.52), Some(0.58), Some(0.59)]);
        assert_eq!(found("-0.10 0.20 -7"), [Some(BELOW_ZERO), Some(0.2), Some(BELOW_ZERO)]);
    }

    /// Each text with what is known of it, and the number of malformed lines.
    #[test]
    fn an_odd_field_or_line_costs_itself() {
        for (text, known, malformed) in [
            ("0.1 0.2 0.3 1/2 3\n", &[Some(0.1), Some(0.2), Some(0.3)][..], 0),
            ("\0\0\n0.1 0.2 0.3 1/2 3\n", &[Some(0.1), Some(0.2), Some(0.3)], 1),
            ("0.1 0.\n0.1 0.2 0.3 1/2 3\n", &[Some(0.1), Some(0.2), Some(0.3)], 1),
            ("-0.1 0.2 0.3\n", &[None, Some(0.2), Some(0.3)], 0),
            ("0.1 0.2 nan\n", &[Some(0.1), Some(0.2), None], 1),
            ("0.52", &[Some(0.52), None, None], 1),
            ("", &[], 0),
            ("\0\n", &[], 1),
            ("a b c", &[], 1),
        ] {
            let (mut values, mut reading) = (SubjectValues::default(), Reading::default());
            match set(KernelText::of(Path::new("loadavg"), text), &mut values) {
                Ok(skipped) => skipped.add_to(&mut reading),
                Err(_) => assert!(known.is_empty(), "{text}"),
            }
            let found: Vec<_> = METRICS.iter().map(|it| values.get(it)).collect();
            if !known.is_empty() {
                assert_eq!(found, known, "{text}");
                assert_eq!(reading.omissions.iter().map(|it| it.count).sum::<usize>(), malformed, "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = parse(&text);
        }
    }
}
