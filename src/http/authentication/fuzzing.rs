//! The fuzzer's way to the parser of logins.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::HeaderMap;
use hyper::header::AUTHORIZATION;

use super::Login;

/// Reads the login of a request.
///
/// # Panics
/// If it is not what the header says.
pub(in crate::http) fn login(headers: &HeaderMap) {
    let Some(Login { user, password }) = Login::of(headers) else { return };
    assert!(!user.contains(':'), "{user}");
    let value = headers.get(AUTHORIZATION).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let encoded = STANDARD.encode([user.as_bytes(), b":", &password].concat());
    assert!(value.trim_end().ends_with(&encoded), "{value}: {user}");
}
