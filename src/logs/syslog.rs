//! Takes messages of syslog on UDP and on a Unix datagram socket.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::line_filter::LineFilter;
use super::{LogReadState, LogSourceError, StopFlag};
use crate::clock;
use crate::log_stream::LogStream;
use crate::sources::{ExcludePattern, IncludePattern};

mod message;

pub(super) use message::SyslogMessage;

/// Largest number of messages a second that are looked at; further ones are counted as dropped.
const MESSAGES_PER_SECOND_MAX: u64 = 20_000;
/// Largest message; the rest of a longer one is cut off by the kernel.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Time between two looks at the flag that ends the thread.
const WAIT: Duration = Duration::from_millis(200);
/// Every program on the host may send to the socket, as to `/dev/log`.
const SOCKET_MODE: u32 = 0o666;

/// Sockets of one log.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SyslogSettings {
    /// Address for UDP, such as `0.0.0.0:5514`; empty for none.
    pub udp: String,
    /// Path of a Unix datagram socket; empty for none.
    pub unix: PathBuf,
    /// Messages to read; empty for all.
    pub include: IncludePattern,
    /// Messages to leave out; empty for none.
    pub exclude: ExcludePattern,
}

impl SyslogSettings {
    /// The key and the reason of the first invalid value; none if all are valid.
    pub fn error(&self) -> Option<(&'static str, String)> {
        let has_unix = !self.unix.as_os_str().is_empty();
        if self.udp.is_empty() && !has_unix {
            return Some(("udp", "neither udp nor unix is set; set at least one".to_owned()));
        }
        if !self.udp.is_empty() && self.udp.parse::<SocketAddr>().is_err() {
            return Some((
                "udp",
                format!("{:?} is not an address such as 127.0.0.1:5514 or [::]:5514", self.udp),
            ));
        }
        (has_unix && !self.unix.is_absolute())
            .then(|| ("unix", format!("{} is not absolute; expected a path", self.unix.display())))
    }
}

/// Takes messages until `stop` is set.
pub(super) fn run(
    settings: &SyslogSettings,
    stream: &LogStream,
    counts: &LogReadState,
    stop: &StopFlag,
) -> Result<(), LogSourceError> {
    let udp = match settings.udp.as_str() {
        "" => None,
        address => Some(UdpSocket::bind(address).map_err(|error| {
            LogSourceError::new(format!(
                "cannot listen on UDP {address}: {error}; check that the address is free and the port allowed"
            ))
        })?),
    };
    let unix = match settings.unix.as_os_str().is_empty() {
        true => None,
        false => Some(SocketFile::bind(&settings.unix)?),
    };
    counts.set_success(true);
    let receiver = SyslogReceiver {
        filter: LineFilter::new(&settings.include, &settings.exclude),
        stream,
        counts,
        second: Mutex::new((clock::instant(), 0)),
    };
    let error = |error: io::Error| LogSourceError::new(format!("cannot receive messages: {error}"));
    std::thread::scope(|scope| {
        let beside = udp.map(|socket| {
            let receiver = &receiver;
            std::thread::Builder::new().spawn_scoped(scope, move || {
                socket.set_read_timeout(Some(WAIT))?;
                receiver.receive(stop, |buffer| socket.recv(buffer))
            })
        });
        let beside = beside.transpose().map_err(error)?;
        let mut outcome = Ok(());
        if let Some(SocketFile { socket, .. }) = &unix {
            let set = socket.set_read_timeout(Some(WAIT));
            outcome = set.and_then(|()| receiver.receive(stop, |buffer| socket.recv(buffer)));
        }
        let other = beside.map(|it| it.join().unwrap_or_else(|_| Err(io::Error::other("a panic"))));
        outcome.and(other.unwrap_or(Ok(()))).map_err(error)
    })
}

/// What both sockets share.
struct SyslogReceiver<'a> {
    filter: LineFilter,
    stream: &'a LogStream,
    counts: &'a LogReadState,
    /// Start of the current second, and the messages in it.
    second: Mutex<(Instant, u64)>,
}

impl SyslogReceiver<'_> {
    fn receive(&self, stop: &StopFlag, recv: impl Fn(&mut [u8]) -> io::Result<usize>) -> io::Result<()> {
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        while !stop.is_set() {
            match recv(&mut buffer) {
                Ok(length) => self.take(&buffer[..length]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn take(&self, datagram: &[u8]) {
        if self.is_beyond_rate() {
            return self.stream.drop_lines(1);
        }
        let SyslogMessage { severity, text } = SyslogMessage::parse(datagram);
        if !text.is_empty() && self.filter.takes(text) {
            let now = clock::now();
            self.stream.line(text, severity, now);
            self.counts.note_line(now);
        }
    }

    fn is_beyond_rate(&self) -> bool {
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::instant();
        if now.duration_since(second.0) >= Duration::from_secs(1) {
            *second = (now, 0);
        }
        second.1 += 1;
        second.1 > MESSAGES_PER_SECOND_MAX
    }
}

/// A socket in the file system, which is removed with it.
struct SocketFile<'a> {
    socket: UnixDatagram,
    path: &'a Path,
}

impl<'a> SocketFile<'a> {
    fn bind(path: &'a Path) -> Result<Self, LogSourceError> {
        let wrong = |error: &str| {
            LogSourceError::new(format!(
                "cannot listen on {}: {error}; check its directory, its permissions, and that nobody else listens",
                path.display()
            ))
        };
        // One that nobody listens on is left over from a crash.
        let is_socket = fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket());
        if is_socket {
            let is_used = UnixDatagram::unbound().and_then(|it| it.connect(path)).is_ok();
            if is_used {
                return Err(wrong("the socket is in use"));
            }
            fs::remove_file(path).map_err(|error| wrong(&error.to_string()))?;
        }
        let socket = UnixDatagram::bind(path).map_err(|error| wrong(&error.to_string()))?;
        let bound = Self { socket, path };
        fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))
            .map_err(|error| wrong(&error.to_string()))?;
        Ok(bound)
    }
}

impl Drop for SocketFile<'_> {
    fn drop(&mut self) {
        // If it is gone already, all is well.
        let _ = fs::remove_file(self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(unix: &Path, udp: &str) -> SyslogSettings {
        SyslogSettings { unix: unix.to_owned(), udp: udp.into(), ..SyslogSettings::default() }
    }

    #[test]
    fn settings_are_checked() {
        let check = |it: &SyslogSettings, expect: Option<&str>| {
            assert_eq!(it.error().map(|it| it.0), expect, "{it:?}");
        };
        check(&settings(Path::new(""), ""), Some("udp"));
        check(&settings(Path::new(""), "localhost"), Some("udp"));
        check(&settings(Path::new(""), "[::]:514"), None);
        check(&settings(Path::new("x"), ""), Some("unix"));
        check(&settings(Path::new("/x"), ""), None);
    }

    #[test]
    fn messages_of_both_sockets_arrive_and_the_file_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        // Left over from a crash.
        drop(UnixDatagram::bind(&path).unwrap());
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let settings = settings(&path, &port.to_string());
        let (stream, counts, stop) = (LogStream::new("x"), LogReadState::default(), StopFlag::default());
        std::thread::scope(|scope| {
            let running = scope.spawn(|| run(&settings, &stream, &counts, &stop));
            let sender = UnixDatagram::unbound().unwrap();
            while sender.send_to(b"<11>Oct 11 22:14:15 app[1]: broken\n", &path).is_err() {
                assert!(!running.is_finished(), "a socket cannot be opened");
                std::thread::yield_now();
            }
            let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
            sender.send_to(b"<14>1 - - app - - - fine", port).unwrap();
            while stream.totals().lines < 2 {
                std::thread::yield_now();
            }
            stop.set();
            running.join().unwrap().unwrap();
        });
        assert_eq!(stream.totals().bytes, ("app[1]: broken".len() + "fine".len()) as u64);
        assert!(!path.exists());
    }

    #[test]
    fn a_socket_in_use_is_not_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let _used = UnixDatagram::bind(&path).unwrap();
        let error = SocketFile::bind(&path).err().unwrap().to_string();
        assert!(error.contains("the socket is in use; check"), "{error}");
        assert!(path.exists());
    }

    #[test]
    fn messages_beyond_the_rate_are_counted() {
        let (stream, counts) = (LogStream::new("x"), LogReadState::default());
        let filter = LineFilter::default();
        // A second that does not end during the test.
        let second = Mutex::new((clock::instant() + Duration::from_hours(1), MESSAGES_PER_SECOND_MAX - 1));
        let receiver = SyslogReceiver { filter, stream: &stream, counts: &counts, second };
        (0..3).for_each(|_| receiver.take(b"<14>x"));
        assert_eq!((stream.totals().lines, stream.totals().dropped), (1, 2));
    }
}
