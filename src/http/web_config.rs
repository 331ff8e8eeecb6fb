//! The web configuration file of `--web.config.file`, in the format of Prometheus' exporter-toolkit.
//!
//! This module reads the file and checks what can be checked without the certificates that it names. Where it differs from
//! exporter-toolkit it is stricter, never more permissive. No error shows the value of a secret.

mod file_format;
mod go_duration;
mod lost_protection;
mod password_hash;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::header::{HeaderName, HeaderValue};

pub(super) use file_format::{ClientAuthType, Curve};
pub(super) use lost_protection::lost_protection;
pub(super) use password_hash::{COST_MIN, PasswordHash};

use crate::secret_text::SecretText;
use crate::table::quoted;
use crate::whole_file;

use file_format::{FileFormat, SwitchedOff, TlsSection, TlsVersion};

/// Longest web configuration file, certificate or key that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Why a web configuration file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebConfigError {
    /// The web configuration file.
    pub path: PathBuf,
    /// The line of the file, counted from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong and what is expected instead; never the value of a secret.
    pub reason: String,
}

impl fmt::Display for WebConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for WebConfigError {}

/// A web configuration file that is valid as far as it goes; certificates are not read yet.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WebConfig {
    /// TLS settings; `None` for plain HTTP.
    pub(super) tls: Option<TlsSettings>,
    /// Whether clients may use HTTP/2 over TLS.
    pub(super) http2: bool,
    /// Headers of every response.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// Users by name with the hashes of their passwords; nobody needs a password while it is empty.
    pub(super) users: BTreeMap<String, PasswordHash>,
    /// Rate limit of requests; `None` for no limit.
    pub(super) rate_limit: Option<RequestRateLimit>,
    /// The protections that the file switches off in so many words.
    pub(super) switched_off: SwitchedOff,
}

/// A file, or its content as it stands in the web configuration file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum PemSource {
    /// The path of a file in PEM.
    File(PathBuf),
    /// PEM itself.
    Inline(SecretText),
}

/// How connections are encrypted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TlsSettings {
    /// The certificate chain of the server, leaf first.
    pub(super) certificate: PemSource,
    /// Its private key.
    pub(super) key: PemSource,
    /// The authorities that sign client certificates.
    pub(super) client_ca: Option<PemSource>,
    /// What is asked of clients.
    pub(super) client_auth: ClientAuthType,
    /// A client certificate must have one of these names; `None` accepts any name.
    pub(super) client_allowed_sans: Option<Vec<String>>,
    /// Whether TLS 1.2 may be used.
    pub(super) tls12: bool,
    /// Whether TLS 1.3 may be used.
    pub(super) tls13: bool,
    /// The names of the cipher suites for TLS 1.2 in order of preference; empty for the defaults.
    pub(super) cipher_suites: Vec<String>,
    /// Whether the order of the server counts, not that of the client.
    pub(super) prefer_server_cipher_suites: bool,
    /// The curves for the key exchange in order of preference; empty for the defaults.
    pub(super) curves: Vec<Curve>,
    /// What has no effect here though exporter-toolkit knows it, in words.
    pub(super) ignored: Vec<String>,
}

/// A token bucket for requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RequestRateLimit {
    /// Time after which there is one more token, above 0.
    pub(super) interval: Duration,
    /// Most tokens, at least 1.
    pub(super) burst: u32,
}

impl Default for WebConfig {
    /// What an empty file says: plain HTTP without passwords.
    fn default() -> Self {
        Self {
            tls: None,
            http2: true,
            headers: Vec::new(),
            users: BTreeMap::new(),
            rate_limit: None,
            switched_off: SwitchedOff::default(),
        }
    }
}

impl WebConfig {
    /// Reads a web configuration file. Relative paths in it start at its directory.
    ///
    /// # Errors
    /// When it cannot be read, is not valid YAML, or has an unknown key or a value that is not allowed.
    pub(super) fn read(path: &Path) -> Result<Self, WebConfigError> {
        let error = |line, reason| WebConfigError { path: path.to_owned(), line, reason };
        let text = whole_file::text(path, FILE_BYTES_MAX).map_err(|reason| error(None, reason))?;
        Self::parse(&text, path.parent().unwrap_or(Path::new("")))
            .map_err(|(line, reason)| error(line, reason))
    }

    /// Checks the text of a file in this directory; an error is the line, where it is known, and the reason.
    pub(super) fn parse(text: &str, directory: &Path) -> Result<Self, (Option<usize>, String)> {
        let file = FileFormat::parse(text)?;
        let whole = |reason: String| (None, reason);
        let http = file.http_server_config.unwrap_or_default();
        let none = Self::default();
        Ok(Self {
            tls: file
                .tls_server_config
                .map(|it| tls_settings(it, directory))
                .transpose()
                .map_err(whole)?
                .flatten(),
            http2: http.http2.unwrap_or(none.http2),
            headers: headers(http.headers.unwrap_or_default()).map_err(whole)?,
            users: file.basic_auth_users.unwrap_or_default(),
            rate_limit: file.rate_limit.as_ref().map(rate_limit).transpose().map_err(whole)?.flatten(),
            switched_off: file.switched_off,
        })
    }
}

impl TlsSettings {
    /// The files with certificates and keys.
    pub(super) fn files(&self) -> impl Iterator<Item = &Path> {
        [Some(&self.certificate), Some(&self.key), self.client_ca.as_ref()].into_iter().flatten().filter_map(
            |it| match it {
                PemSource::File(path) => Some(path.as_path()),
                PemSource::Inline(_) => None,
            },
        )
    }
}

impl PemSource {
    /// The bytes in PEM, read anew.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn read(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Inline(text) => Ok(text.as_bytes().to_vec()),
            Self::File(path) => {
                whole_file::bytes(path, FILE_BYTES_MAX).map_err(|it| format!("{} {it}", path.display()))
            }
        }
    }
}

fn tls_settings(section: TlsSection, directory: &Path) -> Result<Option<TlsSettings>, String> {
    if section == TlsSection::default() {
        return Ok(None);
    }
    let missing = |what: &str| format!("tls_server_config: {what}_file is missing; set it to a file in PEM");
    let pem = |file: Option<PathBuf>, inline: Option<SecretText>| {
        // As in exporter-toolkit, the file counts where both are set; an empty text is as good as none.
        let file = file.filter(|it| !it.as_os_str().is_empty()).map(|it| PemSource::File(directory.join(it)));
        file.or_else(|| inline.filter(|it| !it.is_empty()).map(PemSource::Inline))
    };
    let client_ca = pem(section.client_ca_file, section.client_ca);
    let client_auth = section.client_auth_type.unwrap_or_default();
    if client_ca.is_some() && client_auth == ClientAuthType::NoClientCert {
        return Err("tls_server_config: client_ca_file is set, but client_auth_type is NoClientCert; set client_auth_type to RequireAndVerifyClientCert".into());
    }
    if client_ca.is_none() && client_auth.verifies() {
        return Err(format!(
            "tls_server_config: client_auth_type is {client_auth:?}, but client_ca_file is missing; set it to the certificates of the authorities that sign client certificates"
        ));
    }
    if section.client_allowed_sans.is_some() && client_auth == ClientAuthType::NoClientCert {
        return Err("tls_server_config: client_allowed_sans has no effect without client certificates; set client_auth_type to RequireAndVerifyClientCert".into());
    }
    let least = section.min_version.unwrap_or(TlsVersion::Tls12);
    let most = section.max_version.unwrap_or(TlsVersion::Tls13);
    if most < TlsVersion::Tls12 || most < least {
        return Err("tls_server_config: no TLS version is left; max_version must be TLS12 or TLS13, and not below min_version".into());
    }
    let ignored = (least < TlsVersion::Tls12).then(|| "min_version: the lowest version is TLS12".to_owned());
    Ok(Some(TlsSettings {
        certificate: pem(section.cert_file, section.cert).ok_or_else(|| missing("cert"))?,
        key: pem(section.key_file, section.key).ok_or_else(|| missing("key"))?,
        client_ca,
        client_auth,
        client_allowed_sans: section.client_allowed_sans,
        tls12: least <= TlsVersion::Tls12,
        tls13: most == TlsVersion::Tls13,
        cipher_suites: section.cipher_suites.unwrap_or_default(),
        prefer_server_cipher_suites: section.prefer_server_cipher_suites.unwrap_or(true),
        curves: section.curve_preferences.unwrap_or_default(),
        ignored: ignored.into_iter().collect(),
    }))
}

fn rate_limit(section: &file_format::RateLimitSection) -> Result<Option<RequestRateLimit>, String> {
    let interval = section.interval.map_or(Duration::ZERO, |it| it.0);
    match (interval, section.burst.unwrap_or(0)) {
        (Duration::ZERO, _) => Ok(None),
        (_, 0) => Err("rate_limit: burst must be at least 1; with 0 no request would be answered".into()),
        (interval, burst) => Ok(Some(RequestRateLimit { interval, burst })),
    }
}

/// The headers that exporter-toolkit allows, with the values that it allows; any where there are none.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

fn headers(given: BTreeMap<String, String>) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let header = |(name, value): (String, String)| {
        let Some((_, allowed)) = HEADERS.iter().find(|(known, _)| *known == name) else {
            let known = HEADERS.map(|(name, _)| name).join(", ");
            return Err(format!(
                "http_server_config.headers: {} cannot be set; expected one of {known}",
                quoted(&name)
            ));
        };
        if !allowed.is_empty() && !allowed.contains(&&*value) {
            return Err(format!("http_server_config.headers: {name} must be {}", allowed.join(" or ")));
        }
        let parsed = HeaderName::try_from(&name).ok().zip(HeaderValue::try_from(&value).ok());
        parsed.ok_or_else(|| format!("http_server_config.headers: the value of {name} is not a header value"))
    };
    given.into_iter().filter(|(_, value)| !value.is_empty()).map(header).collect()
}

#[cfg(test)]
mod tests;
