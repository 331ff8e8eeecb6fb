//! Passes each report of the loop to requests, to the log and to the service manager.

use std::sync::Arc;

use tokio::sync::watch;

use super::heartbeat::Heartbeat;
use super::settings_reload::SettingsReloader;
use crate::http::ServerCounters;
use crate::logs::LogReadStates;
use crate::report::Report;
use crate::telemetry::{EventLogger, TelemetryCounts};

/// Publishes reports to requests and to the log.
#[derive(Debug)]
pub(super) struct ReportPublisher {
    pub(super) counts: Arc<ServerCounters>,
    pub(super) newest: watch::Sender<Option<Arc<Report>>>,
    pub(super) event_log: EventLogger,
    pub(super) reload: Arc<SettingsReloader>,
    pub(super) heartbeat: Heartbeat,
    pub(super) telemetry: TelemetryCounts,
    pub(super) logs: LogReadStates,
}

impl ReportPublisher {
    pub(super) fn publish(&mut self, mut report: Report) -> Arc<Report> {
        self.reload.values(&mut report.own);
        self.telemetry.values(&mut report.own);
        self.logs.values(&mut report.own);
        if let Some(took) = &report.before {
            self.counts.ticks.record(took);
        }
        let report = Arc::new(report);
        self.newest.send_replace(Some(Arc::clone(&report)));
        self.event_log.log(&report);
        self.heartbeat.notify(&report);
        report
    }
}
