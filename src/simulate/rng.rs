//! Random numbers of several distributions, and curves for the simulated host.
//!
//! The system's math functions are not used, so equal seeds give equal bytes on every machine; see
//! [`seeded_rng`](crate::detect::seeded_rng). `sqrt` is exact by IEEE 754.

use crate::detect::seeded_rng::SeededRng;

/// A stream of random numbers with several distributions.
#[derive(Debug, Clone)]
pub struct SimulationRng {
    random: SeededRng,
    /// Normal numbers are drawn in pairs; this is the second one.
    spare: Option<f64>,
}

impl SimulationRng {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self { random: SeededRng::new(seed), spare: None }
    }

    /// The underlying stream.
    pub fn random(&mut self) -> &mut SeededRng {
        &mut self.random
    }

    /// A normal number with mean 0 and variance 1.
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        let [first, second] = self.random.normals();
        self.spare = Some(f64::from(second));
        f64::from(first)
    }

    /// A uniform number between two others.
    pub fn between(&mut self, lower: f64, upper: f64) -> f64 {
        lower + (upper - lower) * f64::from(self.random.uniform())
    }

    /// A positive number whose logarithm is normal, with median 1.
    pub fn log_normal(&mut self, sigma: f64) -> f64 {
        exp(sigma * self.normal())
    }

    /// Whether an event with this probability occurs.
    pub fn happens(&mut self, probability: f64) -> bool {
        f64::from(self.random.uniform()) < probability
    }

    /// A Poisson number with this mean: products of uniform numbers (Knuth, TAOCP vol. 2, 3.4.1), and above
    /// [`POISSON_COUNTED_MAX`] the normal approximation.
    pub fn poisson(&mut self, expected: f64) -> f64 {
        if expected > POISSON_COUNTED_MAX {
            return (expected + expected.sqrt() * self.normal()).round().max(0.0);
        }
        let end = exp(-expected.max(0.0));
        let (mut product, mut count) = (f64::from(self.random.uniform()), 0.0);
        while product > end {
            product *= f64::from(self.random.uniform());
            count += 1.0;
        }
        count
    }
}

/// Above this mean, the error of the normal approximation is below the noise.
const POISSON_COUNTED_MAX: f64 = 30.0;

/// Autocorrelated noise: a first-order autoregression with variance 1 and a time constant.
#[derive(Debug, Clone)]
pub struct AutocorrelatedNoise {
    memory: f64,
    noise: f64,
    value: f64,
}

impl AutocorrelatedNoise {
    /// Noise whose correlation falls to 1/e within `constant` seconds, in steps of `step` seconds.
    pub fn new(constant: f64, step: f64) -> Self {
        let memory = exp(-step / constant);
        Self { memory, noise: (1.0 - memory * memory).max(0.0).sqrt(), value: 0.0 }
    }

    /// The next value.
    pub fn next(&mut self, rng: &mut SimulationRng) -> f64 {
        self.value = self.memory * self.value + self.noise * rng.normal();
        self.value
    }
}

/// `e^x`, accurate to 1e-12: the power of two separately, the rest by its series. Clamped to the range of a double.
pub fn exp(x: f64) -> f64 {
    let turns = (x.clamp(-700.0, 700.0) * std::f64::consts::LOG2_E).round();
    let rest = x.clamp(-700.0, 700.0) - turns * std::f64::consts::LN_2;
    // Twelve terms: the rest is at most 0.35, whose twelfth power over 12! is below 1e-14.
    let series = (1..=12).rev().fold(1.0, |sum, n| 1.0 + sum * rest / f64::from(n));
    series * f64::from_bits(((turns as i64 + 1023) as u64) << 52)
}

/// A sine wave of `turns` periods by Bhaskara's rational approximation, accurate to 0.002.
pub fn wave(turns: f64) -> f64 {
    let turn = turns - turns.floor();
    let (half, sign) = if turn < 0.5 { (2.0 * turn, 1.0) } else { (2.0 * turn - 1.0, -1.0) };
    let product = half * (1.0 - half);
    sign * 16.0 * product / (5.0 - 4.0 * product)
}

/// The value of a periodic table, interpolated between its entries.
pub fn along(table: &[f64], at: f64) -> f64 {
    let count = table.len().max(1);
    let place = at - (at / count as f64).floor() * count as f64;
    let (from, rest) = (place.floor() as usize % count, place - place.floor());
    let get = |idx: usize| table.get(idx % count).copied().unwrap_or_default();
    get(from) + (get(from + 1) - get(from)) * rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_match_their_functions() {
        for x in [-700.0, -20.0, -1.5, -0.1, 0.0, 1e-9, 0.3466, 0.5, 1.0, 2.5, 30.0, 700.0] {
            assert!((exp(x) / f64::exp(x) - 1.0).abs() < 1e-12, "exp({x})");
        }
        assert!(exp(f64::MAX).is_finite() && exp(f64::MIN) > 0.0);
        for step in -50..50 {
            let turns = f64::from(step) / 20.0;
            assert!((wave(turns) - (std::f64::consts::TAU * turns).sin()).abs() < 0.002, "{turns}");
        }
        for (at, expect) in [(0.0, 1.0), (0.5, 1.5), (1.0, 2.0), (2.5, 3.0), (-0.5, 3.0), (5.0, 5.0)] {
            assert!((along(&[1.0, 2.0, 5.0], at) - expect).abs() < 1e-12, "{at}");
        }
    }

    #[test]
    fn numbers_have_their_distribution() {
        let mut rng = SimulationRng::new(3);
        for expected in [0.0, 0.05, 2.0, 25.0, 400.0] {
            let mean = (0..20_000).map(|_| rng.poisson(expected)).sum::<f64>() / 20_000.0;
            let error = 4.0 * (expected / 20_000.0).sqrt();
            assert!((mean - expected).abs() <= error, "{mean} of {expected}");
        }
        let mut drift = AutocorrelatedNoise::new(600.0, 60.0);
        let values: Vec<f64> = (0..50_000).map(|_| drift.next(&mut rng)).collect();
        let mean_of = |lag: usize| {
            values.iter().zip(&values[lag..]).map(|(a, b)| a * b).sum::<f64>() / values.len() as f64
        };
        assert!((mean_of(0) - 1.0).abs() < 0.1, "variance {}", mean_of(0));
        assert!((mean_of(10) - 0.37).abs() < 0.08, "after its time constant {}", mean_of(10));
    }
}
