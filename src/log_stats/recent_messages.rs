//! How many different messages there were lately.

use std::collections::BTreeMap;

use super::UNIQUE_SECONDS;

/// Largest number of messages that are told apart.
const MESSAGES_MAX: usize = 2_000;

/// Hashes of messages, with the time of the last one.
#[derive(Debug, Default)]
pub(super) struct RecentMessages(BTreeMap<u64, f64>);

impl RecentMessages {
    pub(super) fn add(&mut self, hash: u64, at: f64) {
        if self.0.len() < MESSAGES_MAX || self.0.contains_key(&hash) {
            self.0.insert(hash, at);
        }
    }

    /// Messages within the last seconds; older ones are forgotten.
    pub(super) fn count(&mut self, at: f64) -> usize {
        self.0.retain(|_, last| (0.0..UNIQUE_SECONDS).contains(&(at - *last)));
        self.0.len()
    }
}
