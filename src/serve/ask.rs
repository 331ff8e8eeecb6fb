//! The question of a hostnorm to another one: whether it answers.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::listen;
use super::route::{HEALTHY, HEALTHY_PATH};

/// How long the answer may take; it is given from memory.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(3);
/// Longest answer that is read, in bytes.
const BODY_BYTES_MAX: u64 = 4096;

/// Why hostnorm cannot be called healthy.
#[derive(Debug)]
pub enum Sick {
    /// The settings do not tell where it is.
    Nowhere(String),
    /// Nobody answers, or not in time.
    Silent {
        /// What was asked.
        url: String,
        /// Why there is no answer.
        source: Box<ureq::Error>,
    },
    /// Something else answers, or answers something else.
    Odd {
        /// What was asked.
        url: String,
        /// The status of the answer.
        status: u16,
    },
}

impl fmt::Display for Sick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere(address) => {
                write!(
                    f,
                    "cannot ask at {address:?}: give the HOST:PORT that hostnorm has, by --web.listen-address"
                )
            }
            Self::Silent { url, source } => {
                write!(
                    f,
                    "hostnorm does not answer at {url}: {source}; is it --web.listen-address that it has?"
                )
            }
            Self::Odd { url, status } => {
                write!(f, "not hostnorm, or not a healthy one: {url} answers {status}")
            }
        }
    }
}

impl std::error::Error for Sick {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Silent { source, .. } => Some(source),
            Self::Nowhere(_) | Self::Odd { .. } => None,
        }
    }
}

/// Asks the hostnorm that listens on this address of this host whether it is healthy; gives where it was asked.
///
/// # Errors
/// When it is not, or cannot be asked.
pub fn health(address: &str) -> Result<String, Sick> {
    let url = url(address).ok_or_else(|| Sick::Nowhere(address.to_owned()))?;
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(ANSWER_TIME_MAX))
        // What is asked is this host.
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .build();
    let silent = |source| Sick::Silent { url: url.clone(), source: Box::new(source) };
    let mut answer = config.new_agent().get(&url).call().map_err(silent)?;
    let status = answer.status().as_u16();
    let body = answer.body_mut().with_config().limit(BODY_BYTES_MAX).read_to_string();
    if status == 200 && body.is_ok_and(|it| it == HEALTHY) { Ok(url) } else { Err(Sick::Odd { url, status }) }
}

/// Where to ask a server that listens on this address; nothing when the address does not tell.
fn url(address: &str) -> Option<String> {
    let (host, port) = listen::parse(address).filter(|(_, port)| *port != 0)?;
    let host = match host.parse::<Ipv6Addr>() {
        Ok(Ipv6Addr::UNSPECIFIED) => format!("[{}]", Ipv6Addr::LOCALHOST),
        Ok(six) => format!("[{six}]"),
        Err(_) if host.is_empty() || host == "0.0.0.0" => Ipv4Addr::LOCALHOST.to_string(),
        Err(_) => host.to_owned(),
    };
    Some(format!("http://{host}:{port}{HEALTHY_PATH}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, expect: Option<&str>) {
        assert_eq!(url(address).as_deref(), expect, "{address:?}");
    }

    #[test]
    fn where_to_ask() {
        check(":19797", Some("http://127.0.0.1:19797/-/healthy"));
        check("0.0.0.0:80", Some("http://127.0.0.1:80/-/healthy"));
        check("[::]:80", Some("http://[::1]:80/-/healthy"));
        check("[fe80::1]:80", Some("http://[fe80::1]:80/-/healthy"));
        check("db1:80", Some("http://db1:80/-/healthy"));
        check(":0", None);
        check("nonsense", None);
    }

    #[test]
    fn nobody_and_nowhere_are_said_with_what_helps() {
        let free = listen::bind(&["127.0.0.1:0"]).unwrap()[0].local_addr().unwrap();
        let said = health(&free.to_string()).unwrap_err().to_string();
        assert!(said.contains(&free.to_string()) && said.contains("--web.listen-address"), "{said}");
        assert!(health(":0").unwrap_err().to_string().contains("--web.listen-address"));
    }
}
