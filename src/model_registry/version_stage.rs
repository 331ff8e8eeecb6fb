//! The stage of a model: shadow, current, retired.

use std::fmt;

/// The stage of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionStage {
    /// It scores beside the current model, for evaluation.
    Shadow,
    /// It scores.
    Current,
    /// It was current, or a shadow model, until a newer one replaced it.
    Retired,
    /// It was a shadow model and was worse.
    Refused,
}

impl VersionStage {
    /// All stages.
    pub const ALL: [Self; 4] = [Self::Shadow, Self::Current, Self::Retired, Self::Refused];

    /// Name of the stage.
    pub fn name(self) -> &'static str {
        match self {
            Self::Shadow => "shadow",
            Self::Current => "current",
            Self::Retired => "retired",
            Self::Refused => "refused",
        }
    }

    /// Parses the name of a stage.
    pub fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// Whether it is current or in shadow mode.
    pub fn is_running(self) -> bool {
        matches!(self, Self::Shadow | Self::Current)
    }
}

impl fmt::Display for VersionStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
