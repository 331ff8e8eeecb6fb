//! What became of an action that was tried.

use std::time::Duration;

use crate::remote::{RemoteError, RemoteResponse};

/// What became of an action that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ActionOutcome {
    /// It is done, and how.
    Done(String),
    /// It may succeed later.
    Retry(String),
    /// The server asks to wait, with all actions to it.
    Wait(String, Duration),
    /// It will never succeed, or must not happen.
    Drop(String),
}

/// Longest wait that a server may ask for.
const WAIT_MAX: Duration = Duration::from_secs(2 * 3600);

impl ActionOutcome {
    /// The outcome of a response that is not a success.
    pub(super) fn of_refusal(response: &RemoteResponse, what: &str) -> Self {
        let status = response.status;
        let reason = match response.excerpt() {
            text if text.is_empty() => format!("{what}: status {status}"),
            text => format!("{what}: status {status}, {text}"),
        };
        if let Some(wait) = response.retry_after() {
            return Self::wait(reason, wait.duration());
        }
        match status {
            429 => Self::wait(reason, Duration::from_secs(60)),
            // Somebody may repair the token, the permissions, or the address.
            300..=399 | 401 | 403 | 404 | 407 | 408 | 425 | 500.. => Self::Retry(reason),
            _ => Self::Drop(reason),
        }
    }

    /// A wait within bounds.
    pub(super) fn wait(reason: String, wait: Duration) -> Self {
        Self::Wait(reason, wait.clamp(Duration::from_secs(1), WAIT_MAX))
    }

    /// Without a response, it is unknown whether the request arrived.
    pub(super) fn of_error(error: &RemoteError, what: &str) -> Self {
        Self::Retry(format!("{what}: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_change_is_tried_again() {
        let check = |status: u16, expect: &str| {
            let outcome = ActionOutcome::of_refusal(&RemoteResponse::new(status, "no"), "x");
            let word = match outcome {
                ActionOutcome::Done(_) => "done",
                ActionOutcome::Retry(_) => "retry",
                ActionOutcome::Wait(..) => "wait",
                ActionOutcome::Drop(_) => "drop",
            };
            assert_eq!(word, expect, "{status}");
        };
        check(302, "retry");
        check(400, "drop");
        check(401, "retry");
        check(403, "retry");
        check(410, "drop");
        check(422, "drop");
        check(429, "wait");
        check(500, "retry");
        check(503, "retry");
    }
}
