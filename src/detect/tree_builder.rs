//! Builds trees of the forest.

use std::ops::Range;

use super::feature_rows::FeatureRows;
use super::seeded_rng::{SeededRng, ln};
use super::simd_lanes::{LANES, SimdLanes, chunks, dot, fill};

/// Trees under construction. Buffers are reused from node to node.
pub(super) struct TreeBuilder {
    random: SeededRng,
    width: usize,
    /// Levels of cuts.
    pub(super) depth: u32,
    /// This and the next three fields are those of the resulting forest.
    pub(super) splits: usize,
    pub(super) planes: Vec<SimdLanes>,
    pub(super) plane_of: Vec<u32>,
    pub(super) leaves: Vec<f32>,
    /// The rows of the current tree.
    sample: Vec<SimdLanes>,
    /// Indices of rows in `sample`; each node has a range of them.
    order: Vec<u16>,
    /// Rows on the right side of the current cut.
    right: Vec<u16>,
    /// The bounding box of a node's rows; then `low` is the point of the cut.
    low: Vec<SimdLanes>,
    high: Vec<SimdLanes>,
}

impl TreeBuilder {
    /// Prepares trees of `sample` rows each.
    pub(super) fn new(rows: &FeatureRows, sample: usize, seed: u64) -> Self {
        let chunks = chunks(rows.width());
        Self {
            random: SeededRng::new(seed),
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

    /// Samples the rows of the next tree without replacement: the first steps of a Fisher-Yates shuffle, which
    /// continues from the previous tree.
    pub(super) fn pick(&mut self, rows: &FeatureRows, picked: &mut [u32], sample: usize) {
        let chunks = self.low.len();
        for idx in 0..sample {
            let other = idx + self.random.below(picked.len() - idx);
            picked.swap(idx, other);
            let lanes = &mut self.sample[idx * chunks..(idx + 1) * chunks];
            fill(lanes, rows.row(picked[idx] as usize), self.width);
            self.order[idx] = idx as u16;
        }
    }

    /// Builds a tree on the sampled rows.
    pub(super) fn grow_tree(&mut self) {
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

    /// Computes the bounding box of some rows.
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

    /// Draws a plane through the bounding box. A box without extent is also cut, as in the paper: the plane passes
    /// through its rows, so a different row is separated from them with probability one half.
    fn cut(&mut self) -> usize {
        let (chunks, width) = (self.low.len(), self.width);
        let plane = self.planes.len();
        self.planes.resize(plane + chunks, [0.0; LANES]);
        let normal = &mut self.planes[plane..];
        self.random.fill_normal(&mut normal.as_flattened_mut()[..width]);
        let point = &mut self.low.as_flattened_mut()[..width];
        for (low, high) in point.iter_mut().zip(self.high.as_flattened()) {
            // Not `low + (high - low) * share`, because that difference can overflow.
            let share = self.random.uniform();
            *low = *low * (1.0 - share) + high * share;
        }
        let threshold = dot(&self.low, normal);
        normal.as_flattened_mut()[width] = -threshold;
        plane
    }

    /// Moves the rows left of the plane to the front; returns where the others begin.
    fn part(&mut self, plane: usize, rows: Range<usize>) -> usize {
        let chunks = self.low.len();
        let plane = &self.planes[plane..];
        let (mut left, mut right) = (rows.start, 0);
        for place in rows.clone() {
            let idx = self.order[place];
            let row = &self.sample[usize::from(idx) * chunks..][..chunks];
            let goes_right = dot(row, plane) > 0.0;
            // Written to both sides and kept on one: cheaper than an unpredictable branch.
            self.order[left] = idx;
            self.right[right] = idx;
            left += usize::from(!goes_right);
            right += usize::from(goes_right);
        }
        self.order[left..rows.end].copy_from_slice(&self.right[..right]);
        left
    }
}

/// `c(n)` of the paper: the mean length of an unsuccessful search in a binary search tree of `n` rows.
pub(super) fn search_length(rows: usize) -> f64 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remaining_rows_are_counted_as_in_the_paper() {
        for (rows, expected) in [(0, 0.0), (1, 0.0), (2, 1.0), (3, 1.207_392_357), (256, 10.244_770_92)] {
            let length = search_length(rows);
            assert!((length - expected).abs() < 1e-7, "c({rows}) is {length}");
        }
    }
}
