//! Dot products in lanes of a fixed width.

/// Four values, the vector width of every 64-bit machine. It fixes the order of additions, so sums do not depend on
/// the instructions that the compiler chooses.
pub(super) type SimdLanes = [f32; LANES];
pub(super) const LANES: usize = 4;

/// Number of lanes of a row and its constant 1.
pub(super) fn chunks(width: usize) -> usize {
    (width + 1).div_ceil(LANES)
}

/// Writes a row, the constant 1 for the threshold, and zero padding.
pub(super) fn fill(lanes: &mut [SimdLanes], row: &[f32], width: usize) {
    let values = lanes.as_flattened_mut();
    let known = row.len().min(width);
    values[..known].copy_from_slice(&row[..known]);
    values[known..].fill(0.0);
    values[width] = 1.0;
}

/// The dot product of a row and a plane.
#[inline]
pub(super) fn dot(row: &[SimdLanes], plane: &[SimdLanes]) -> f32 {
    total(products(row, plane))
}

/// Products of the values of a row with those of a plane, added up in each lane.
#[inline]
pub(super) fn products(row: &[SimdLanes], plane: &[SimdLanes]) -> SimdLanes {
    let mut sum = [0.0; LANES];
    for (row, plane) in row.iter().zip(plane) {
        for lane in 0..LANES {
            sum[lane] += row[lane] * plane[lane];
        }
    }
    sum
}

/// The sum of all lanes.
#[inline]
pub(super) fn total(sum: SimdLanes) -> f32 {
    (sum[0] + sum[2]) + (sum[1] + sum[3])
}
