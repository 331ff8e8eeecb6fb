//! Credentials and TLS options for a server.

#![cfg_attr(
    test,
    expect(clippy::disallowed_methods, reason = "tests write files with secrets and certificates")
)]

use std::fmt;
use std::path::{Path, PathBuf};

use crate::secret_text::SecretText;
use crate::whole_file;
use serde::{Deserialize, Serialize};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

/// Largest file with a secret or certificates; a bundle of all authorities has 250 kB.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// Credentials and TLS options for a server. Secrets are named by file, not stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConnection {
    /// User name, or `name:password`; empty for none.
    pub user: SecretText,
    /// File with the password.
    pub password_file: PathBuf,
    /// File with a token for `Authorization`.
    pub token_file: PathBuf,
    /// Additional headers, `Name: value`.
    pub headers: Vec<SecretText>,
    /// Certificates of additional trusted authorities.
    pub ca_file: PathBuf,
    /// Client certificate.
    pub cert_file: PathBuf,
    /// Private key of the client certificate.
    pub key_file: PathBuf,
    /// Whether any server certificate is accepted.
    pub insecure_skip_verify: bool,
}

/// Why these options cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerConnectionError {
    /// A file cannot be read.
    File {
        /// Its path.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// A file has invalid content.
    Content {
        /// Its path.
        path: PathBuf,
        /// The expected content.
        wanted: &'static str,
    },
    /// A password without a user, or a private key without a certificate.
    Alone(&'static str),
    /// A header is not `Name: value`.
    Header(String),
}

impl fmt::Display for ServerConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, reason } => write!(f, "{} {reason}", path.display()),
            Self::Content { path, wanted } => write!(f, "{} contains no {wanted}", path.display()),
            Self::Alone(what) => f.write_str(what),
            Self::Header(name) => write!(f, "header {name:?} is malformed: expected 'Name: value'"),
        }
    }
}

impl std::error::Error for ServerConnectionError {}

impl ServerConnection {
    /// User name and password, if given outside the URL.
    pub(super) fn user(&self) -> Result<Option<(String, SecretText)>, ServerConnectionError> {
        let has_file = !self.password_file.as_os_str().is_empty();
        if self.user.is_empty() {
            return if has_file {
                Err(ServerConnectionError::Alone("a password file needs a user"))
            } else {
                Ok(None)
            };
        }
        if has_file {
            return Ok(Some((self.user.to_string(), secret_of(&self.password_file)?)));
        }
        let (name, password) = self.user.split_once(':').unwrap_or((&self.user, ""));
        Ok(Some((name.to_owned(), password.into())))
    }

    /// The token, if any.
    pub(super) fn token(&self) -> Result<Option<SecretText>, ServerConnectionError> {
        if self.token_file.as_os_str().is_empty() { Ok(None) } else { secret_of(&self.token_file).map(Some) }
    }

    /// Names and values of the additional headers.
    pub(super) fn headers(&self) -> Result<Vec<(String, SecretText)>, ServerConnectionError> {
        let parted = self.headers.iter().map(|it| {
            let (name, value) =
                it.split_once(':').map_or(("", ""), |(name, value)| (name.trim(), value.trim()));
            let is_name = ureq::http::HeaderName::from_bytes(name.as_bytes()).is_ok();
            let is_value = !value.is_empty() && ureq::http::HeaderValue::from_str(value).is_ok();
            // The value may be a secret, and so may be all of a text that has no name.
            if is_name && is_value {
                Ok((name.into(), value.into()))
            } else {
                Err(ServerConnectionError::Header(if is_name { name } else { "…" }.into()))
            }
        });
        parted.collect()
    }

    /// Trusted authorities and client certificate.
    pub(super) fn tls(&self) -> Result<TlsConfig, ServerConnectionError> {
        let builder =
            TlsConfig::builder().disable_verification(self.insecure_skip_verify).root_certs(self.roots()?);
        Ok(builder.client_cert(self.certificate()?).build())
    }

    /// The authorities of the file, else those of this host; Mozilla's if the host has none, as in an empty image.
    fn roots(&self) -> Result<RootCerts, ServerConnectionError> {
        if !self.ca_file.as_os_str().is_empty() {
            return Ok(RootCerts::from(certificates(&self.ca_file)?.into_iter()));
        }
        let native = rustls_native_certs::load_native_certs();
        let roots: Vec<_> = native.certs.iter().map(|it| Certificate::from_der(it).to_owned()).collect();
        Ok(if roots.is_empty() { RootCerts::WebPki } else { RootCerts::from(roots.into_iter()) })
    }

    fn certificate(&self) -> Result<Option<ClientCert>, ServerConnectionError> {
        match (self.cert_file.as_os_str().is_empty(), self.key_file.as_os_str().is_empty()) {
            (true, true) => Ok(None),
            (false, false) => {
                let chain = certificates(&self.cert_file)?;
                let key = PrivateKey::from_pem(&read(&self.key_file)?).map_err(|_| {
                    ServerConnectionError::Content {
                        path: self.key_file.clone(),
                        wanted: "private key in PEM",
                    }
                })?;
                Ok(Some(ClientCert::new_with_certs(&chain, key)))
            }
            (true, false) => Err(ServerConnectionError::Alone("a key needs its certificate")),
            (false, true) => Err(ServerConnectionError::Alone("a certificate needs its key")),
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, ServerConnectionError> {
    let pem = read(path)?;
    let found: Vec<_> = parse_pem(&pem)
        .filter_map(|it| match it {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        return Err(ServerConnectionError::Content { path: path.to_owned(), wanted: "certificate in PEM" });
    }
    Ok(found)
}

/// The secret in the first line of a file.
///
/// # Errors
/// If the file cannot be read, is large, or has no text in that line.
pub fn secret_of(path: &Path) -> Result<SecretText, ServerConnectionError> {
    let wrong = |reason| ServerConnectionError::File { path: path.to_owned(), reason };
    let text = whole_file::text(path, FILE_BYTES_MAX).map_err(wrong)?;
    let line = text.lines().next().unwrap_or_default().trim_end();
    if line.is_empty() || line.chars().any(char::is_control) {
        return Err(ServerConnectionError::Content {
            path: path.to_owned(),
            wanted: "secret in its first line",
        });
    }
    Ok(line.into())
}

fn read(path: &Path) -> Result<Vec<u8>, ServerConnectionError> {
    let wrong = |reason| ServerConnectionError::File { path: path.to_owned(), reason };
    whole_file::bytes(path, FILE_BYTES_MAX).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_in_files_or_with_the_name() {
        let folder = tempfile::tempdir().unwrap();
        let (password, empty) = (folder.path().join("password"), folder.path().join("empty"));
        std::fs::write(&password, "geheim \r\nrest\n").unwrap();
        std::fs::write(&empty, "\n").unwrap();
        let check = |user: &str, file: &Path, expect: &str| {
            let access = ServerConnection {
                user: user.into(),
                password_file: file.into(),
                ..ServerConnection::default()
            };
            let found = match access.user() {
                Ok(found) => {
                    assert!(!format!("{found:?}").contains("geheim"), "{found:?}");
                    format!("{:?}", found.as_ref().map(|(name, password)| (name, &**password)))
                }
                Err(error) => error.to_string(),
            };
            assert_eq!(found.replace(folder.path().to_str().unwrap(), ""), expect);
        };
        let none = Path::new("");
        check("", none, "None");
        check("anna", none, "Some((\"anna\", \"\"))");
        check("anna:a:b", none, "Some((\"anna\", \"a:b\"))");
        check("anna", &password, "Some((\"anna\", \"geheim\"))");
        check("", &password, "a password file needs a user");
        check("anna", &empty, "/empty contains no secret in its first line");
        let gone = folder.path().join("gone");
        check(
            "anna",
            &gone,
            "/gone cannot be read: No such file or directory (os error 2); check the path and the permissions",
        );
    }

    #[test]
    fn headers_have_a_name_and_a_value() {
        let check = |header: &str, expect: &str| {
            let access = ServerConnection { headers: vec![header.into()], ..ServerConnection::default() };
            let found = match access.headers() {
                Ok(found) => {
                    let pairs: Vec<_> = found.iter().map(|(name, value)| (name, &**value)).collect();
                    format!("{pairs:?}")
                }
                Err(error) => error.to_string(),
            };
            assert_eq!(found, expect);
        };
        check("X-Scope-OrgID: team-a", "[(\"X-Scope-OrgID\", \"team-a\")]");
        // Without a colon, it may be the value alone.
        check("X-Scope-OrgID", "header \"…\" is malformed: expected 'Name: value'");
        check("a b: c", "header \"…\" is malformed: expected 'Name: value'");
        check("a: b\nc: d", "header \"a\" is malformed: expected 'Name: value'");
    }

    #[test]
    fn files_of_certificates_are_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text");
        std::fs::write(&text, "no certificate").unwrap();
        let check = |access: ServerConnection, expect: &str| {
            let error = access.tls().unwrap_err().to_string();
            assert_eq!(error.replace(folder.path().to_str().unwrap(), ""), expect);
        };
        check(
            ServerConnection { ca_file: text.clone(), ..ServerConnection::default() },
            "/text contains no certificate in PEM",
        );
        check(
            ServerConnection { key_file: text.clone(), ..ServerConnection::default() },
            "a key needs its certificate",
        );
        check(
            ServerConnection { cert_file: text, ..ServerConnection::default() },
            "a certificate needs its key",
        );
        assert!(ServerConnection::default().tls().is_ok());
    }
}
