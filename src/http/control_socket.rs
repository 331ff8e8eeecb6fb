//! The Unix socket that takes commands. Its file permissions decide who may connect.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why there is no control socket.
#[derive(Debug)]
pub struct ControlSocketError {
    path: PathBuf,
    source: io::Error,
}

impl fmt::Display for ControlSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hint = match self.source.kind() {
            io::ErrorKind::AddrInUse => {
                "another hostnorm listens there; stop it, or set web.control_socket to another path"
            }
            io::ErrorKind::AlreadyExists => {
                "a file that is not a socket has this name; remove it, or set web.control_socket to another path"
            }
            io::ErrorKind::NotADirectory => {
                "set storage.path to a directory, or web.control_socket to another path"
            }
            _ => "set web.control_socket to a path in a directory that hostnorm may write to, or to off",
        };
        write!(f, "cannot listen on {}: {}; {hint}", self.path.display(), self.source)
    }
}

impl std::error::Error for ControlSocketError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(not(unix))]
pub(super) use tokio::net::TcpStream as ControlStream;
#[cfg(unix)]
pub(super) use tokio::net::UnixStream as ControlStream;
#[cfg(unix)]
pub use unix::ControlSocket;

#[cfg(unix)]
mod unix {
    use std::fs::{self, DirBuilder, Permissions};
    use std::io::{self, ErrorKind};
    use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use tokio::net::{UnixListener, UnixStream};
    use tokio::runtime::Handle;

    use super::ControlSocketError;

    /// The owner and the group of hostnorm may connect.
    const MODE: u32 = 0o660;
    /// Mode of a directory that is created for the socket.
    const DIRECTORY_MODE: u32 = 0o700;

    /// Time between two checks that the file is still there.
    const CHECK: Duration = Duration::from_secs(10);

    /// A listening Unix socket; its file is removed when it is dropped.
    #[derive(Debug)]
    pub struct ControlSocket {
        listener: UnixListener,
        path: PathBuf,
        /// The file that was created, so that another one of the same name is left alone.
        inode: u64,
    }

    impl ControlSocket {
        /// Listens at this path; creates its directory, and removes the socket of a process that ended without doing so.
        ///
        /// # Errors
        /// When another process listens there, something that is not a socket is there, or the system refuses.
        pub async fn bind(path: &Path) -> Result<Self, ControlSocketError> {
            let (runtime, own) = (Handle::current(), path.to_owned());
            // The directory may be on a disk that hangs.
            let bind = tokio::task::spawn_blocking(move || runtime.block_on(Self::try_bind(&own)));
            let bound = bind.await.unwrap_or_else(|error| Err(io::Error::other(error)));
            bound.map_err(|source| ControlSocketError { path: path.to_owned(), source })
        }

        async fn try_bind(path: &Path) -> io::Result<Self> {
            if let Some(directory) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
                let created = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory);
                created.map_err(|error| match error.kind() {
                    // A file, a device, or a link that leads nowhere; not the socket.
                    ErrorKind::AlreadyExists => ErrorKind::NotADirectory.into(),
                    _ => error,
                })?;
            }
            match fs::symlink_metadata(path) {
                Ok(found) if !found.file_type().is_socket() => return Err(ErrorKind::AlreadyExists.into()),
                Ok(_) if is_dead(path).await? => fs::remove_file(path)?,
                Ok(_) => return Err(ErrorKind::AddrInUse.into()),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            let listener = UnixListener::bind(path)?;
            let inode = fs::symlink_metadata(path)?.ino();
            fs::set_permissions(path, Permissions::from_mode(MODE))?;
            Ok(Self { listener, path: path.to_owned(), inode })
        }

        /// Completes when the file is gone, or another one has its name: then no client finds this socket.
        pub(in crate::http) async fn lost(&self) {
            loop {
                tokio::time::sleep(CHECK).await;
                let (path, inode) = (self.path.clone(), self.inode);
                // The directory may be on a disk that hangs.
                let check = move || is_own_socket(&path, inode);
                if matches!(tokio::task::spawn_blocking(check).await, Ok(false)) {
                    return;
                }
            }
        }

        /// Listens again where the file was removed, as with the directory of the store; tries until it can.
        pub(in crate::http) async fn bind_again(self) -> Self {
            let path = self.path.clone();
            drop(self);
            let mut was_refused = false;
            loop {
                match Self::bind(&path).await {
                    Ok(socket) => {
                        tracing::info!(path = %path.display(), "the control socket was removed; it is there again");
                        return socket;
                    }
                    Err(error) if !was_refused => {
                        tracing::warn!(%error, "the control socket was removed; local commands are unavailable");
                        was_refused = true;
                    }
                    Err(_) => {}
                }
                tokio::time::sleep(CHECK).await;
            }
        }

        pub(in crate::http) async fn accept(&self) -> io::Result<UnixStream> {
            Ok(self.listener.accept().await?.0)
        }
    }

    /// Whether nobody listens at this socket.
    async fn is_dead(path: &Path) -> io::Result<bool> {
        match UnixStream::connect(path).await {
            Ok(_) => Ok(false),
            Err(error) => match error.kind() {
                ErrorKind::ConnectionRefused => Ok(true),
                // The listener is there and has no time.
                ErrorKind::WouldBlock => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// Whether the socket with this inode is at this path.
    fn is_own_socket(path: &Path, inode: u64) -> bool {
        fs::symlink_metadata(path).is_ok_and(|it| it.file_type().is_socket() && it.ino() == inode)
    }

    impl Drop for ControlSocket {
        fn drop(&mut self) {
            if is_own_socket(&self.path, self.inode) {
                let _ = fs::remove_file(&self.path);
            }
        }
    }
}

/// There are no Unix sockets here.
#[cfg(not(unix))]
#[derive(Debug)]
pub enum ControlSocket {}

#[cfg(not(unix))]
impl ControlSocket {
    /// Listens nowhere.
    ///
    /// # Errors
    /// Always.
    pub async fn bind(path: &std::path::Path) -> Result<Self, ControlSocketError> {
        Err(ControlSocketError { path: path.to_owned(), source: io::ErrorKind::Unsupported.into() })
    }

    pub(super) async fn accept(&self) -> io::Result<ControlStream> {
        match *self {}
    }

    pub(super) async fn lost(&self) {
        match *self {}
    }

    pub(super) async fn bind_again(self) -> Self {
        self
    }
}
