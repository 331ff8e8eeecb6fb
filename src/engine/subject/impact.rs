//! The impact of the current state on the work of the subject.

use super::SubjectState;
use crate::impact::ImpactFormula;
use crate::report::Assessment;
use crate::signal::ReadingPair;

impl SubjectState {
    /// Adds the impact and the severity to the assessment.
    pub(in super::super) fn measure_impact(
        &mut self,
        assessment: &mut Assessment,
        change: Option<&ReadingPair<'_>>,
        formulas: &[&'static ImpactFormula],
    ) {
        if let Some(change) = change {
            self.impact.step(change, formulas, assessment.episode.is_some());
        }
        assessment.impact = self.impact.rows().collect();
        assessment.severity = self.impact.severity().filter(|_| assessment.episode.is_some());
    }
}
