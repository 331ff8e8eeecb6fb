//! The web configuration file as YAML, and errors that say where it is wrong without showing a secret.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::go_duration::GoDuration;
use super::password_hash::PasswordHash;
use crate::control_characters;
use crate::secret_text::SecretText;
use crate::yaml_text;

/// The whole file. A section without content is like no section.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FileFormat {
    pub(super) tls_server_config: Option<TlsSection>,
    pub(super) http_server_config: Option<HttpSection>,
    pub(super) basic_auth_users: Option<BTreeMap<String, PasswordHash>>,
    pub(super) rate_limit: Option<RateLimitSection>,
    /// The empty sections in braces.
    #[serde(skip)]
    pub(super) switched_off: SwitchedOff,
}

/// Protections that a file switches off explicitly. A part of another file never does: braces that are not closed are
/// no YAML.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::http) struct SwitchedOff {
    /// `tls_server_config: {}`.
    pub(super) tls: bool,
    /// `basic_auth_users: {}`.
    pub(super) users: bool,
    /// `client_auth_type: NoClientCert`.
    pub(super) client_certificates: bool,
}

/// Encryption.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TlsSection {
    pub(super) cert: Option<SecretText>,
    pub(super) key: Option<SecretText>,
    pub(super) client_ca: Option<SecretText>,
    pub(super) cert_file: Option<PathBuf>,
    pub(super) key_file: Option<PathBuf>,
    pub(super) client_ca_file: Option<PathBuf>,
    pub(super) client_auth_type: Option<ClientAuthType>,
    pub(super) client_allowed_sans: Option<Vec<String>>,
    pub(super) min_version: Option<TlsVersion>,
    pub(super) max_version: Option<TlsVersion>,
    pub(super) cipher_suites: Option<Vec<String>>,
    pub(super) curve_preferences: Option<Vec<Curve>>,
    pub(super) prefer_server_cipher_suites: Option<bool>,
}

/// HTTP/2 and headers.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HttpSection {
    pub(super) http2: Option<bool>,
    pub(super) headers: Option<BTreeMap<String, String>>,
}

/// The token bucket of requests.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RateLimitSection {
    pub(super) interval: Option<GoDuration>,
    pub(super) burst: Option<u32>,
}

/// What is asked of the certificate of a client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub(in crate::http) enum ClientAuthType {
    /// Nothing: clients are not asked for a certificate.
    #[default]
    #[serde(alias = "")]
    NoClientCert,
    /// Clients are asked, but need none, and any will do.
    RequestClientCert,
    /// Any certificate will do.
    #[serde(alias = "RequireClientCert")]
    RequireAnyClientCert,
    /// Clients need none; one that is given must be signed by a known authority.
    VerifyClientCertIfGiven,
    /// A certificate signed by a known authority.
    RequireAndVerifyClientCert,
}

impl ClientAuthType {
    /// Whether the signature of an authority is checked, so that the certificate proves who the client is.
    pub(in crate::http) fn verifies(self) -> bool {
        matches!(self, Self::VerifyClientCertIfGiven | Self::RequireAndVerifyClientCert)
    }

    /// Whether a client without a certificate is refused.
    pub(in crate::http) fn requires(self) -> bool {
        matches!(self, Self::RequireAnyClientCert | Self::RequireAndVerifyClientCert)
    }
}

/// A version of TLS, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(super) enum TlsVersion {
    #[serde(rename = "TLS10")]
    Tls10,
    #[serde(rename = "TLS11")]
    Tls11,
    #[serde(rename = "TLS12")]
    Tls12,
    #[serde(rename = "TLS13")]
    Tls13,
}

/// A curve for the key exchange, by the name that Go gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(in crate::http) enum Curve {
    /// NIST P-256.
    CurveP256,
    /// NIST P-384.
    CurveP384,
    /// NIST P-521, which the TLS library does not have.
    CurveP521,
    /// Curve25519.
    X25519,
}

impl FileFormat {
    /// Understands the text of a file; an error is the line, where it is known, and the reason.
    pub(super) fn parse(text: &str) -> Result<Self, (Option<usize>, String)> {
        let line = |error: &yaml_serde::Error| error.location().map(|it| it.line());
        let value = match yaml_text::parse(text) {
            Ok(yaml_serde::Value::Null) => return Ok(Self::default()),
            Ok(value) => value,
            Err((line, reason)) => return Err((line, format!("is not valid YAML: {}", one_line(&reason)))),
        };
        let file: Self = yaml_serde::from_str(text)
            .map_err(|error| (line(&error), one_line(&reason(&without_place(&error)))))?;
        let is_empty =
            |key: &str| value.get(key).and_then(|it| it.as_mapping()).is_some_and(|it| it.is_empty());
        let client_auth = file.tls_server_config.as_ref().and_then(|it| it.client_auth_type);
        let switched_off = SwitchedOff {
            tls: is_empty("tls_server_config"),
            users: is_empty("basic_auth_users"),
            client_certificates: client_auth == Some(ClientAuthType::NoClientCert),
        };
        Ok(Self { switched_off, ..file })
    }
}

/// The message without the line and column at its end.
fn without_place(error: &yaml_serde::Error) -> String {
    let text = error.to_string();
    text.split_once(" at line ").map_or(text.as_str(), |(message, _)| message).to_owned()
}

/// Longest message of the YAML parser that is shown.
const MESSAGE_CHARS_MAX: usize = 300;

/// A message in one line, shortened: names of keys in it may be anything.
fn one_line(message: &str) -> String {
    control_characters::one_line(&message.chars().take(MESSAGE_CHARS_MAX).collect::<String>())
}

/// The message without the value that was found, which may be a secret: only names of keys and of choices stay.
fn reason(message: &str) -> String {
    const FOUND: [&str; 2] = ["invalid type: ", "invalid value: "];
    for found in FOUND {
        let Some((key, rest)) = message.split_once(found) else { continue };
        let expected = rest.rsplit_once(", expected ").map_or("another value", |(_, expected)| expected);
        let expected = match expected {
            "u32" => "a whole number",
            "a sequence" => "a list",
            it if it.starts_with("struct ") => "keys with values",
            it => it,
        };
        return format!("{key}expected {expected}");
    }
    message.to_owned()
}
