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
            && self.planes.iter().flatten().all(|it| it.is_finite())
            // With a negative path, a score would exceed 1.
            && self.leaves.iter().all(|it| it.is_finite() && *it >= 0.0)
            && self.typical.is_finite()
            && self.typical > 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FeatureRows, Forest, ForestOptions};

    #[test]
    fn a_path_is_neither_negative_nor_infinite() {
        let mut rows = FeatureRows::new(1);
        (0..40_u8).for_each(|it| rows.push(&[f32::from(it)]));
        let forest = Forest::train(&rows, &ForestOptions { trees: 3, sample_size: 16 }, 1).unwrap();
        assert!(forest.is_valid());
        for length in [-1e-30, -3.0, f32::INFINITY, f32::NAN] {
            let mut changed = forest.clone();
            changed.leaves[5] = length;
            assert!(!changed.is_valid(), "{length}");
        }
    }
}
