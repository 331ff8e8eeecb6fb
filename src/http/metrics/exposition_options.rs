//! What is exposed, and what was built.

use super::CONTRIBUTIONS_MAX;
use crate::impact::RESOURCES;
use crate::metric::Metric;
use crate::version;

/// Largest number of series of a subject that comes and goes: the first four, episode, being new, contributions, and in an
/// episode its severity, impacts and identity.
pub const SUBJECT_SERIES_MAX: usize = 6 + CONTRIBUTIONS_MAX + 2 + RESOURCES.len();

/// What is exposed beside the report, and how.
#[derive(Debug, Clone, Default)]
pub struct ExpositionOptions {
    /// What the sources may set, in the order of exposition; others follow in the order in which they are met.
    pub sources: Vec<&'static Metric>,
    /// Whether what was read of the host is exposed; `process_*` and the metrics of hostnorm itself always are.
    pub raw: bool,
    /// Whether everything is exposed of subjects that come and go, instead of [`SUBJECT_SERIES_MAX`] series each.
    pub raw_subjects: bool,
    /// Largest number of series of a page; `None` for no limit.
    pub series_max: Option<u64>,
    /// What was built.
    pub build: BuildInfo,
}

/// What was built from what by what; a part that is not known is empty and its label absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildInfo {
    /// Version of the package.
    pub version: &'static str,
    /// Commit it was built from.
    pub revision: &'static str,
    /// Version of the compiler.
    pub rust_version: &'static str,
}

impl Default for BuildInfo {
    fn default() -> Self {
        Self { version: version::VERSION, revision: version::REVISION, rust_version: version::RUSTC }
    }
}
