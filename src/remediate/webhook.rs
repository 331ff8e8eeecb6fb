//! Requests to any server, with a body of JSON.
//!
//! Whether a request arrived cannot be known when there was no response, or when the process ended meanwhile. It is sent
//! again then, with the same `Idempotency-Key`, so that a server that knows the header does it once.

use super::action_outcome::ActionOutcome;
use super::notification::AlertStatus;
use super::outbox::ClaimedAction;
use super::plan::{ActionInput, hash};
use super::rules_file::WebhookSection;
use super::secret_files::{WebhookSecrets, read_secrets};
use super::template::{TemplateValues, fill};
use crate::duration::HumanDuration;
use crate::remote::{RemoteClient, RemoteClientOptions};
use crate::secret_text::SecretText;

/// Longest time of a request; a stop waits for it.
pub(super) const TIMEOUT: HumanDuration = HumanDuration::seconds(10);
/// Largest response that is read.
pub(super) const RESPONSE_BYTES_MAX: u64 = 4 << 20;

/// Options of the clients of actions.
pub(super) fn client_options() -> RemoteClientOptions {
    RemoteClientOptions {
        timeout: TIMEOUT,
        body_bytes_max: RESPONSE_BYTES_MAX,
        ..RemoteClientOptions::default()
    }
}

/// Sends an action.
pub(super) fn send(settings: &WebhookSection, row: &ClaimedAction, payload: &ActionInput) -> ActionOutcome {
    let WebhookSecrets { url, values: secrets } = match read_secrets(settings) {
        Ok(secrets) => secrets,
        Err(reason) => return ActionOutcome::Retry(reason),
    };
    let client = match RemoteClient::new(&settings.connection, client_options()) {
        Ok(client) => client,
        Err(error) => return ActionOutcome::Retry(error.to_string()),
    };
    let dedup_key = dedup_key(&row.lane);
    let body = match (payload.alert.status, &settings.resolved_body) {
        (AlertStatus::Resolved, Some(body)) => body,
        _ => &settings.body,
    };
    let values = TemplateValues {
        alert: &payload.alert,
        alertmanager_url: &payload.alertmanager_url,
        rule: &payload.rule,
        dedup_key: &dedup_key,
        secrets: &secrets,
    };
    let body = fill(body, &values).to_string();
    let key = format!("{:016x}-{:x}", hash(&row.key), row.id);
    let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
    let outcome = match client.send("POST", &url, &headers, body.as_bytes()) {
        Ok(response) if response.is_success() => {
            return ActionOutcome::Done(format!("status {}", response.status));
        }
        Ok(response) => ActionOutcome::of_refusal(&response, "the webhook was refused"),
        Err(error) => ActionOutcome::of_error(&error, "the webhook was not sent"),
    };
    outcome.map_reason(|reason| without_secrets(reason, secrets.values().chain([&url])))
}

/// The same for all that is sent about an alert by an action.
pub(super) fn dedup_key(lane: &str) -> String {
    format!("hostnorm-{:016x}", hash(lane))
}

/// A server may quote what it was sent.
fn without_secrets<'a>(reason: String, secrets: impl Iterator<Item = &'a SecretText>) -> String {
    secrets.fold(reason, |it, secret| it.replace(&**secret, "…"))
}

impl ActionOutcome {
    fn map_reason(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Done(reason) => Self::Done(change(reason)),
            Self::Retry(reason) => Self::Retry(change(reason)),
            Self::Wait(reason, wait) => Self::Wait(change(reason), wait),
            Self::Drop(reason) => Self::Drop(change(reason)),
        }
    }
}
