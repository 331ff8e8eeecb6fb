//! Unix signals that stop hostnorm or reload its settings.

use std::io;

/// The request of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum UnixSignalRequest {
    /// Stop, by the signal of this name.
    Stop(&'static str),
    /// Reload the settings.
    Reload,
}

/// Listens for signals; one that arrives while nobody waits is not lost.
#[cfg(unix)]
#[derive(Debug)]
pub(in crate::commands) struct UnixSignals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    /// Held, so that a write beyond the limit for the size of files fails instead of ending the process.
    _file_size: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl UnixSignals {
    /// Starts to listen.
    ///
    /// # Errors
    /// If the system refuses.
    pub(in crate::commands) fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            _file_size: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    /// Waits for the next signal.
    pub(in crate::commands) async fn next(&mut self) -> UnixSignalRequest {
        tokio::select! {
            _ = self.terminate.recv() => UnixSignalRequest::Stop("SIGTERM"),
            _ = self.interrupt.recv() => UnixSignalRequest::Stop("SIGINT"),
            _ = self.hangup.recv() => UnixSignalRequest::Reload,
        }
    }
}

/// Listens for Ctrl-C.
#[cfg(not(unix))]
#[derive(Debug)]
pub(in crate::commands) struct UnixSignals;

#[cfg(not(unix))]
impl UnixSignals {
    /// Starts to listen.
    ///
    /// # Errors
    /// Never on this system.
    pub(in crate::commands) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for the next Ctrl-C.
    pub(in crate::commands) async fn next(&mut self) -> UnixSignalRequest {
        // Without signals, only the system can end the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        UnixSignalRequest::Stop("Ctrl-C")
    }
}
