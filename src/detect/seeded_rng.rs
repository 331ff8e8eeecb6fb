//! Random numbers from a given seed.
//!
//! Equal seeds give equal numbers on every machine: the math functions of the system, whose last digits differ, are
//! not used.

use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A stream of random numbers: xoshiro256++ (Blackman, Vigna, 2019).
#[derive(Debug, Clone)]
pub struct SeededRng(Xoshiro256PlusPlus);

impl SeededRng {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// A uniform number, at least 0 and below 1.
    #[inline]
    pub fn uniform(&mut self) -> f32 {
        unit((self.0.next_u64() >> 32) as u32)
    }

    /// A uniform integer below `end`, with a bias of at most one in 2^32; 0 if `end` is 0.
    #[inline]
    pub fn below(&mut self, end: usize) -> usize {
        (((self.0.next_u64() >> 32) * end as u64) >> 32) as usize
    }

    /// Two independent standard normal numbers, by the polar method (Marsaglia, Bray, 1964).
    #[inline]
    pub fn normals(&mut self) -> [f32; 2] {
        loop {
            let bits = self.0.next_u64();
            let x = 2.0 * unit(bits as u32) - 1.0;
            let y = 2.0 * unit((bits >> 32) as u32) - 1.0;
            let square = x * x + y * y;
            if 0.0 < square && square < 1.0 {
                let square = f64::from(square);
                let factor = (-2.0 * ln(square) / square).sqrt() as f32;
                return [x * factor, y * factor];
            }
        }
    }

    /// Fills the slice with standard normal numbers.
    pub fn fill_normal(&mut self, values: &mut [f32]) {
        for pair in values.chunks_mut(2) {
            let normals = self.normals();
            pair.copy_from_slice(&normals[..pair.len()]);
        }
    }
}

/// The upper 24 bits as a number at least 0 and below 1.
#[inline]
fn unit(bits: u32) -> f32 {
    (bits >> 8) as f32 * (1.0 / (1 << 24) as f32)
}

/// The natural logarithm of a normal positive number, accurate to 1e-9, by additions, multiplications and one
/// division.
#[inline]
pub fn ln(value: f64) -> f64 {
    /// The bits of the square root of one half: the fraction is scaled between it and its double.
    const ROOT_HALF: i64 = std::f64::consts::FRAC_1_SQRT_2.to_bits() as i64;
    let exponent = ((value.to_bits() as i64) - ROOT_HALF) >> 52;
    let fraction = f64::from_bits(((value.to_bits() as i64) - (exponent << 52)) as u64);
    // ln(f) = 2 artanh((f - 1) / (f + 1)), whose argument is at most 0.172 here.
    let ratio = (fraction - 1.0) / (fraction + 1.0);
    let square = ratio * ratio;
    let series = 1.0
        + square
            * (1.0 / 3.0
                + square * (1.0 / 5.0 + square * (1.0 / 7.0 + square * (1.0 / 9.0 + square / 11.0))));
    exponent as f64 * std::f64::consts::LN_2 + 2.0 * ratio * series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logarithm_is_one() {
        for value in
            [1e-14, 1e-3, 0.5, 0.707, 0.708, 0.999_999, 1.0, 1.000_001, 1.414, 1.415, 2.0, 255.0, 4095.0]
        {
            let error = (ln(value) - f64::ln(value)).abs();
            assert!(error <= 1e-9 * f64::ln(value).abs().max(1e-3), "ln({value}) is off by {error}");
        }
    }

    #[test]
    fn normals_are_normal() {
        let mut random = SeededRng::new(7);
        let mut values = vec![0.0; 100_001];
        random.fill_normal(&mut values);
        let moment = |power: i32| {
            values.iter().map(|it| f64::from(*it).powi(power)).sum::<f64>() / values.len() as f64
        };
        for (power, expected, error) in [(1, 0.0, 0.02), (2, 1.0, 0.02), (3, 0.0, 0.06), (4, 3.0, 0.1)] {
            assert!((moment(power) - expected).abs() < error, "moment {power} is {}", moment(power));
        }
        let tail = values.iter().filter(|it| it.abs() > 3.0).count();
        assert!((200..350).contains(&tail), "{tail} of 100,001 beyond 3 deviations, not 270");
    }

    #[test]
    fn the_stream_belongs_to_the_seed() {
        let mut random = SeededRng::new(1);
        assert_eq!(random.below(1000), 811);
        assert!((0..1000).all(|_| random.below(7) < 7));
        assert_eq!(random.below(0), 0);
        assert!((0..1000).all(|_| (0.0..1.0).contains(&random.uniform())));
    }
}
