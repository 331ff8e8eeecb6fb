//! Cost: measures hostnorm at each reading, and switches parts off and on.

use super::persist::PersistentState;
use crate::cost_limit::{CostControl, CostLimits, LIMIT, Part, USED};
use crate::reading::{Labels, Reading, Values};
use crate::sources;

/// The cost, and what is off because of it.
#[derive(Debug)]
pub(super) struct CostState(CostControl);

impl CostState {
    pub(super) fn new(limits: CostLimits) -> Self {
        Self(CostControl::new(limits))
    }

    /// Whether a part is on.
    pub(super) fn is_active(&self, part: Part) -> bool {
        self.0.is_active(part)
    }

    /// Takes the cost from a reading, and adds to it which parts are on.
    pub(super) fn update(&mut self, reading: &mut Reading, persistent: &mut PersistentState) {
        let switched = self.0.step(reading.at, sources::own_cost(reading));
        self.0.note(reading);
        let Some((part, is_on)) = switched else { return };
        let [memory_bytes, cpus] = self.0.used().map(|(_, it)| it);
        let name = part.name();
        if is_on {
            tracing::info!(
                part = name,
                memory_bytes,
                cpus,
                "cost is well within its limits; a part is on again"
            );
        } else {
            tracing::warn!(
                part = name,
                memory_bytes,
                cpus,
                "cost is above its limits; a part is off until it is well within them"
            );
        }
        if part == Part::ShadowModel {
            persistent.pause_shadows(!is_on);
        }
    }

    /// The limits and what is used.
    pub(super) fn values(&self, values: &mut Values) {
        let rows = [(&LIMIT, self.0.limits()), (&USED, self.0.used())];
        for (metric, rows) in rows {
            for (resource, value) in rows {
                value.iter().for_each(|it| values.set_by(metric, &Labels::new([resource]), *it));
            }
        }
    }
}

impl PersistentState {
    /// Stops scoring with shadow models, or resumes it.
    fn pause_shadows(&mut self, is_paused: bool) {
        let kinds: Vec<_> = self.engine.kinds().collect();
        for kind in kinds {
            match self.registry.shadow(kind) {
                Some(_) if is_paused => self.engine.drop_shadow(kind),
                Some(shadow) => self.engine.try_out(kind, shadow.eif()),
                None => {}
            }
        }
    }
}
