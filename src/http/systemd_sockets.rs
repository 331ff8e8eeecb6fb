//! Sockets passed by systemd, sd_listen_fds(3). Connections wait in them until hostnorm has started.

use std::net::TcpListener;

use super::listen::ListenError;

/// Takes over the sockets that were handed over, once: a second time they would be others.
///
/// # Errors
/// When there is none, or one that is no TCP socket.
#[cfg(unix)]
pub fn inherited() -> Result<Vec<TcpListener>, ListenError> {
    let mut given = listenfd::ListenFd::from_env();
    let mut listeners = Vec::new();
    for index in 0..given.len() {
        let taken = given.take_tcp_listener(index).and_then(|it| {
            it.iter().try_for_each(|it| it.set_nonblocking(true))?;
            Ok(it)
        });
        listeners.extend(taken.map_err(ListenError::Inherited)?);
    }
    if listeners.is_empty() { Err(ListenError::NothingInherited) } else { Ok(listeners) }
}

/// Nobody hands over sockets here.
///
/// # Errors
/// Always.
#[cfg(not(unix))]
pub fn inherited() -> Result<Vec<TcpListener>, ListenError> {
    Err(ListenError::NothingInherited)
}
