//! Formats parts of explanations as lines of text.

use crate::duration::HumanDuration;
use crate::episode_text;
use crate::explanation::{Cause, NearbyEpisode, OutOfRangeSignal};
use crate::reading::Timestamp;
use crate::report::EpisodeTemplate;
use crate::signal::SignalUnit;
use crate::sources;

/// When something was, as people read it: `2026-11-21 10:00:00`, in UTC.
pub(super) fn instant(at: f64) -> String {
    let text = episode_text::instant(Timestamp(at)).replace('T', " ");
    text.get(..19).unwrap_or_default().to_owned()
}

/// For example "new         upstream <*> timed out".
pub(super) fn template(it: &EpisodeTemplate) -> String {
    format!("{:<10}  {}", if it.is_new { "new" } else { "more often" }, it.text)
}

/// For example "2026-11-21T10:00:00Z/log/nginx  12s later  Anomaly on log nginx: …".
pub(super) fn nearby(it: &NearbyEpisode) -> String {
    let away = HumanDuration::nearest(it.seconds_later.abs().round());
    let side = if it.seconds_later < 0.0 { "earlier" } else { "later" };
    format!("{}  {away} {side}  {}", it.id, it.description)
}

fn unit(name: &str) -> SignalUnit {
    sources::signal(name).map_or(SignalUnit::Count, |it| it.unit)
}

/// A signal with its value, its part of the score, and its expected value with the normal range.
pub(super) fn cause(it: &Cause) -> String {
    let title = sources::signal(&it.signal).map_or(it.signal.as_str(), |it| it.title);
    let quantity = |value: f64| episode_text::quantity(unit(&it.signal), value);
    if let (Some(absence), Some(seconds)) = (&it.absence, it.seconds) {
        return format!("{title:<40} {absence} for {seconds:.0} s");
    }
    let value = it.value.map(quantity).unwrap_or_default();
    let expected = it.expected.map(|expected| format!("expected {}", quantity(expected))).unwrap_or_default();
    let range = match (it.lower.map(quantity), it.upper.map(quantity)) {
        (Some(lower), Some(upper)) => format!(", range {lower} to {upper}"),
        (Some(lower), None) => format!(", at least {lower}"),
        (None, Some(upper)) => format!(", at most {upper}"),
        (None, None) => String::new(),
    };
    let share = it.contribution.map(|it| format!("{it:+.2} of the score")).unwrap_or_default();
    format!("{title:<40} {value:>10}  {share}  {expected}{range}")
}

/// A signal with the time and value at which it left its range.
pub(super) fn out_of_range_signal(it: &OutOfRangeSignal) -> String {
    let quantity = |value: f64| episode_text::quantity(unit(&it.signal), value);
    let (value, lower, upper) = (quantity(it.value), quantity(it.lower), quantity(it.upper));
    format!("{} UTC  {:<40} {value:>10}  range {lower} to {upper}", instant(it.at), it.title)
}
