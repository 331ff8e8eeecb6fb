//! Whether the current episode of the subject is worth an alert.

use super::{EngineSettings, SubjectState};
use crate::alert::AlertEvidence;
use crate::report::{AlertState, Assessment};

impl SubjectState {
    /// Decides about an alert once the impact is known, and adds the decision to the assessment.
    pub(in super::super) fn decide_alert(&mut self, assessment: &mut Assessment, settings: &EngineSettings) {
        if let Some(now) = self.scored.take() {
            // A silence withholds no alert: Alertmanager does that, and the alert is there when the silence ends.
            let is_withheld = assessment.current_circumstances.maintenance;
            let evidence = AlertEvidence { severity: assessment.severity, is_withheld };
            let decision = self.scorer.decide_alert(now.score, now.elapsed, evidence, &settings.scorer());
            self.alert = Some(AlertState {
                is_active: decision.is_active,
                level: decision.level,
                threshold: now.threshold,
                budget_spent: decision.budget_spent,
                withheld: decision.withheld,
            });
        }
        // Without a score at this tick, as after a gap, the last decision stands as long as its episode.
        let in_episode = assessment.episode.is_some();
        assessment.alert = self.alert.map(|it| AlertState {
            is_active: it.is_active && in_episode,
            withheld: it.withheld.filter(|_| in_episode),
            ..it
        });
    }
}
