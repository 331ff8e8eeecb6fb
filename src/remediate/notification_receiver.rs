//! Takes notifications: acknowledges one after its actions are in the outbox.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::notification::Notification;
use super::outbox::{Outbox, OutboxCounts};
use super::plan::plan;
use super::rules::{ActionKind, RemediationRules};
use crate::http::{ReceiveError, WebhookBodyReceiver};
use crate::reading::Timestamp;

/// The path of notifications.
pub const PATH: &str = "/api/v1/alerts";
/// Largest notification, in bytes.
pub const BODY_BYTES_MAX: usize = 32 << 20;

/// Takes notifications for an outbox.
#[derive(Debug)]
pub struct RemediationReceiver {
    rules: RemediationRules,
    outbox: Arc<Outbox>,
    now: fn() -> Timestamp,
}

impl RemediationReceiver {
    /// A receiver with these rules.
    pub fn new(rules: RemediationRules, outbox: Arc<Outbox>, now: fn() -> Timestamp) -> Self {
        Self { rules, outbox, now }
    }

    fn take(&self, body: &[u8]) -> Result<(), ReceiveError> {
        let notification = Notification::parse(body)?;
        let planned = plan(&self.rules, &notification);
        let added = self.outbox.add(&planned, (self.now)().0).map_err(|error| {
            tracing::error!(%error, "a notification was not taken; its sender tries again");
            ReceiveError::Unavailable(error.to_string())
        })?;
        let counts = self.outbox.counts();
        let asked = planned.iter().filter(|it| it.payload.is_some()).count();
        OutboxCounts::add(&counts.notifications, 1);
        OutboxCounts::add(&counts.alerts, notification.alerts.len() as u64);
        OutboxCounts::add(&counts.repeated, asked.saturating_sub(added as usize) as u64);
        if notification.truncated_alerts > 0 {
            let missing = notification.truncated_alerts;
            tracing::warn!(missing, "Alertmanager left alerts out; raise max_alerts of its receiver");
        }
        Ok(())
    }
}

impl WebhookBodyReceiver for RemediationReceiver {
    fn receive(&self, body: &[u8]) -> Result<(), ReceiveError> {
        let taken = self.take(body);
        if let Err(ReceiveError::Malformed(reason) | ReceiveError::TooLarge(reason)) = &taken {
            tracing::warn!(reason, "a notification was refused");
        }
        if taken.is_err() {
            OutboxCounts::add(&self.outbox.counts().refused, 1);
        }
        taken
    }

    fn ready(&self) -> Result<(), String> {
        self.outbox.waiting().map(|_| ()).map_err(|error| error.to_string())
    }

    fn metrics(&self) -> String {
        let mut page = String::new();
        let counts = self.outbox.counts();
        let load = |it: &std::sync::atomic::AtomicU64| it.load(Ordering::Relaxed);
        let whole = [
            ("notifications_total", "Notifications committed to the outbox", load(&counts.notifications)),
            (
                "notifications_refused_total",
                "Notifications refused: malformed, too large, or the outbox was full",
                load(&counts.refused),
            ),
            ("alerts_total", "Alerts in committed notifications", load(&counts.alerts)),
            (
                "actions_repeated_total",
                "Actions asked for again by a repeated notification, and not done again",
                load(&counts.repeated),
            ),
        ];
        for (name, help, value) in whole {
            head(&mut page, name, help, "counter");
            let _ = writeln!(page, "hostnorm_remediate_{name} {value}");
        }
        let mut by_kind = |name: &str, help: &str, ty: &str, of: &dyn Fn(&str) -> u64| {
            head(&mut page, name, help, ty);
            for kind in ActionKind::ALL {
                let (word, value) = (kind.word(), of(kind.word()));
                let _ = writeln!(page, "hostnorm_remediate_{name}{{action=\"{word}\"}} {value}");
            }
        };
        by_kind("actions_sent_total", "Actions done", "counter", &|it| counts.of(it).sent);
        by_kind("actions_failed_total", "Attempts that failed and are repeated", "counter", &|it| {
            counts.of(it).failed
        });
        by_kind(
            "actions_dropped_total",
            "Actions given up: refused for good, too old, beyond the hourly limit, or resolved before",
            "counter",
            &|it| counts.of(it).dropped,
        );
        // Without the outbox, the number is unknown, and therefore absent.
        if let Ok(waiting) = self.outbox.waiting() {
            by_kind("actions_waiting", "Actions in the outbox that are not done yet", "gauge", &|kind| {
                let suffix = format!("/{kind}");
                waiting
                    .by_action
                    .iter()
                    .filter(|(action, _)| action.ends_with(&suffix))
                    .map(|(_, count)| u64::from(*count))
                    .sum()
            });
            if let Some(oldest) = waiting.oldest_at {
                let name = "oldest_action_age_seconds";
                head(&mut page, name, "Age of the oldest action that is not done yet, in seconds", "gauge");
                let age = ((self.now)().0 - oldest).max(0.0);
                let _ = writeln!(page, "hostnorm_remediate_{name} {age:.1}");
            }
        }
        page
    }
}

fn head(page: &mut String, name: &str, help: &str, ty: &str) {
    let _ = writeln!(page, "# HELP hostnorm_remediate_{name} {help}.\n# TYPE hostnorm_remediate_{name} {ty}");
}
