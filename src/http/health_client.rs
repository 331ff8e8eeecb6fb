//! The client of the health check.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, HOST};
use hyper::{Request, StatusCode};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::control_client::{block_on, connect, exchange};
use super::route::{HEALTHY, HEALTHY_PATH};
use super::web_config::{WebConfig, WebConfigError};
use super::web_security::AccessSettings;
use super::{listen, tls};

/// Time for the response, which is given from memory.
const DEADLINE: Duration = Duration::from_secs(3);

/// Why hostnorm cannot be called healthy.
#[derive(Debug)]
pub enum HealthError {
    /// The settings do not tell where it is.
    Nowhere(String),
    /// Nobody answers, or not in time.
    NoResponse {
        /// What was asked.
        url: String,
        /// Why there is no answer.
        source: io::Error,
    },
    /// Something else answers, or answers something else.
    UnexpectedResponse {
        /// What was asked.
        url: String,
        /// The status of the answer.
        status: u16,
    },
}

impl fmt::Display for HealthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere(address) => {
                write!(
                    f,
                    "cannot connect to {address:?}; pass the HOST:PORT of hostnorm with --web.listen-address"
                )
            }
            Self::NoResponse { url, source } => {
                let setting = if url.starts_with("http") { "listen-address" } else { "control-socket" };
                write!(f, "no response from {url}: {source}; check --web.{setting}")
            }
            Self::UnexpectedResponse { url, status } => {
                write!(f, "not a healthy hostnorm: {url} responds with {status}")
            }
        }
    }
}

impl std::error::Error for HealthError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoResponse { source, .. } => Some(source),
            Self::Nowhere(_) | Self::UnexpectedResponse { .. } => None,
        }
    }
}

/// How a hostnorm with these settings is asked for its health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthTransport {
    /// HTTP on its address.
    Http,
    /// HTTPS on its address.
    Https,
    /// The control socket, because over TCP it wants a certificate or a password, which a health check has not.
    ControlSocket,
}

impl HealthTransport {
    /// Looks into the web configuration file; certificates and keys are not read.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn of(access: &AccessSettings) -> Result<Self, WebConfigError> {
        let Some(path) = &access.config_file else { return Ok(Self::Http) };
        let config = WebConfig::read(path)?;
        let wants = |it: &super::web_config::TlsSettings| {
            it.client_auth.requires() || it.client_allowed_sans.is_some()
        };
        let wants_certificate = config.tls.as_ref().is_some_and(wants);
        let wants_password = !config.users.is_empty() && !access.health_auth_exempt;
        Ok(match config.tls {
            _ if wants_certificate || wants_password => Self::ControlSocket,
            Some(_) => Self::Https,
            None => Self::Http,
        })
    }
}

/// Asks the hostnorm that listens on this address of this host whether it is healthy; gives where it was asked.
///
/// # Errors
/// When it is not, or cannot be asked.
pub fn health(address: &str, https: bool) -> Result<String, HealthError> {
    let authority = authority(address).ok_or_else(|| HealthError::Nowhere(address.to_owned()))?;
    let url = format!("{}://{authority}{HEALTHY_PATH}", if https { "https" } else { "http" });
    outcome(
        url,
        block_on(DEADLINE, async {
            let stream = TcpStream::connect(&authority).await?;
            if !https {
                return exchange(stream, request(&authority)?).await;
            }
            let host = authority.rsplit_once(':').map_or(authority.as_str(), |(host, _)| host);
            let name =
                ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(io::Error::other)?;
            let config = tls::health_check_client().map_err(io::Error::other)?;
            let stream = TlsConnector::from(config).connect(name, stream).await?;
            exchange(stream, request(&authority)?).await
        }),
    )
}

/// Asks the hostnorm that listens on this control socket whether it is healthy; gives where it was asked.
///
/// # Errors
/// When it is not, or cannot be asked.
pub fn health_on_socket(path: &Path) -> Result<String, HealthError> {
    let asked = block_on(DEADLINE, async { exchange(connect(path).await?, request("hostnorm")?).await });
    outcome(path.display().to_string(), asked)
}

fn request(authority: &str) -> io::Result<Request<Full<Bytes>>> {
    let request = Request::get(HEALTHY_PATH).header(HOST, authority).header(CONNECTION, "close");
    request.body(Full::default()).map_err(io::Error::other)
}

fn outcome(url: String, answered: io::Result<(StatusCode, Bytes)>) -> Result<String, HealthError> {
    match answered {
        Ok((StatusCode::OK, body)) if body == HEALTHY => Ok(url),
        Ok((status, _)) => Err(HealthError::UnexpectedResponse { url, status: status.as_u16() }),
        Err(source) => Err(HealthError::NoResponse { url, source }),
    }
}

/// The address of a server that listens here; `None` if the listen address does not give it.
fn authority(address: &str) -> Option<String> {
    let (host, port) = listen::parse(address).filter(|(_, port)| *port != 0)?;
    let host = match host.parse::<Ipv6Addr>() {
        Ok(Ipv6Addr::UNSPECIFIED) => format!("[{}]", Ipv6Addr::LOCALHOST),
        Ok(six) => format!("[{six}]"),
        Err(_) if host.is_empty() || host == "0.0.0.0" => Ipv4Addr::LOCALHOST.to_string(),
        Err(_) => host.to_owned(),
    };
    Some(format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, expect: Option<&str>) {
        assert_eq!(authority(address).as_deref(), expect, "{address:?}");
    }

    #[test]
    fn where_to_ask() {
        check(":19797", Some("127.0.0.1:19797"));
        check("0.0.0.0:80", Some("127.0.0.1:80"));
        check("[::]:80", Some("[::1]:80"));
        check("[fe80::1]:80", Some("[fe80::1]:80"));
        check("db1:80", Some("db1:80"));
        check(":0", None);
        check("nonsense", None);
    }

    #[test]
    fn nobody_and_nowhere_are_said_with_what_helps() {
        let free = listen::bind(&["127.0.0.1:0"]).unwrap()[0].local_addr().unwrap();
        let said = health(&free.to_string(), false).unwrap_err().to_string();
        assert!(said.contains(&free.to_string()) && said.contains("--web.listen-address"), "{said}");
        assert!(health(":0", true).unwrap_err().to_string().contains("--web.listen-address"));
    }
}
