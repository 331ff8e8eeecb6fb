//! The work of bcrypt for a login, the same whether the user exists or not.

use crate::http::web_config::PasswordHash;

/// What bcrypt works on; its work doubles with each cost.
#[derive(Debug, Clone, Copy)]
pub(super) enum BcryptRun<'a> {
    /// Whether a password has this hash.
    Verify(&'a PasswordHash),
    /// The work of this cost, for nothing.
    Dummy(u32),
}

impl BcryptRun<'_> {
    /// Runs bcrypt on a password; tells whether it is right.
    pub(super) fn run(self, password: &[u8]) -> bool {
        match self {
            Self::Verify(hash) => bcrypt::verify(password, hash.reveal()).unwrap_or(false),
            Self::Dummy(cost) => {
                let _ = std::hint::black_box(bcrypt::hash_with_salt_bytes(password, cost, [0; 16]));
                false
            }
        }
    }
}

/// Whether a password is right, by `bcrypt`. An unknown user, who has no hash, and one with a cheap hash take as long as one
/// with the most expensive hash: work of 2^c, then 2^c, 2^(c+1), … below 2^max adds up to 2^max.
pub(super) fn is_valid(
    hash: Option<&PasswordHash>,
    cost_max: u32,
    mut bcrypt: impl FnMut(BcryptRun<'_>) -> bool,
) -> bool {
    let Some(hash) = hash else {
        bcrypt(BcryptRun::Dummy(cost_max));
        return false;
    };
    let valid = bcrypt(BcryptRun::Verify(hash));
    (hash.cost()..cost_max).for_each(|cost| {
        bcrypt(BcryptRun::Dummy(cost));
    });
    valid
}
