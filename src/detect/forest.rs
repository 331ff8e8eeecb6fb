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

use super::tree_builder::{TreeBuilder, search_length};

mod validate;

/// The most signals that a row can have.
pub const WIDTH_MAX: usize = 256;

/// The most trees in a forest; scores change little after the first hundred.
pub const TREES_MAX: usize = 1_000;

/// The most rows that a tree grows on; memory and time grow with it.
pub const SAMPLE_MAX: usize = 4_096;

/// Rows of one width, one after the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FeatureRows {
    width: usize,
    values: Vec<f32>,
}

impl FeatureRows {
    /// No rows yet, each of `width` values.
    pub fn new(width: usize) -> Self {
        Self { width, values: Vec::new() }
    }

    /// Adds a row; one of another width is cut, or filled with 0.
    pub fn push(&mut self, row: &[f32]) {
        debug_assert_eq!(row.len(), self.width, "rows of one width");
        let end = self.values.len() + self.width;
        self.values.extend_from_slice(&row[..row.len().min(self.width)]);
        self.values.resize(end, 0.0);
    }

    /// Values in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// A row by its number; an empty one when there is none.
    pub fn row(&self, idx: usize) -> &[f32] {
        self.values.get(idx * self.width..(idx + 1) * self.width).unwrap_or_default()
    }

    /// The rows in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.width.max(1))
    }
}

/// How a forest is grown.
#[derive(Debug, Clone, PartialEq)]
pub struct ForestOptions {
    /// Trees.
    pub trees: usize,
    /// Rows that each tree grows on; all of them when there are fewer.
    pub sample_size: usize,
}

impl Default for ForestOptions {
    fn default() -> Self {
        Self { trees: 100, sample_size: 256 }
    }
}

/// Why no forest was grown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrainError {
    /// It takes at least two rows to cut between them.
    TooFewRows(usize),
    /// Rows without a value, or with more than [`WIDTH_MAX`].
    Width(usize),
    /// A value is infinite or not a number.
    NotFinite {
        /// The number of the row, from 0.
        row: usize,
    },
    /// Less than one tree, or more than [`TREES_MAX`].
    Trees(usize),
    /// Less than two rows for a tree, or more than [`SAMPLE_MAX`].
    Sample(usize),
}

impl fmt::Display for TrainError {
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

impl std::error::Error for TrainError {}

/// Four values at a time: what every 64-bit machine adds and multiplies at once. The order of additions is fixed by
/// it, so sums do not depend on the compiler's choice of instructions.
pub(super) type Lanes = [f32; LANES];
pub(super) const LANES: usize = 4;

/// Trees that descend side by side.
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
    /// The mean path length in a random search tree of as many rows as each tree grew on.
    typical: f64,
    /// Nodes that have rows on both sides of their cut.
    splits: usize,
    /// Normal vectors with minus the threshold behind; the first is all zeros.
    planes: Vec<Lanes>,
    /// Which plane a node cuts with, `2^depth` a tree; place 0 of each tree is not used.
    plane_of: Vec<u32>,
    /// Path lengths, `2^depth` a tree.
    leaves: Vec<f32>,
}

impl fmt::Debug for Forest {
    /// The size of it: the nodes would fill pages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { width, trees, depth, splits, .. } = self;
        write!(f, "Forest {{ width: {width}, trees: {trees}, depth: {depth}, splits: {splits} }}")
    }
}

impl Forest {
    /// Grows a forest. Equal rows, options and seed give an equal forest on every machine.
    pub fn train(rows: &FeatureRows, options: &ForestOptions, seed: u64) -> Result<Self, TrainError> {
        check_trainable(rows, options)?;
        let sample = options.sample_size.min(rows.len());
        let mut grower = TreeBuilder::new(rows, sample, seed);
        let mut picked: Vec<u32> = (0..rows.len() as u32).collect();
        for _ in 0..options.trees {
            grower.pick(rows, &mut picked, sample);
            grower.plant();
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

    /// How strange a row is, above 0 and below 1: `2^(-E(h) / c(sample))` of the paper. About 0.5 where rows are
    /// as hard to set apart as in random data, higher where they stand alone.
    pub fn score(&self, row: &[f32]) -> f64 {
        debug_assert_eq!(row.len(), self.width, "a row of the width trained on");
        let mut lanes = [[0.0; LANES]; CHUNKS_MAX];
        fill(&mut lanes, row, self.width);
        // One copy of the descent for each usual number of lanes: the compiler unrolls its products.
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

    /// The sum of the path lengths in all trees; `CHUNKS` is 0 when the number of lanes is not known beforehand.
    fn path<const CHUNKS: usize>(&self, row: &[Lanes; CHUNKS_MAX]) -> f64 {
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

    /// Nodes that have rows on both sides of their cut. A forest without one tells nothing from anything, unless
    /// all rows were equal.
    pub fn splits(&self) -> usize {
        self.splits
    }

    /// Memory it takes, in bytes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(self.planes.as_slice())
            + size_of_val(self.plane_of.as_slice())
            + size_of_val(self.leaves.as_slice())
    }

    /// A number that tells forests apart: FNV-1a (Fowler, Noll, Vo) of everything that a score depends on.
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

    /// The path lengths of the row in [`IN_FLIGHT`] trees from `first` on; the last tree stands in for those that
    /// are not there.
    #[inline]
    fn descend<const CHUNKS: usize>(&self, row: &[Lanes], first: usize) -> [f32; IN_FLIGHT] {
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

fn check_trainable(rows: &FeatureRows, options: &ForestOptions) -> Result<(), TrainError> {
    if !(1..=WIDTH_MAX).contains(&rows.width()) {
        return Err(TrainError::Width(rows.width()));
    }
    if rows.len() < 2 {
        return Err(TrainError::TooFewRows(rows.len()));
    }
    if !(1..=TREES_MAX).contains(&options.trees) {
        return Err(TrainError::Trees(options.trees));
    }
    if !(2..=SAMPLE_MAX).contains(&options.sample_size) {
        return Err(TrainError::Sample(options.sample_size));
    }
    match rows.iter().position(|it| it.iter().any(|it| !it.is_finite())) {
        Some(row) => Err(TrainError::NotFinite { row }),
        None => Ok(()),
    }
}

/// Lanes of a row and its constant 1.
pub(super) fn chunks(width: usize) -> usize {
    (width + 1).div_ceil(LANES)
}

/// Writes a row, the 1 that the threshold is multiplied with, and zeros.
pub(super) fn fill(lanes: &mut [Lanes], row: &[f32], width: usize) {
    let values = lanes.as_flattened_mut();
    let known = row.len().min(width);
    values[..known].copy_from_slice(&row[..known]);
    values[known..].fill(0.0);
    values[width] = 1.0;
}

/// The products of a row with one plane for each tree in flight. Kept apart on purpose: inlined, the additions that
/// follow make the compiler work on two lanes at a time instead of four.
#[inline(never)]
fn multiply<const CHUNKS: usize>(
    row: &[Lanes],
    planes: &[Lanes],
    which: &[u32; IN_FLIGHT],
    sums: &mut [Lanes; IN_FLIGHT],
) {
    let chunks = if CHUNKS == 0 { row.len() } else { CHUNKS };
    let row = &row[..chunks];
    for (sum, &plane) in sums.iter_mut().zip(which) {
        *sum = products(row, &planes[plane as usize * chunks..][..chunks]);
    }
}

#[inline]
pub(super) fn dot(row: &[Lanes], plane: &[Lanes]) -> f32 {
    total(products(row, plane))
}

#[inline]
fn products(row: &[Lanes], plane: &[Lanes]) -> Lanes {
    let mut sum = [0.0; LANES];
    for (row, plane) in row.iter().zip(plane) {
        for lane in 0..LANES {
            sum[lane] += row[lane] * plane[lane];
        }
    }
    sum
}

#[inline]
fn total(sum: Lanes) -> f32 {
    (sum[0] + sum[2]) + (sum[1] + sum[3])
}

#[cfg(test)]
#[path = "forest_test.rs"]
mod tests;
