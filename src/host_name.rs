//! The name of this host.

/// The name of this host as the kernel knows it; none if it has no name.
pub fn host_name() -> Option<String> {
    #[cfg(unix)]
    {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Some(name).filter(|it| !it.is_empty())
    }
    #[cfg(not(unix))]
    None
}
