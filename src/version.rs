//! The version of hostnorm, as `build.rs` determines it.

/// Version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Commit of the build; empty if unknown.
pub const REVISION: &str = env!("BUILD_REVISION");

/// Version of the compiler.
pub const RUSTC: &str = env!("BUILD_RUSTC");

/// The line printed by `--version`.
pub fn line() -> String {
    let revision = if REVISION.is_empty() { "unknown" } else { REVISION };
    format!("hostnorm {VERSION} (revision {revision}, rustc {RUSTC})")
}
