//! How the process ends.

use crate::control_characters::lines;

/// How the process ends. Only `main.rs` ends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandExit {
    /// The exit code, one of the constants here.
    pub code: u8,
    /// Text to print: on standard output after a success, else on standard error. Control characters are escaped, because
    /// names of files and values of flags may have any.
    pub text: String,
}

impl CommandExit {
    /// Success.
    pub const SUCCESS: u8 = 0;
    /// A failure at run time.
    pub const FAILURE: u8 = 1;
    /// Invalid command line or settings; `EX_USAGE` of `sysexits.h`.
    pub const USAGE: u8 = 64;

    /// Success with output.
    pub fn success(text: impl Into<String>) -> Self {
        Self { code: Self::SUCCESS, text: lines(&text.into()) }
    }

    /// A failure at run time.
    pub fn failure(text: impl Into<String>) -> Self {
        Self { code: Self::FAILURE, text: lines(&text.into()) }
    }

    /// Invalid command line or settings.
    pub fn usage(text: impl Into<String>) -> Self {
        Self { code: Self::USAGE, text: lines(&text.into()) }
    }
}
