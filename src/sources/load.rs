//! Load averages, from `/proc/loadavg` (`Documentation/filesystems/proc.rst`, §1).
//!
//! They are exposed but not scored: an average over minutes would prolong an episode. Runnable and blocked tasks and
//! pressure show the same without delay.

use super::kernel_file::{KernelFile, KernelText};
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
        set(self.loadavg.read()?, into.host())
    }
}

/// Sets the three averages.
pub(super) fn set(text: KernelText<'_>, into: &mut SubjectValues) -> Result<(), SourceError> {
    let values = parse(text.text).ok_or_else(|| text.error())?;
    for (metric, value) in METRICS.iter().zip(values) {
        into.set(metric, value);
    }
    Ok(())
}

fn parse(text: &str) -> Option<[f64; 3]> {
    let mut fields = text.split_ascii_whitespace().map(|it| it.parse().ok().filter(|it| 0.0 <= *it));
    Some([fields.next()??, fields.next()??, fields.next()??])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::parse;

    #[test]
    fn reads_the_first_three_fields() {
        assert_eq!(parse("0.52 0.58 0.59 1/1023 12345\n"), Some([0.52, 0.58, 0.59]));
    }

    #[test]
    fn refuses_what_the_kernel_does_not_write() {
        for text in ["", "0.52", "0.52 0.58", "a b c", "-1 0 0", "nan 0 0"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = parse(&text);
        }
    }
}
