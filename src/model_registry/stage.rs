//! The stage of a model: shadow, current, retired.

use std::fmt;

/// What a version does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionStage {
    /// It judges beside the current one, and is watched.
    Shadow,
    /// It judges.
    Current,
    /// It judged, or was a shadow, until a newer one came.
    Retired,
    /// It was a shadow and was found worse.
    Refused,
}

impl VersionStage {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Shadow, Self::Current, Self::Retired, Self::Refused];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shadow => "shadow",
            Self::Current => "current",
            Self::Retired => "retired",
            Self::Refused => "refused",
        }
    }

    /// The stage of this name.
    pub fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Whether it judges or is tried out.
    pub fn is_running(self) -> bool {
        matches!(self, Self::Shadow | Self::Current)
    }
}

impl fmt::Display for VersionStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
