//! Validates a decoded forest.

use super::{Forest, SAMPLE_MAX, TREES_MAX, WIDTH_MAX, chunks};

impl Forest {
    /// Whether its sizes and indices are consistent, so that no descent leaves the arrays.
    pub fn is_valid(&self) -> bool {
        let depth_max = SAMPLE_MAX.trailing_zeros();
        let shape = (1..=WIDTH_MAX).contains(&self.width)
            && (1..=TREES_MAX).contains(&self.trees)
            && (1..=depth_max).contains(&self.depth);
        if !shape {
            return false;
        }
        let (nodes, chunks) = (self.trees << self.depth, chunks(self.width));
        let planes = (self.planes.len() / chunks) as u32;
        (self.plane_of.len(), self.leaves.len()) == (nodes, nodes)
            && self.planes.len().is_multiple_of(chunks)
            && self.plane_of.iter().all(|it| *it < planes)
            && self.planes.iter().flatten().chain(&self.leaves).all(|it| it.is_finite())
            && self.typical.is_finite()
            && self.typical > 0.0
    }
}
