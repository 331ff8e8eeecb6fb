//! Why a source failed.

use std::fmt;
use std::path::PathBuf;

/// Why a source failed. An unavailable feature is no failure.
#[derive(Debug)]
pub enum SourceError {
    /// This machine lacks the feature: an old kernel, a disabled option, another system.
    Unavailable {
        /// The missing path.
        path: PathBuf,
    },
    /// The kernel has the feature, and it is switched off.
    SwitchedOff {
        /// The path that it refuses to read.
        path: PathBuf,
    },
    /// The file exists and could not be read.
    Read {
        /// Its path.
        path: PathBuf,
        /// The error.
        source: std::io::Error,
    },
    /// The file does not have the format documented by the kernel.
    Parse {
        /// Its path.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The malformed text, shortened for a message.
        text: String,
    },
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable { path } => write!(f, "{} does not exist on this host", path.display()),
            Self::SwitchedOff { path } => {
                write!(f, "{} is switched off in this kernel", path.display())?;
                let is_pressure = path.parent().is_some_and(|it| it.ends_with("pressure"))
                    || path.extension().is_some_and(|it| it == "pressure");
                if is_pressure { f.write_str("; psi=1 on its command line switches it on") } else { Ok(()) }
            }
            Self::Read { path, source } => write!(f, "cannot read {}: {source}", path.display()),
            Self::Parse { path, line, text } => {
                write!(f, "{}:{line}: malformed: {text:?}", path.display())
            }
        }
    }
}

impl SourceError {
    /// Whether this user must not read it.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Read { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied)
    }

    /// The same error, for another reading.
    pub(super) fn duplicate_error(&self) -> Self {
        match self {
            Self::Unavailable { path } => Self::Unavailable { path: path.clone() },
            Self::SwitchedOff { path } => Self::SwitchedOff { path: path.clone() },
            Self::Read { path, source } => {
                let source = std::io::Error::new(source.kind(), source.to_string());
                Self::Read { path: path.clone(), source }
            }
            Self::Parse { path, line, text } => {
                Self::Parse { path: path.clone(), line: *line, text: text.clone() }
            }
        }
    }
}

impl std::error::Error for SourceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            Self::Unavailable { .. } | Self::SwitchedOff { .. } | Self::Parse { .. } => None,
        }
    }
}

/// Shortens the text of a file for a log line.
pub(super) fn excerpt(text: &str) -> String {
    const CHARS_MAX: usize = 80;
    text.chars().take(CHARS_MAX).collect()
}
