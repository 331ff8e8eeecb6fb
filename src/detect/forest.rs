//! The extended isolation forest itself: how few random cuts it takes to set a row apart from the rows it grew on.
//!
//! Hariri, Carrasco Kind, Brunner, "Extended Isolation Forest", TKDE 2019, doi 10.1109/TKDE.2019.2947676, at full
//! extension: a cut goes through a point drawn uniformly from the bounding box of the node's rows, across a random
//! normal vector, which [`random`](super::random) draws the same on every machine.
//!
//! *Design.* Each tree is a heap of fixed depth: the children of node `i` are `2i` and `2i + 1`, so that a descent is
//! a fixed number of dot products without a branch, and eight trees descend at a time to hide each other's waiting.
//! The threshold is one more factor of the dot product, whose partner in the row is 1. Most trees are far from full,
//! so nodes that cut nothing share one plane of zeros; a table gives each node its plane. `docs/adr/0002-own-forest.md`
//! has the measurements.

use std::fmt;
use std::ops::Range;

use super::random::{Random, ln};

/// The most signals that a row can have.
pub const WIDTH_MAX: usize = 256;

/// The most trees in a forest; scores change little after the first hundred.
pub const TREES_MAX: usize = 1_000;

/// The most rows that a tree grows on; memory and time grow with it.
pub const SAMPLE_MAX: usize = 4_096;

/// Rows of one width, one after the other.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    width: usize,
    values: Vec<f32>,
}

impl Rows {
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
pub struct Options {
    /// Trees.
    pub trees: usize,
    /// Rows that each tree grows on; all of them when there are fewer.
    pub sample: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { trees: 100, sample: 256 }
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
            Self::TooFewRows(rows) => write!(f, "{rows} rows are too few to train on, at least 2 are needed"),
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
type Lanes = [f32; LANES];
const LANES: usize = 4;

/// Trees that descend side by side.
const IN_FLIGHT: usize = 8;

/// Lanes of the widest row and its constant 1.
const CHUNKS_MAX: usize = (WIDTH_MAX + 1).div_ceil(LANES);

/// A trained forest.
#[derive(Clone, PartialEq)]
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
    pub fn train(rows: &Rows, options: &Options, seed: u64) -> Result<Self, TrainError> {
        check_trainable(rows, options)?;
        let sample = options.sample.min(rows.len());
        let mut grower = Grower::new(rows, sample, seed);
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
        let lanes = &lanes[..chunks(self.width)];
        let mut path = 0.0;
        for first in (0..self.trees).step_by(IN_FLIGHT) {
            let lengths = self.descend(lanes, first);
            let trees = IN_FLIGHT.min(self.trees - first);
            path += lengths[..trees].iter().map(|&it| f64::from(it)).sum::<f64>();
        }
        (-path / (self.trees as f64 * self.typical)).exp2()
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
    fn descend(&self, row: &[Lanes], first: usize) -> [f32; IN_FLIGHT] {
        let size = 1_usize << self.depth;
        let last = self.trees - 1;
        let start: [usize; IN_FLIGHT] = std::array::from_fn(|idx| (first + idx).min(last) * size);
        let mut node = [1_usize; IN_FLIGHT];
        for _ in 0..self.depth {
            for idx in 0..IN_FLIGHT {
                let plane = self.plane_of[start[idx] + node[idx]] as usize * row.len();
                let right = dot(row, &self.planes[plane..plane + row.len()]) > 0.0;
                node[idx] = 2 * node[idx] + usize::from(right);
            }
        }
        std::array::from_fn(|idx| self.leaves[start[idx] + node[idx] - size])
    }
}

fn check_trainable(rows: &Rows, options: &Options) -> Result<(), TrainError> {
    if !(1..=WIDTH_MAX).contains(&rows.width()) {
        return Err(TrainError::Width(rows.width()));
    }
    if rows.len() < 2 {
        return Err(TrainError::TooFewRows(rows.len()));
    }
    if !(1..=TREES_MAX).contains(&options.trees) {
        return Err(TrainError::Trees(options.trees));
    }
    if !(2..=SAMPLE_MAX).contains(&options.sample) {
        return Err(TrainError::Sample(options.sample));
    }
    match rows.iter().position(|it| it.iter().any(|it| !it.is_finite())) {
        Some(row) => Err(TrainError::NotFinite { row }),
        None => Ok(()),
    }
}

/// Lanes of a row and its constant 1.
fn chunks(width: usize) -> usize {
    (width + 1).div_ceil(LANES)
}

/// Writes a row, the 1 that the threshold is multiplied with, and zeros.
fn fill(lanes: &mut [Lanes], row: &[f32], width: usize) {
    let values = lanes.as_flattened_mut();
    let known = row.len().min(width);
    values[..known].copy_from_slice(&row[..known]);
    values[known..].fill(0.0);
    values[width] = 1.0;
}

#[inline]
fn dot(row: &[Lanes], plane: &[Lanes]) -> f32 {
    let mut sum = [0.0; LANES];
    for (row, plane) in row.iter().zip(plane) {
        for lane in 0..LANES {
            sum[lane] += row[lane] * plane[lane];
        }
    }
    (sum[0] + sum[2]) + (sum[1] + sum[3])
}

/// `c(n)` of the paper: the mean length of an unsuccessful search in a binary tree of `n` rows.
fn search_length(rows: usize) -> f64 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    match rows {
        0 | 1 => 0.0,
        2 => 1.0,
        _ => {
            let others = rows as f64 - 1.0;
            2.0 * (ln(others) + EULER) - 2.0 * others / rows as f64
        }
    }
}

/// Trees while they grow. Its buffers are reused from node to node.
struct Grower {
    random: Random,
    width: usize,
    depth: u32,
    splits: usize,
    planes: Vec<Lanes>,
    plane_of: Vec<u32>,
    leaves: Vec<f32>,
    /// The rows of the tree under way.
    sample: Vec<Lanes>,
    /// Numbers of rows in `sample`; each node has a range of it.
    order: Vec<u16>,
    /// Rows that go right, while a node is cut.
    right: Vec<u16>,
    /// The bounding box of a node's rows; then `low` is the point of the cut.
    low: Vec<Lanes>,
    high: Vec<Lanes>,
}

impl Grower {
    fn new(rows: &Rows, sample: usize, seed: u64) -> Self {
        let chunks = chunks(rows.width());
        Self {
            random: Random::new(seed),
            width: rows.width(),
            depth: sample.next_power_of_two().trailing_zeros(),
            splits: 0,
            planes: vec![[0.0; LANES]; chunks],
            plane_of: Vec::new(),
            leaves: Vec::new(),
            sample: vec![[0.0; LANES]; sample * chunks],
            order: vec![0; sample],
            right: vec![0; sample],
            low: vec![[0.0; LANES]; chunks],
            high: vec![[0.0; LANES]; chunks],
        }
    }

    /// Draws the rows of the next tree, none twice: the first steps of a Fisher-Yates shuffle, which goes on from
    /// where the last tree left it.
    fn pick(&mut self, rows: &Rows, picked: &mut [u32], sample: usize) {
        let chunks = self.low.len();
        for idx in 0..sample {
            let other = idx + self.random.below(picked.len() - idx);
            picked.swap(idx, other);
            let lanes = &mut self.sample[idx * chunks..(idx + 1) * chunks];
            fill(lanes, rows.row(picked[idx] as usize), self.width);
            self.order[idx] = idx as u16;
        }
    }

    fn plant(&mut self) {
        let size = 1_usize << self.depth;
        let start = self.leaves.len();
        self.plane_of.resize(start + size, 0);
        self.leaves.resize(start + size, 0.0);
        self.grow(start, 1, 0, 0..self.order.len());
    }

    fn grow(&mut self, start: usize, node: usize, depth: u32, rows: Range<usize>) {
        if depth == self.depth || rows.len() < 2 {
            let length = f64::from(depth) + search_length(rows.len());
            let beneath = self.depth - depth;
            let first = start + (node << beneath) - (1 << self.depth);
            self.leaves[first..first + (1 << beneath)].fill(length as f32);
            return;
        }
        self.measure(rows.clone());
        let plane = self.cut();
        self.plane_of[start + node] = (plane / self.low.len()) as u32;
        let middle = self.part(plane, rows.clone());
        self.splits += usize::from(rows.start < middle && middle < rows.end);
        self.grow(start, 2 * node, depth + 1, rows.start..middle);
        self.grow(start, 2 * node + 1, depth + 1, middle..rows.end);
    }

    /// The bounding box of some rows.
    fn measure(&mut self, rows: Range<usize>) {
        let chunks = self.low.len();
        self.low.fill([f32::INFINITY; LANES]);
        self.high.fill([f32::NEG_INFINITY; LANES]);
        for &idx in &self.order[rows] {
            let row = &self.sample[usize::from(idx) * chunks..][..chunks];
            for ((row, low), high) in row.iter().zip(&mut self.low).zip(&mut self.high) {
                for lane in 0..LANES {
                    low[lane] = if row[lane] < low[lane] { row[lane] } else { low[lane] };
                    high[lane] = if row[lane] > high[lane] { row[lane] } else { high[lane] };
                }
            }
        }
    }

    /// Draws a plane through the bounding box. A box without extent is cut all the same, as in the paper: the
    /// plane goes through its rows, so whatever is not equal to them has an even chance to part from them.
    fn cut(&mut self) -> usize {
        let (chunks, width) = (self.low.len(), self.width);
        let plane = self.planes.len();
        self.planes.resize(plane + chunks, [0.0; LANES]);
        let normal = &mut self.planes[plane..];
        self.random.fill_normal(&mut normal.as_flattened_mut()[..width]);
        let point = &mut self.low.as_flattened_mut()[..width];
        for (low, high) in point.iter_mut().zip(self.high.as_flattened()) {
            // Not `low + (high - low) * share`: that difference can overflow.
            let share = self.random.uniform();
            *low = *low * (1.0 - share) + high * share;
        }
        let threshold = dot(&self.low, normal);
        normal.as_flattened_mut()[width] = -threshold;
        plane
    }

    /// Moves the rows left of the plane to the front and tells where the others begin.
    fn part(&mut self, plane: usize, rows: Range<usize>) -> usize {
        let chunks = self.low.len();
        let plane = &self.planes[plane..];
        let (mut left, mut right) = (rows.start, 0);
        for place in rows.clone() {
            let idx = self.order[place];
            let row = &self.sample[usize::from(idx) * chunks..][..chunks];
            let goes_right = dot(row, plane) > 0.0;
            // Written to both sides, kept on one: cheaper than a branch that nobody can foresee.
            self.order[left] = idx;
            self.right[right] = idx;
            left += usize::from(!goes_right);
            right += usize::from(goes_right);
        }
        self.order[left..rows.end].copy_from_slice(&self.right[..right]);
        left
    }
}

#[cfg(test)]
#[path = "forest_test.rs"]
mod tests;
