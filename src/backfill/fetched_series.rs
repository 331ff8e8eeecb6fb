//! Series of a server with their labels, one value per step of a chunk.

use std::collections::BTreeMap;

/// One series.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct FetchedSeries {
    /// Labels or tags of the server.
    pub(super) labels: BTreeMap<String, String>,
    /// Index in the chunk, and the value; finite, in order of time.
    pub(super) values: Vec<(usize, f64)>,
}

/// Largest number of hosts listed in a sentence.
const NAMED_MAX: usize = 5;

/// The first of some names, and the number of the others.
pub(super) fn some_of(names: &[String]) -> Vec<String> {
    let mut some: Vec<String> = names.iter().take(NAMED_MAX).cloned().collect();
    if NAMED_MAX < names.len() {
        some.push(format!("{} more", names.len() - NAMED_MAX));
    }
    some
}
