//! From a notification to actions, by the rules. This is a function without memory.

use serde::{Deserialize, Serialize};

use super::notification::{Alert, AlertStatus, Notification};
use super::rules::{ActionKind, ActionSettings, RemediationRules, RuleAction};

/// An action to do for an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedAction {
    /// The action of the rules, `RULE/POSITION/KIND`.
    pub action: String,
    /// Equal for the same state of the same alert: one action is done for it.
    pub key: String,
    /// Actions with the same lane are done in order.
    pub lane: String,
    /// What the action needs to know, as JSON; `None` if it only cancels what waits in its lane.
    pub payload: Option<String>,
}

/// What an action needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ActionInput {
    pub(super) rule: String,
    pub(super) alertmanager_url: String,
    pub(super) alert: Alert,
}

/// The actions that the rules ask for, in the order of the alerts.
pub fn plan(rules: &RemediationRules, notification: &Notification) -> Vec<PlannedAction> {
    let mut planned = Vec::new();
    for alert in &notification.alerts {
        for rule in rules.rules.iter().filter(|it| it.matches(alert)) {
            let payload = || ActionInput {
                rule: rule.name.clone(),
                alertmanager_url: notification.external_url.clone(),
                alert: alert.clone(),
            };
            planned.extend(rule.actions.iter().filter_map(|it| one(it, alert, &payload)));
        }
    }
    planned
}

fn one(action: &RuleAction, alert: &Alert, payload: &impl Fn() -> ActionInput) -> Option<PlannedAction> {
    let is_resolved = alert.status == AlertStatus::Resolved;
    let mut is_done = true;
    match &action.settings {
        ActionSettings::Webhook(webhook) if is_resolved && !webhook.send_resolved => return None,
        // What an alert that is over asked for must not happen any more.
        ActionSettings::Kubernetes(_) if is_resolved => is_done = false,
        _ => {}
    }
    let lane = lane(&action.id, alert);
    let mut key = format!("{lane} {} {}", alert.starts_at, alert.status.word());
    if action.settings.kind() == ActionKind::GithubIssue && !is_resolved {
        // A new sentence is worth a comment.
        key.push_str(&format!(" {:016x}", hash(alert.sentence())));
    }
    // A payload of strings can always be written.
    let payload = is_done.then(|| serde_json::to_string(&payload()).unwrap_or_default());
    Some(PlannedAction { action: action.id.clone(), key, lane, payload })
}

fn lane(action: &str, alert: &Alert) -> String {
    format!("{action} {}", alert.fingerprint)
}

/// A short word for a key or lane, the same in each version: FNV-1a.
pub(super) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "
rules:
- name: tickets
  matchers: [severity=\"critical\"]
  actions:
  - log: {path: /r}
  - github_issue: {repository: a/b, connection: {token_file: /t}}
- name: chat
  actions:
  - webhook: {url: 'http://h', send_resolved: false}
- name: cluster
  matchers: ['alertname=~\"Host.*\"']
  actions:
  - kubernetes: {cordon_node: true}
";

    fn planned(severity: &str, status: &str, description: &str) -> Vec<PlannedAction> {
        let body = format!(
            r#"{{"version":"4","alerts":[{{"status":"{status}","labels":{{"alertname":"HostAnomalous","severity":"{severity}"}},"annotations":{{"description":"{description}"}},"startsAt":"2026-01-02T03:04:05Z","fingerprint":"c0ffee"}}]}}"#
        );
        plan(&RemediationRules::parse(RULES).unwrap(), &Notification::parse(body.as_bytes()).unwrap())
    }

    #[test]
    fn rules_choose_actions() {
        let check = |severity, status, expect: &[(&str, bool)]| {
            let planned = planned(severity, status, "d");
            let found: Vec<_> = planned.iter().map(|it| (it.action.as_str(), it.payload.is_some())).collect();
            assert_eq!(found, expect, "{severity} {status}");
        };
        let (log, issue) = (("tickets/0/log", true), ("tickets/1/github_issue", true));
        let (chat, cordon) = (("chat/0/webhook", true), ("cluster/0/kubernetes", true));
        check("critical", "firing", &[log, issue, chat, cordon]);
        check("warning", "firing", &[chat, cordon]);
        check("critical", "resolved", &[log, issue, ("cluster/0/kubernetes", false)]);
    }

    #[test]
    fn keys_tell_states_apart() {
        let keys = |status, description| {
            planned("critical", status, description).into_iter().map(|it| it.key).collect::<Vec<_>>()
        };
        assert_eq!(keys("firing", "a"), keys("firing", "a"));
        assert_ne!(keys("firing", "a")[0], keys("resolved", "a")[0]);
        // Only an issue is told a new sentence.
        assert_eq!(keys("firing", "a")[0], keys("firing", "b")[0]);
        assert_ne!(keys("firing", "a")[1], keys("firing", "b")[1]);
    }
}
