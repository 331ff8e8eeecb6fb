//! The metrics of self-tests.

use super::jobs::JobFailure;
use crate::metric::Metric;
use crate::reading::{MetricLabels, SubjectValues, Timestamp};
use crate::selftest::{InconclusiveReason, SelftestResult};

pub(super) static RECALL: Metric = Metric::gauge(
    "hostnorm_selftest_recall_ratio",
    "Share of the injected faults found by the last self-test, 0 to 1",
);
pub(super) static DELAY: Metric = Metric::gauge(
    "hostnorm_selftest_delay_seconds",
    "Median time to find an injected fault in the last self-test, in seconds",
);
pub(super) static SUCCESS: Metric = Metric::gauge(
    "hostnorm_selftest_last_success_timestamp_seconds",
    "Unix time of the last self-test that passed, in seconds; a self-test runs after each hour without an anomaly",
);
pub(super) static DETECTOR: Metric = Metric::gauge(
    "hostnorm_selftest_detector_auc_ratio",
    "Area under the ROC curve of each detector in the last self-test; below 0.6 the detector is blind",
)
.by(&["detector"]);
pub(super) static TESTS: Metric = Metric::counter(
    "hostnorm_selftests_total",
    "Self-tests, by outcome: passed, failed, or inconclusive (the last hour is incomplete, is anomalous without an injected fault, or has no signal that varies)",
)
.by(&["outcome"]);

/// The values of the label `outcome`.
const OUTCOMES: [&str; 3] = ["passed", "failed", "inconclusive"];

/// Results of self-tests so far.
#[derive(Debug, Default)]
pub(super) struct SelftestMetrics {
    counts: [u64; OUTCOMES.len()],
    newest: Option<SelftestResult>,
    success: Option<Timestamp>,
    /// Whether the last conclusive test failed, to log it once.
    failing: bool,
}

impl SelftestMetrics {
    /// Number of tests.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Records the outcome of a test.
    pub(super) fn record(
        &mut self,
        at: Timestamp,
        subject: &str,
        result: Result<SelftestResult, JobFailure<InconclusiveReason>>,
        seconds: f64,
    ) {
        let findings = match result {
            Ok(findings) => findings,
            Err(JobFailure::Refused(reason)) => {
                self.counts[2] += 1;
                tracing::debug!(subject, %reason, "self-test inconclusive");
                return;
            }
            Err(panicked @ JobFailure::Panicked) => {
                self.counts[1] += 1;
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(subject, reason = %panicked, "self-test failed");
                }
                return;
            }
        };
        let complaint = findings.complaint();
        let failed = complaint.is_some();
        let before = std::mem::replace(&mut self.failing, failed);
        self.counts[usize::from(failed)] += 1;
        if let Some(reason) = complaint.filter(|_| !before) {
            tracing::warn!(subject, reason, "self-test failed; anomalies may go unseen until it passes");
        }
        if !failed {
            self.success = Some(at);
            if before {
                tracing::info!(subject, recall = findings.recall, "self-test passes again");
            }
        }
        tracing::debug!(subject, recall = findings.recall, duration_seconds = seconds, "self-test ended");
        self.newest = Some(findings);
    }

    /// Adds the metrics; none before the first test.
    pub(super) fn values(&self, values: &mut SubjectValues) {
        if self.count() > 0 {
            for (outcome, count) in OUTCOMES.into_iter().zip(self.counts) {
                values.set_by(&TESTS, &MetricLabels::new([outcome]), count as f64);
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
        for (row, auc) in findings.detectors.described() {
            if let Some(auc) = *auc {
                values.set_by(&DETECTOR, &MetricLabels::new([row.name]), auc);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::PerDetector;

    fn findings(recall: f64, eif: f64) -> Result<SelftestResult, JobFailure<InconclusiveReason>> {
        let detectors = PerDetector { forest: Some(eif), ..PerDetector::default() };
        Ok(SelftestResult { faults: 20, recall, delay: Some(60.0), detectors })
    }

    #[test]
    fn only_a_test_that_passed_is_a_success() {
        let mut tests = SelftestMetrics::default();
        let mut check = |at, result, expect: [Option<f64>; 3]| {
            tests.record(Timestamp(at), "host", result, 0.1);
            let mut values = SubjectValues::default();
            tests.values(&mut values);
            let eif = values.get_by(&DETECTOR, &MetricLabels::new(["eif"]));
            assert_eq!([values.get(&RECALL), eif, values.get(&SUCCESS)], expect, "at {at}");
            OUTCOMES.map(|it| values.get_by(&TESTS, &MetricLabels::new([it])).unwrap() as u64)
        };
        check(1.0, Err(JobFailure::Refused(InconclusiveReason::Alarm)), [None, None, None]);
        check(2.0, findings(1.0, 0.5), [Some(1.0), Some(0.5), None]);
        check(3.0, findings(0.8, 0.6), [Some(0.8), Some(0.6), Some(3.0)]);
        check(4.0, findings(0.6, 0.9), [Some(0.6), Some(0.9), Some(3.0)]);
        check(5.0, Err(JobFailure::Refused(InconclusiveReason::Alarm)), [Some(0.6), Some(0.9), Some(3.0)]);
        let counts = check(6.0, Err(JobFailure::Panicked), [Some(0.6), Some(0.9), Some(3.0)]);
        assert_eq!(counts, [1, 3, 2]);
    }

    #[test]
    fn nothing_is_shown_before_the_first() {
        let mut values = SubjectValues::default();
        SelftestMetrics::default().values(&mut values);
        assert!(values.get_by(&TESTS, &MetricLabels::new(["passed"])).is_none());
    }
}
