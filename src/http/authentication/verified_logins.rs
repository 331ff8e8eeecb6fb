//! Remembers logins that were right, so that bcrypt works once and not at each scrape.
//!
//! The key is a keyed hash with a key of this process: neither passwords nor anything that they can be guessed from is kept.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use ring::hmac;
use ring::rand::SystemRandom;

use crate::http::web_config::PasswordHash;

/// Most logins that are remembered, as in exporter-toolkit; the oldest is forgotten first.
const LOGINS_MAX: usize = 100;

/// A keyed hash of user name, password hash and password.
pub(super) type LoginKey = [u8; 32];

/// Logins that were right.
#[derive(Debug)]
pub(super) struct VerifiedLogins {
    /// Nothing when the system has no random numbers; then nothing is remembered.
    key: Option<hmac::Key>,
    logins: Mutex<(BTreeSet<LoginKey>, VecDeque<LoginKey>)>,
}

impl Default for VerifiedLogins {
    fn default() -> Self {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok();
        Self { key, logins: Mutex::default() }
    }
}

impl VerifiedLogins {
    /// What stands for a login; another one after the password was changed.
    pub(super) fn key(&self, user: &str, hash: &PasswordHash, password: &[u8]) -> Option<LoginKey> {
        let mut context = hmac::Context::with_key(self.key.as_ref()?);
        for part in [user.as_bytes(), hash.reveal().as_bytes(), password] {
            // The length parts them: "ab" and "c" are not "a" and "bc".
            context.update(&part.len().to_le_bytes());
            context.update(part);
        }
        context.sign().as_ref().try_into().ok()
    }

    /// Whether this login was right before.
    pub(super) fn contains(&self, key: &LoginKey) -> bool {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner).0.contains(key)
    }

    /// Remembers a login that was right.
    pub(super) fn insert(&self, key: LoginKey) {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, order) = &mut *logins;
        if known.insert(key) {
            order.push_back(key);
        }
        while order.len() > LOGINS_MAX {
            if let Some(oldest) = order.pop_front() {
                known.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_bounded_and_the_oldest_is_forgotten_first() {
        let logins = VerifiedLogins::default();
        let key = |number: usize| {
            let mut key = LoginKey::default();
            key[..8].copy_from_slice(&number.to_le_bytes());
            key
        };
        for number in 0..=LOGINS_MAX {
            logins.insert(key(number));
            logins.insert(key(number));
        }
        assert!(!logins.contains(&key(0)));
        assert!((1..=LOGINS_MAX).all(|it| logins.contains(&key(it))));
    }
}
