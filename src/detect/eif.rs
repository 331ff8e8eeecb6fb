//! stub
use super::forest::Forest;
use super::{Detector, Lesson, Shape, Verdict, View};
use std::sync::Arc;
/// model
#[derive(Debug, Clone)]
pub struct Model {
    /// x
    pub forest: Arc<Forest>,
    /// x
    pub threshold: f64,
}
#[derive(Debug)]
struct Eif(Option<Model>);
pub(super) fn build(_: &Shape) -> Box<dyn Detector> {
    Box::new(Eif(None))
}
impl Detector for Eif {
    fn judge(&self, view: &View<'_>) -> Verdict {
        let Some(m) = &self.0 else { return Verdict::Abstain };
        let row: Vec<f32> = view.z.iter().map(|it| it.clamp(-10.0, 10.0) as f32).collect();
        Verdict::Score { score: m.forest.score(&row), threshold: m.threshold, shares: vec![] }
    }
    fn learn(&mut self, _: &View<'_>, _: Lesson) {}
    fn install(&mut self, m: &Model) {
        self.0 = Some(m.clone());
    }
}
