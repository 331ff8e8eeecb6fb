//! The figures of a fixed number of lines, as simpler log detectors have them.

use std::collections::BTreeSet;

/// Four figures of consecutive lines, by plain words: for comparison with detectors that judge windows of lines.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LineWindow {
    /// Mean length of a line, in characters.
    pub mean_length: f64,
    /// Lines that contain "error", in any case.
    pub errors: usize,
    /// Lines that contain "warn", in any case.
    pub warnings: usize,
    /// Different lines.
    pub unique: usize,
}

impl LineWindow {
    /// The figures of these lines; `None` without any.
    pub fn of(lines: &[&str]) -> Option<Self> {
        let characters: usize = lines.iter().map(|it| it.chars().count()).sum();
        let containing = |word: &str| lines.iter().filter(|it| it.to_lowercase().contains(word)).count();
        (!lines.is_empty()).then(|| Self {
            mean_length: characters as f64 / lines.len() as f64,
            errors: containing("error"),
            warnings: containing("warn"),
            unique: lines.iter().collect::<BTreeSet<_>>().len(),
        })
    }
}
