//! Unix signals that stop hostnorm or reload its settings.

use std::io;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::commands) enum SignalRequest {
    /// To end, by the signal of this name.
    Stop(&'static str),
    /// To read the settings anew.
    Reload,
}

/// Listens from now on; a signal that comes while nobody waits is not lost.
#[cfg(unix)]
#[derive(Debug)]
pub(in crate::commands) struct UnixSignals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl UnixSignals {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system does not let it.
    pub(in crate::commands) fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(in crate::commands) async fn next(&mut self) -> SignalRequest {
        tokio::select! {
            _ = self.terminate.recv() => SignalRequest::Stop("SIGTERM"),
            _ = self.interrupt.recv() => SignalRequest::Stop("SIGINT"),
            _ = self.hangup.recv() => SignalRequest::Reload,
        }
    }
}

/// Listens for Ctrl-C.
#[cfg(not(unix))]
#[derive(Debug)]
pub(in crate::commands) struct UnixSignals;

#[cfg(not(unix))]
impl UnixSignals {
    /// Listens from now on.
    ///
    /// # Errors
    /// Never; elsewhere it can fail.
    pub(in crate::commands) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for the next one.
    pub(in crate::commands) async fn next(&mut self) -> SignalRequest {
        // Without a way to be told, only the system ends the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        SignalRequest::Stop("Ctrl-C")
    }
}
