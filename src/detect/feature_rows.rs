//! Rows of features, one after the other in memory.

/// Contiguous rows of equal width.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FeatureRows {
    width: usize,
    values: Vec<f32>,
}

impl FeatureRows {
    /// Creates an empty set of rows with `width` values each.
    pub fn new(width: usize) -> Self {
        Self { width, values: Vec::new() }
    }

    /// Adds a row; one of another width is truncated or padded with 0.
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

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The row with this index, or an empty one beyond the last.
    pub fn row(&self, idx: usize) -> &[f32] {
        self.values.get(idx * self.width..(idx + 1) * self.width).unwrap_or_default()
    }

    /// The rows in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.values.chunks_exact(self.width.max(1))
    }
}
