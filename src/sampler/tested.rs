//! What the loop tells of its self-tests.

use crate::metric::Metric;
use crate::reading::{Labels, Timestamp, Values};
use crate::selftest::{Findings, Silent};

pub(super) static RECALL: Metric = Metric::gauge(
    "hostnorm_selftest_recall_ratio",
    "Share of the faults put into the last hour that a fork of the engine found at the last self-test",
);
pub(super) static DELAY: Metric =
    Metric::gauge("hostnorm_selftest_delay_seconds", "Median time that it took to find them");
pub(super) static SUCCESS: Metric = Metric::gauge(
    "hostnorm_selftest_last_success_timestamp_seconds",
    "When enough was found last and no detector was blind. One is made each hour without an anomaly; days without success are worth an alert",
);
pub(super) static DETECTOR: Metric = Metric::gauge(
    "hostnorm_selftest_detector_auc_ratio",
    "How well each detector told faulty points from ordinary ones at the last self-test: area under the ROC curve, blind below 0.6",
)
.by(&["detector"]);
pub(super) static TESTS: Metric = Metric::counter(
    "hostnorm_selftests_total",
    "Self-tests that ended, by outcome; inconclusive is one of an hour that is an alarm without a fault",
)
.by(&["outcome"]);

/// The values of the label `outcome`.
const OUTCOMES: [&str; 3] = ["passed", "failed", "inconclusive"];

/// What the loop remembers of them.
#[derive(Debug, Default)]
pub(super) struct Tests {
    counts: [u64; OUTCOMES.len()],
    newest: Option<Findings>,
    success: Option<Timestamp>,
    /// Whether the last one that said something failed, so that this is said once.
    failing: bool,
}

impl Tests {
    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Takes note of how one ended; nothing when it panicked.
    pub(super) fn note(
        &mut self,
        at: Timestamp,
        subject: &str,
        outcome: Option<Result<Findings, Silent>>,
        seconds: f64,
    ) {
        let findings = match outcome {
            Some(Ok(findings)) => findings,
            Some(Err(silent)) => {
                self.counts[2] += 1;
                tracing::debug!(subject, reason = %silent, "a self-test says nothing");
                return;
            }
            None => {
                self.counts[1] += 1;
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(subject, "a self-test panicked; this is a defect of hostnorm");
                }
                return;
            }
        };
        let complaint = findings.complaint();
        let failed = complaint.is_some();
        let before = std::mem::replace(&mut self.failing, failed);
        self.counts[usize::from(failed)] += 1;
        if let Some(reason) = complaint.filter(|_| !before) {
            tracing::warn!(
                subject,
                reason,
                "the self-test failed: anomalies may go unseen until it passes again"
            );
        }
        if !failed {
            self.success = Some(at);
            if before {
                tracing::info!(subject, recall = findings.recall, "the self-test passes again");
            }
        }
        tracing::debug!(subject, recall = findings.recall, duration_seconds = seconds, "a self-test ended");
        self.newest = Some(findings);
    }

    /// Nothing before the first test.
    pub(super) fn values(&self, values: &mut Values) {
        if self.count() > 0 {
            for (outcome, count) in OUTCOMES.into_iter().zip(self.counts) {
                values.set_by(&TESTS, &Labels::new([outcome]), count as f64);
            }
        }
        if let Some(at) = self.success {
            values.set(&SUCCESS, at.0);
        }
        let Some(findings) = &self.newest else { return };
        values.set(&RECALL, findings.recall);
        if let Some(delay) = findings.delay {
            values.set(&DELAY, delay);
        }
        for (detector, auc) in &findings.detectors {
            values.set_by(&DETECTOR, &Labels::new([*detector]), *auc);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(recall: f64, eif: f64) -> Option<Result<Findings, Silent>> {
        Some(Ok(Findings { faults: 20, recall, delay: Some(60.0), detectors: vec![("eif", eif)] }))
    }

    #[test]
    fn only_a_test_that_passed_is_a_success() {
        let mut tests = Tests::default();
        let mut check = |at, outcome, expect: [Option<f64>; 3]| {
            tests.note(Timestamp(at), "host", outcome, 0.1);
            let mut values = Values::default();
            tests.values(&mut values);
            let eif = values.get_by(&DETECTOR, &Labels::new(["eif"]));
            assert_eq!([values.get(&RECALL), eif, values.get(&SUCCESS)], expect, "at {at}");
            OUTCOMES.map(|it| values.get_by(&TESTS, &Labels::new([it])).unwrap() as u64)
        };
        check(1.0, Some(Err(Silent::Alarm)), [None, None, None]);
        check(2.0, findings(1.0, 0.5), [Some(1.0), Some(0.5), None]);
        check(3.0, findings(0.8, 0.6), [Some(0.8), Some(0.6), Some(3.0)]);
        check(4.0, findings(0.6, 0.9), [Some(0.6), Some(0.9), Some(3.0)]);
        check(5.0, Some(Err(Silent::Alarm)), [Some(0.6), Some(0.9), Some(3.0)]);
        let counts = check(6.0, None, [Some(0.6), Some(0.9), Some(3.0)]);
        assert_eq!(counts, [1, 3, 2]);
    }

    #[test]
    fn nothing_is_shown_before_the_first() {
        let mut values = Values::default();
        Tests::default().values(&mut values);
        assert!(values.get_by(&TESTS, &Labels::new(["passed"])).is_none());
    }
}
