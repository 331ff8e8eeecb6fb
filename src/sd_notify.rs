//! Notifies the service manager: ready, reloading, stopping, watchdog.
//!
//! The protocol is sd_notify(3) of systemd: lines in a datagram to the socket in `$NOTIFY_SOCKET`. The crate
//! `sd-notify` does not support abstract sockets.

use std::ffi::OsString;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock;

/// Longest status, in bytes; systemd shows it in one line.
pub const STATUS_BYTES_MAX: usize = 512;

/// The service manager, if there is one. Notifications never block or fail: hostnorm continues even if nobody listens.
#[derive(Debug, Default)]
pub struct ServiceManagerNotifier {
    /// Its socket; `None` without a service manager.
    line: Option<NotifySocket>,
    /// Watchdog timeout, after which it restarts hostnorm; `None` without a watchdog.
    watchdog_timeout: Option<Duration>,
    /// Whether a failed notification has been logged.
    is_logged: AtomicBool,
}

impl ServiceManagerNotifier {
    /// The service manager that these environment variables describe.
    pub fn new(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let Some(address) = variable("NOTIFY_SOCKET").filter(|it| !it.is_empty()) else {
            return Self::default();
        };
        let line = match NotifySocket::to(&address) {
            Ok(line) => line,
            Err(error) => {
                let address = address.to_string_lossy();
                tracing::warn!(%error, %address, "cannot notify the service manager: $NOTIFY_SOCKET is malformed");
                return Self::default();
            }
        };
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        // The variable may be meant for another process, such as the parent.
        let ours = number("WATCHDOG_PID").is_none_or(|it| it == u64::from(std::process::id()));
        let watchdog_timeout =
            number("WATCHDOG_USEC").filter(|it| *it > 0 && ours).map(Duration::from_micros);
        Self { line: Some(line), watchdog_timeout, is_logged: AtomicBool::default() }
    }

    /// The watchdog timeout.
    pub fn watchdog_timeout(&self) -> Option<Duration> {
        self.watchdog_timeout
    }

    /// Notifies that hostnorm is ready, at the start or after [`Self::notify_reloading`]; a watchdog notification follows at
    /// least every `pace`.
    pub fn ready(&self, pace: Duration) {
        // A watchdog shorter than a slow sampling interval would kill a healthy process.
        match self.watchdog_timeout.filter(|it| *it < pace * 3) {
            Some(_) => self.tell(&format!("WATCHDOG_USEC={}\nREADY=1\n", (pace * 3).as_micros())),
            None => self.tell("READY=1\n"),
        }
    }

    /// Notifies of a reload. systemd needs the time, to distinguish it from earlier ones.
    pub fn notify_reloading(&self) {
        match clock::monotonic_time() {
            Some(now) => self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}\n", now.as_micros())),
            None => self.tell("RELOADING=1\n"),
        }
    }

    /// Notifies that hostnorm is stopping.
    pub fn notify_stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=stopping\n");
    }

    /// Sets the status text.
    pub fn status(&self, sentence: &str) {
        self.tell(&format!("STATUS={}\n", one_line(sentence)));
    }

    /// Notifies the watchdog.
    pub fn notify_watchdog(&self) {
        self.tell("WATCHDOG=1\n");
    }

    fn tell(&self, lines: &str) {
        let Some(line) = &self.line else { return };
        if let Err(error) = line.send(lines)
            && !self.is_logged.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(%error, "cannot notify the service manager");
        }
    }
}

/// The text without line breaks, which would start another message, and truncated to the maximum.
fn one_line(sentence: &str) -> String {
    let mut line: String = sentence.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    line.truncate(line.floor_char_boundary(STATUS_BYTES_MAX));
    line
}

/// The socket that `$NOTIFY_SOCKET` names.
#[cfg(unix)]
#[derive(Debug)]
struct NotifySocket(std::os::unix::net::UnixDatagram);

#[cfg(unix)]
impl NotifySocket {
    fn to(address: &std::ffi::OsStr) -> io::Result<Self> {
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::net::{SocketAddr, UnixDatagram};
        let address = match address.as_bytes() {
            #[cfg(target_os = "linux")]
            [b'@', name @ ..] => {
                use std::os::linux::net::SocketAddrExt;
                SocketAddr::from_abstract_name(name)?
            }
            [b'/', ..] => SocketAddr::from_pathname(address)?,
            _ => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    "neither a path nor an abstract socket",
                ));
            }
        };
        let socket = UnixDatagram::unbound()?;
        // A manager that does not read must not delay a tick.
        socket.set_nonblocking(true)?;
        socket.connect_addr(&address)?;
        Ok(Self(socket))
    }

    fn send(&self, lines: &str) -> io::Result<()> {
        self.0.send(lines.as_bytes()).map(|_| ())
    }
}

/// Other systems have no such socket.
#[cfg(not(unix))]
#[derive(Debug)]
struct NotifySocket;

#[cfg(not(unix))]
impl NotifySocket {
    fn to(_: &std::ffi::OsStr) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn send(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use super::*;

    /// A service manager whose socket belongs to the test, and that socket.
    fn pair(name: &str, variables: &[(&str, &str)]) -> (ServiceManagerNotifier, UnixDatagram) {
        let name = format!("hostnorm-{}-{name}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        socket.set_nonblocking(true).unwrap();
        let supervisor = ServiceManagerNotifier::new(|asked| match asked {
            "NOTIFY_SOCKET" => Some(format!("@{name}").into()),
            _ => variables.iter().find(|it| it.0 == asked).map(|it| it.1.into()),
        });
        (supervisor, socket)
    }

    fn heard(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 1024];
        let length = socket.recv(&mut buffer).unwrap_or(0);
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    fn check(name: &str, variables: &[(&str, &str)], tell: impl Fn(&ServiceManagerNotifier), expect: &str) {
        let (supervisor, socket) = pair(name, variables);
        tell(&supervisor);
        assert_eq!(heard(&socket), expect, "{name}");
    }

    #[test]
    fn notifications_are_lines_in_one_datagram() {
        let second = Duration::from_secs(1);
        check("ready", &[], |it| it.ready(second), "READY=1\n");
        check("stopping", &[], ServiceManagerNotifier::notify_stopping, "STOPPING=1\nSTATUS=stopping\n");
        check("alive", &[], ServiceManagerNotifier::notify_watchdog, "WATCHDOG=1\n");
        check("status", &[], |it| it.status("two\nlines"), "STATUS=two lines\n");
    }

    #[test]
    fn a_slow_interval_does_not_trigger_the_watchdog() {
        let minute = |it: &ServiceManagerNotifier| it.ready(Duration::from_secs(60));
        check("slow", &[("WATCHDOG_USEC", "30000000")], minute, "WATCHDOG_USEC=180000000\nREADY=1\n");
        let second = |it: &ServiceManagerNotifier| it.ready(Duration::from_secs(1));
        check("quick", &[("WATCHDOG_USEC", "30000000")], second, "READY=1\n");
    }

    #[test]
    fn a_reload_has_its_time() {
        let (supervisor, socket) = pair("reload", &[]);
        supervisor.notify_reloading();
        let text = heard(&socket);
        let micros = text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|it| it.strip_suffix('\n'));
        let began = Duration::from_micros(micros.unwrap().parse().unwrap());
        assert!(began <= clock::monotonic_time().unwrap() && began > Duration::ZERO, "{text}");
    }

    #[test]
    fn the_watchdog_of_another_process_is_not_ours() {
        let watchdog_timeout =
            |variables: &[(&str, &str)]| pair("watchdog_timeout", variables).0.watchdog_timeout();
        let own = std::process::id().to_string();
        assert_eq!(watchdog_timeout(&[]), None);
        assert_eq!(watchdog_timeout(&[("WATCHDOG_USEC", "0")]), None);
        assert_eq!(watchdog_timeout(&[("WATCHDOG_USEC", "soon")]), None);
        assert_eq!(watchdog_timeout(&[("WATCHDOG_USEC", "2000"), ("WATCHDOG_PID", "1")]), None);
        let ours = watchdog_timeout(&[("WATCHDOG_USEC", "2000"), ("WATCHDOG_PID", &own)]);
        assert_eq!(ours, Some(Duration::from_millis(2)));
    }

    #[test]
    fn it_works_without_a_service_manager() {
        for address in ["", "@nobody-listens-here", "/does/not/exist", "vsock:2:9", "nonsense"] {
            let supervisor =
                ServiceManagerNotifier::new(|it| (it == "NOTIFY_SOCKET").then(|| address.into()));
            supervisor.ready(Duration::from_secs(1));
            supervisor.notify_watchdog();
        }
        let (supervisor, socket) = pair("gone", &[]);
        drop(socket);
        supervisor.notify_watchdog();
    }

    #[test]
    fn a_service_manager_that_does_not_read_delays_nothing() {
        let (supervisor, _socket) = pair("full", &[]);
        for _ in 0..10_000 {
            supervisor.notify_watchdog();
        }
    }

    #[test]
    fn a_long_sentence_is_cut_between_letters() {
        assert_eq!(one_line(&"ä".repeat(STATUS_BYTES_MAX)).len(), STATUS_BYTES_MAX);
        assert_eq!(one_line(&format!("x{}", "ä".repeat(STATUS_BYTES_MAX))).len(), STATUS_BYTES_MAX - 1);
    }
}
