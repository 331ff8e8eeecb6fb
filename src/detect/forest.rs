//! The extended isolation forest: the number of random cuts needed to isolate a row from the rows it was trained on.
//!
//! Hariri, Carrasco Kind, Brunner, "Extended Isolation Forest", TKDE 2019, doi 10.1109/TKDE.2019.2947676, at full
//! extension: a cut passes through a uniform point of the bounding box of the node's rows, with a random normal vector that
//! [`random`](super::random) draws the same way on every machine.
//!
//! *Design.* Each tree is a heap of fixed depth: the children of node `i` are `2i` and `2i + 1`. A descent is a fixed number
//! of dot products without a branch, and eight trees descend in parallel to hide latency. The threshold of a cut is one
//! more factor of the dot product; its partner in the row is 1. Most trees are sparse, so nodes without a cut share one
//! plane of zeros, and a table maps nodes to planes. `docs/adr/001-own-forest.md` has the measurements.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::simd_lanes::{LANES, SimdLanes, chunks, fill, products, total};
use super::tree_builder::{TreeBuilder, search_length};

pub use super::feature_rows::FeatureRows;

mod validate;

/// Largest number of values in a row.
pub const WIDTH_MAX: usize = 256;

/// Largest number of trees; scores change little after the first hundred.
pub const TREES_MAX: usize = 1_000;

/// Largest number of rows for a tree; memory and time grow with it.
pub const SAMPLE_MAX: usize = 4_096;

/// Options of the training.
#[derive(Debug, Clone, PartialEq)]
pub struct ForestOptions {
    /// Number of trees.
    pub trees: usize,
    /// Number of rows for each tree; all rows if there are fewer.
    pub sample_size: usize,
}

impl Default for ForestOptions {
    fn default() -> Self {
        Self { trees: 100, sample_size: 256 }
    }
}

/// Why training failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrowForestError {
    /// At least two rows are needed for a cut.
    TooFewRows(usize),
    /// Rows are empty, or have more than [`WIDTH_MAX`] values.
    Width(usize),
    /// A value is infinite or NaN.
    NotFinite {
        /// Index of the row, from 0.
        row: usize,
    },
    /// Fewer than one tree, or more than [`TREES_MAX`].
    Trees(usize),
    /// Fewer than two rows for a tree, or more than [`SAMPLE_MAX`].
    Sample(usize),
}

impl fmt::Display for GrowForestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewRows(rows) => write!(f, "too few rows: {rows}, 2 required"),
            Self::Width(width) => write!(f, "rows of {width} signals, 1 to {WIDTH_MAX} are possible"),
            Self::NotFinite { row } => write!(f, "row {row} has a value that is infinite or not a number"),
            Self::Trees(trees) => write!(f, "{trees} trees, 1 to {TREES_MAX} are possible"),
            Self::Sample(sample) => write!(f, "{sample} rows for a tree, 2 to {SAMPLE_MAX} are possible"),
        }
    }
}

impl std::error::Error for GrowForestError {}

/// Number of trees that descend in parallel.
const IN_FLIGHT: usize = 8;

/// Lanes of the widest row and its constant 1.
const CHUNKS_MAX: usize = (WIDTH_MAX + 1).div_ceil(LANES);

/// A trained forest.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Forest {
    width: usize,
    trees: usize,
    /// Levels of cuts; a tree has `2^depth` leaves.
    depth: u32,
    /// Mean path length of an unsuccessful search in a binary search tree with the number of rows of a tree.
    typical: f64,
    /// Number of nodes with rows on both sides of their cut.
    splits: usize,
    /// Normal vectors, each followed by minus its threshold; the first is all zeros.
    planes: Vec<SimdLanes>,
    /// Plane index of each node, `2^depth` for each tree; index 0 of each tree is unused.
    plane_of: Vec<u32>,
    /// Path lengths, `2^depth` for each tree.
    leaves: Vec<f32>,
}

impl fmt::Debug for Forest {
    /// Prints only sizes, because the nodes would fill pages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { width, trees, depth, splits, .. } = self;
        write!(f, "Forest {{ width: {width}, trees: {trees}, depth: {depth}, splits: {splits} }}")
    }
}

impl Forest {
    /// Trains a forest. Equal rows, options and seed give an equal forest on every machine.
    pub fn train(rows: &FeatureRows, options: &ForestOptions, seed: u64) -> Result<Self, GrowForestError> {
        check_trainable(rows, options)?;
        let sample = options.sample_size.min(rows.len());
        let mut grower = TreeBuilder::new(rows, sample, seed);
        let mut picked: Vec<u32> = (0..rows.len() as u32).collect();
        for _ in 0..options.trees {
            grower.pick(rows, &mut picked, sample);
            grower.grow_tree();
        }
        Ok(Self {
            width: rows.width(),
            trees: options.trees,
            depth: grower.depth,
            typical: search_length(sample),
            splits: grower.splits,
            planes: grower.planes,
            plane_of: grower.plane_of,
            leaves: grower.leaves,
        })
    }

    /// Anomaly score of a row, between 0 and 1: `2^(-E(h) / c(sample))` of the paper. About 0.5 for rows that are as
    /// hard to isolate as in random data, higher for isolated rows.
    pub fn score(&self, row: &[f32]) -> f64 {
        debug_assert_eq!(row.len(), self.width, "a row of the width trained on");
        let mut lanes = [[0.0; LANES]; CHUNKS_MAX];
        fill(&mut lanes, row, self.width);
        // One instance of the descent for each usual number of lanes, so that the compiler unrolls its products.
        let path = match chunks(self.width) {
            1 => self.path::<1>(&lanes),
            2 => self.path::<2>(&lanes),
            3 => self.path::<3>(&lanes),
            4 => self.path::<4>(&lanes),
            5 => self.path::<5>(&lanes),
            6 => self.path::<6>(&lanes),
            7 => self.path::<7>(&lanes),
            8 => self.path::<8>(&lanes),
            _ => self.path::<0>(&lanes),
        };
        (-path / (self.trees as f64 * self.typical)).exp2()
    }

    /// Sum of the path lengths in all trees; `CHUNKS` is 0 if the number of lanes is not known at compile time.
    fn path<const CHUNKS: usize>(&self, row: &[SimdLanes; CHUNKS_MAX]) -> f64 {
        let chunks = if CHUNKS == 0 { chunks(self.width) } else { CHUNKS };
        let row = &row[..chunks];
        let mut path = 0.0;
        for first in (0..self.trees).step_by(IN_FLIGHT) {
            let lengths = self.descend::<CHUNKS>(row, first);
            let trees = IN_FLIGHT.min(self.trees - first);
            path += lengths[..trees].iter().map(|&it| f64::from(it)).sum::<f64>();
        }
        path
    }

    /// Values in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of nodes with rows on both sides of their cut. A forest without any distinguishes nothing, unless all
    /// rows were equal.
    pub fn split_node_count(&self) -> usize {
        self.splits
    }

    /// Memory size, in bytes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(self.planes.as_slice())
            + size_of_val(self.plane_of.as_slice())
            + size_of_val(self.leaves.as_slice())
    }

    /// Hash that identifies a forest: FNV-1a (Fowler, Noll, Vo) of everything that affects a score.
    pub fn digest(&self) -> u64 {
        let planes = self.planes.iter().flatten().chain(&self.leaves).map(|it| it.to_bits());
        let shape = [self.width as u32, self.trees as u32, self.depth];
        shape
            .into_iter()
            .chain(planes)
            .chain(self.plane_of.iter().copied())
            .flat_map(u32::to_le_bytes)
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            })
    }

    /// Path lengths of the row in [`IN_FLIGHT`] trees from `first` on; beyond the last tree, the last one is repeated.
    #[inline]
    fn descend<const CHUNKS: usize>(&self, row: &[SimdLanes], first: usize) -> [f32; IN_FLIGHT] {
        let size = 1_usize << self.depth;
        let last = self.trees - 1;
        let start: [usize; IN_FLIGHT] = std::array::from_fn(|idx| (first + idx).min(last) * size);
        let mut node = [1_usize; IN_FLIGHT];
        let mut sums = [[0.0; LANES]; IN_FLIGHT];
        for _ in 0..self.depth {
            let planes = std::array::from_fn(|idx| self.plane_of[start[idx] + node[idx]]);
            multiply::<CHUNKS>(row, &self.planes, &planes, &mut sums);
            for idx in 0..IN_FLIGHT {
                node[idx] = 2 * node[idx] + usize::from(total(sums[idx]) > 0.0);
            }
        }
        std::array::from_fn(|idx| self.leaves[start[idx] + node[idx] - size])
    }
}

fn check_trainable(rows: &FeatureRows, options: &ForestOptions) -> Result<(), GrowForestError> {
    if !(1..=WIDTH_MAX).contains(&rows.width()) {
        return Err(GrowForestError::Width(rows.width()));
    }
    if rows.len() < 2 {
        return Err(GrowForestError::TooFewRows(rows.len()));
    }
    if !(1..=TREES_MAX).contains(&options.trees) {
        return Err(GrowForestError::Trees(options.trees));
    }
    if !(2..=SAMPLE_MAX).contains(&options.sample_size) {
        return Err(GrowForestError::Sample(options.sample_size));
    }
    match rows.iter().position(|it| it.iter().any(|it| !it.is_finite())) {
        Some(row) => Err(GrowForestError::NotFinite { row }),
        None => Ok(()),
    }
}

/// Products of a row with one plane of each tree in flight. Not inlined on purpose: inlined, the following additions
/// make the compiler use two lanes instead of four.
#[inline(never)]
fn multiply<const CHUNKS: usize>(
    row: &[SimdLanes],
    planes: &[SimdLanes],
    which: &[u32; IN_FLIGHT],
    sums: &mut [SimdLanes; IN_FLIGHT],
) {
    let chunks = if CHUNKS == 0 { row.len() } else { CHUNKS };
    let row = &row[..chunks];
    for (sum, &plane) in sums.iter_mut().zip(which) {
        *sum = products(row, &planes[plane as usize * chunks..][..chunks]);
    }
}

#[cfg(test)]
#[path = "forest_test.rs"]
mod tests;
