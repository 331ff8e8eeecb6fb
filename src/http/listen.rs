//! Binds the listen addresses.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};

/// Why an address cannot be listened on.
#[derive(Debug)]
pub enum ListenError {
    /// No address was given.
    NoAddress,
    /// It does not have the form `HOST:PORT`.
    Address(String),
    /// Nobody handed over a socket.
    NothingInherited,
    /// What was handed over is no TCP socket.
    Inherited(io::Error),
    /// The system refuses it.
    Listen {
        /// What was asked for.
        address: String,
        /// Why not.
        source: io::Error,
    },
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => write!(f, "no address to listen on; expected at least one, for example :19797"),
            Self::Address(address) => write!(
                f,
                "cannot listen on {address:?}: it must be HOST:PORT, for example :19797, 127.0.0.1:19797 or [::1]:19797"
            ),
            Self::NothingInherited => f.write_str(
                "web.systemd_socket is set, but systemd passed no socket; start the socket unit (systemctl start hostnorm.socket), or remove the setting and set --web.listen-address",
            ),
            Self::Inherited(source) => write!(
                f,
                "cannot serve a socket passed by systemd: {source}; in the socket unit, ListenStream= must be a port, or an address with a port"
            ),
            Self::Listen { address, source } => {
                let hint = match source.kind() {
                    ErrorKind::AddrInUse => {
                        "another program uses this port; stop it, or choose another port with --web.listen-address"
                    }
                    ErrorKind::PermissionDenied => "choose a port of at least 1024 with --web.listen-address",
                    ErrorKind::AddrNotAvailable => "this host does not have this address",
                    _ => "choose another address with --web.listen-address",
                };
                write!(f, "cannot listen on {address}: {source}; {hint}")
            }
        }
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Listen { source, .. } | Self::Inherited(source) => Some(source),
            Self::NoAddress | Self::Address(_) | Self::NothingInherited => None,
        }
    }
}

/// Opens the addresses, before anything else is started: what cannot be had should be known at once.
///
/// # Errors
/// When there is no address, or one of them is malformed, taken, or not this machine's.
pub fn bind<A: AsRef<str>>(addresses: &[A]) -> Result<Vec<TcpListener>, ListenError> {
    let mut listeners = Vec::new();
    for address in addresses.iter().map(AsRef::as_ref) {
        let (host, port) = parse(address).ok_or_else(|| ListenError::Address(address.to_owned()))?;
        let listen = |source| ListenError::Listen { address: address.to_owned(), source };
        let opened = match host {
            "" => everywhere(port),
            host => TcpListener::bind((host, port)).map(|it| vec![it]),
        };
        listeners.extend(opened.map_err(listen)?);
        for listener in &listeners {
            listener.set_nonblocking(true).map_err(listen)?;
        }
    }
    if listeners.is_empty() { Err(ListenError::NoAddress) } else { Ok(listeners) }
}

/// The host, without brackets, and the port.
pub(super) fn parse(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    // A sign is no part of a port, though it is of a number.
    let port = port.parse().ok().filter(|_| port.bytes().all(|it| it.is_ascii_digit()))?;
    match host.strip_prefix('[') {
        Some(host) => Some((host.strip_suffix(']').filter(|it| it.parse::<Ipv6Addr>().is_ok())?, port)),
        None => (!host.contains([':', ']', '/', ' '])).then_some((host, port)),
    }
}

/// All interfaces. The IPv6 socket serves IPv4 too unless the system is set otherwise (`bindv6only`): then the
/// second one does. A system without IPv6 has IPv4 alone.
fn everywhere(port: u16) -> io::Result<Vec<TcpListener>> {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)) {
        Ok(six) => {
            let four = TcpListener::bind((Ipv4Addr::UNSPECIFIED, six.local_addr()?.port()));
            Ok([Some(six), four.ok()].into_iter().flatten().collect())
        }
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(error),
        Err(_) => Ok(vec![TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(address: &str, expected: Option<(&str, u16)>) {
        assert_eq!(parse(address), expected, "{address:?}");
    }

    #[test]
    fn addresses() {
        check(":19797", Some(("", 19797)));
        check("127.0.0.1:0", Some(("127.0.0.1", 0)));
        check("localhost:80", Some(("localhost", 80)));
        check("[::1]:9", Some(("::1", 9)));
        check("[::]:9", Some(("::", 9)));
    }

    #[test]
    fn what_is_no_address() {
        for address in [
            "",
            ":",
            "9",
            "host",
            "host:",
            "host:65536",
            "host:-1",
            "host:+1",
            "::1:9",
            "[::1:9",
            "[x]:9",
            "http://a:9",
            "a b:9",
        ] {
            check(address, None);
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(address in "\\PC{0,40}") {
            let _ = parse(&address);
        }
    }

    #[test]
    fn a_port_in_use_is_said_with_what_helps() {
        let taken = bind(&["127.0.0.1:0"]).unwrap();
        let address = taken[0].local_addr().unwrap().to_string();
        let said = bind(&[&address]).unwrap_err().to_string();
        assert!(said.starts_with(&format!("cannot listen on {address}: ")), "{said}");
        assert!(
            said.contains("another program uses this port") && said.contains("--web.listen-address"),
            "{said}"
        );
    }

    #[test]
    fn no_address_and_a_bad_address_are_said() {
        assert!(bind::<&str>(&[]).unwrap_err().to_string().contains("at least one"));
        assert!(bind(&["nonsense"]).unwrap_err().to_string().contains("must be HOST:PORT"));
    }
}
