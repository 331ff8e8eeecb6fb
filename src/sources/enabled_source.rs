//! One enabled source: whether it is available, and the log messages about what it does not show.

use std::collections::BTreeSet;

use super::impossible_values::{self, CountsBeforeSource};
use super::{Source, SourceError};
use crate::clock;
use crate::reading::{CollectorResult, ReadProblem, Reading};

/// An enabled source.
#[derive(Debug)]
pub(super) struct EnabledSource {
    name: &'static str,
    source: Box<dyn Source>,
    /// Whether it is available.
    presence: SourcePresence,
    /// What was logged as not shown, by the keys of the omissions.
    logged: BTreeSet<String>,
}

/// Largest number of omissions of one source that are logged; further ones are only counted.
const LOGGED_MAX: usize = 64;

/// Whether this machine has the feature that a source reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SourcePresence {
    /// No value yet.
    Unknown,
    /// It returned values once; if it is missing later, that is a failure.
    Here,
    /// It is missing, which has been logged.
    Absent,
}

impl EnabledSource {
    pub(super) fn new(name: &'static str, source: Box<dyn Source>) -> Self {
        Self { name, source, presence: SourcePresence::Unknown, logged: BTreeSet::new() }
    }

    pub(super) fn read(&mut self, into: &mut Reading) {
        let started = clock::instant();
        let before = CountsBeforeSource::of(into);
        let outcome = self.source.read(into);
        impossible_values::drop_from(into, before);
        let seconds = started.elapsed().as_secs_f64();
        let omitted = self.log_omissions(into);
        match &outcome {
            // Without a value, the answer of something slow may still be awaited.
            Ok(()) if before == CountsBeforeSource::of(into) => {}
            Ok(()) => self.presence = SourcePresence::Here,
            Err(error @ (SourceError::Unavailable { .. } | SourceError::SwitchedOff { .. }))
                if self.presence != SourcePresence::Here =>
            {
                if self.presence == SourcePresence::Unknown {
                    tracing::info!(collector = self.name, reason = %error, "collector is unavailable here");
                    self.presence = SourcePresence::Absent;
                }
                return;
            }
            Err(error) => into.problems.push(ReadProblem { source: self.name, what: error.to_string() }),
        }
        into.collections.push(CollectorResult {
            source: self.name,
            success: outcome.is_ok(),
            seconds,
            omitted,
        });
    }

    /// Logs what the source does not show, each once; returns how much it is.
    fn log_omissions(&mut self, into: &mut Reading) -> usize {
        let mut omitted = 0;
        for omission in into.omissions.drain(..) {
            omitted += omission.count;
            if self.logged.len() < LOGGED_MAX && self.logged.insert(omission.key) {
                let count = omission.count;
                tracing::warn!(collector = self.name, count, reason = omission.what, "reading is incomplete");
                if self.logged.len() == LOGGED_MAX {
                    tracing::warn!(collector = self.name, "further reasons are not logged, only counted");
                }
            }
        }
        omitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metric;

    static SIZE: Metric = Metric::gauge("size_bytes", "Size");

    /// Whether a reading has a value, or what it needs is missing.
    #[derive(Debug)]
    struct Answers(Vec<Option<bool>>);

    impl Source for Answers {
        fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
            match self.0.remove(0) {
                Some(true) => into.host().set(&SIZE, 1.0),
                Some(false) => {}
                None => return Err(SourceError::Unavailable { path: "/nowhere".into() }),
            }
            Ok(())
        }
    }

    #[test]
    fn what_never_had_a_value_may_be_unavailable() {
        let outcomes = |answers: &[Option<bool>]| -> Vec<Option<bool>> {
            let mut source = EnabledSource::new("test", Box::new(Answers(answers.to_vec())));
            let mut read = |_: &Option<bool>| {
                let mut reading = Reading::default();
                source.read(&mut reading);
                reading.collections.first().map(|it| it.success)
            };
            answers.iter().map(&mut read).collect()
        };
        // An answer is late, and then says that there is nothing.
        assert_eq!(outcomes(&[Some(false), None, None]), [Some(true), None, None]);
        assert_eq!(outcomes(&[Some(false), Some(true), None]), [Some(true), Some(true), Some(false)]);
        assert_eq!(outcomes(&[None, Some(true), None]), [None, Some(true), Some(false)]);
    }
}
