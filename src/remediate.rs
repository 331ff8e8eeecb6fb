//! Acts on alerts: receives Alertmanager's notifications, decides by rules, and carries out actions from an outbox.
//!
//! A notification becomes rows of the outbox before it is acknowledged. One thread for each action of the rules takes its
//! rows in order and sends them. Nothing is executed: an action is a line in a file or a request over HTTP.

mod notification;
mod matcher;
mod template;
mod cluster_access;
mod secret_files;
mod rules;
mod rules_file;
mod plan;
mod outbox;
mod action_outcome;
mod send_rate;
mod remediation_log;
mod webhook;
mod github;
mod kubernetes;
mod action_thread;
mod notification_receiver;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;

pub use action_thread::ActionThreads;
pub use cluster_access::{AllowedActions, ClusterAddress};
pub use notification::{ALERTS_MAX, Alert, AlertStatus, Notification};
pub use notification_receiver::{BODY_BYTES_MAX, PATH, RemediationReceiver};
pub use outbox::{Outbox, OutboxError, OutboxLimits};
pub use plan::{PlannedAction, plan};
pub use rules::{ActionKind, RemediationRules, RulesError};
