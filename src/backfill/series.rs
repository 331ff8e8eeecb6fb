//! Series of a server with their labels, one value per step of a chunk.

use std::collections::BTreeMap;

/// One series.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct FetchedSeries {
    /// Labels or tags of the server.
    pub(super) labels: BTreeMap<String, String>,
    /// Which instant of the part, and the value; finite, in the order of time.
    pub(super) values: Vec<(usize, f64)>,
}

/// Most hosts that a sentence names.
const NAMED_MAX: usize = 5;

/// The first of some names, and how many more there are.
pub(super) fn some_of(names: &[String]) -> Vec<String> {
    let mut some: Vec<String> = names.iter().take(NAMED_MAX).cloned().collect();
    if NAMED_MAX < names.len() {
        some.push(format!("{} more", names.len() - NAMED_MAX));
    }
    some
}
