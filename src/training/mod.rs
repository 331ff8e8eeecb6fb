//! stub
use crate::detect::forest::Rows;
/// set
#[derive(Debug)]
pub struct TrainingSet {
    /// rows
    pub rows: Rows,
    /// noise
    pub noise: Vec<f32>,
}
/// settings
#[derive(Debug, Default)]
pub struct Settings;
/// card
#[derive(Debug, Default)]
pub struct Card {
    /// x
    pub rows: usize,
    /// x
    pub seed: u64,
    /// x
    pub auc_own: f64,
    /// x
    pub auc_peer: Option<f64>,
}
/// model
#[derive(Debug)]
pub struct Model {
    /// x
    pub card: Card,
    /// x
    pub m: crate::detect::eif::Model,
}
impl Model {
    /// x
    pub fn detector(&self) -> crate::detect::eif::Model {
        self.m.clone()
    }
}
/// train
pub fn train(set: &TrainingSet, _: &Settings, seed: u64) -> Result<Model, String> {
    use rand_core::{RngCore, SeedableRng};
    let mut r = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut rows = Rows::new(set.noise.len());
    let mut u = || (r.next_u64() >> 11) as f32 / (1u64 << 53) as f32;
    for i in 0..set.rows.len() {
        let row: Vec<f32> = set
            .rows
            .row(i)
            .iter()
            .zip(&set.noise)
            .map(|(x, n)| {
                let g = (-2.0 * u().max(1e-30).ln()).sqrt() * (6.2831853 * u()).cos();
                x + g * n.sqrt()
            })
            .collect();
        rows.push(&row);
    }
    let f =
        crate::detect::forest::Forest::train(&rows, &Default::default(), seed).map_err(|e| e.to_string())?;
    Ok(Model {
        card: Card::default(),
        m: crate::detect::eif::Model { forest: std::sync::Arc::new(f), threshold: 0.6 },
    })
}
