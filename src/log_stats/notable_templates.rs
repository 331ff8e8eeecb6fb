//! Templates that explain an anomaly.

use crate::log_template::{LogTemplate, LogTemplates};

/// Largest number of templates that are named.
pub const NOTABLE_MAX: usize = 5;

/// Seconds for which a template is named as new.
const NAMED_SECONDS: f64 = 60.0;

/// Growth from which a template is named.
const GROWTH_MIN: f64 = 2.0;

/// A kind of line that explains an anomaly of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotableTemplate {
    /// The masked text, at most [`MASKED_BYTES_MAX`](crate::log_mask::MASKED_BYTES_MAX) bytes.
    pub text: String,
    /// Whether it was never seen before the last minute.
    pub is_new: bool,
}

/// Those that are new within the last minute, the most frequent first; then those that came more often than usual.
pub(super) fn of(templates: &LogTemplates, learned_at: Option<f64>, now: f64) -> Vec<NotableTemplate> {
    let is_new = |it: &LogTemplate| {
        learned_at.is_some_and(|learned| it.first_at >= learned) && now - it.first_at < NAMED_SECONDS
    };
    let rank = |it: &LogTemplate| if is_new(it) { it.recent(now) } else { it.growth(now) };
    let mut found: Vec<(bool, f64, &LogTemplate)> = templates
        .each()
        .map(|it| (is_new(it), rank(it), it))
        .filter(|it| it.0 || it.1 >= GROWTH_MIN)
        .collect();
    found.sort_by(|one, other| other.0.cmp(&one.0).then(other.1.total_cmp(&one.1)));
    let named = found.into_iter().take(NOTABLE_MAX);
    named.map(|(is_new, _, it)| NotableTemplate { text: it.text.clone(), is_new }).collect()
}
