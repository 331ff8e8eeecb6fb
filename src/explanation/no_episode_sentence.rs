//! The answer in words where there was no episode.

use super::unscored_range::unscored_text;
use super::{OutOfRangeSignal, UnscoredRange};
use crate::episode_text;
use crate::reading::{Subject, Timestamp};

/// Why there may be no score in a range.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum MissingScore {
    /// There was none, or it is no longer stored.
    #[default]
    Unknown,
    /// The range begins after now.
    Future,
    /// The range is so recent that its score is not stored yet.
    NotStored,
    /// hostnorm learns what is normal of the subject; the first score is expected at this time.
    Learning(Timestamp),
}

/// The answer without an episode and without a score.
pub(super) fn unknown_sentence(subject: &Subject, missing: MissingScore) -> String {
    let known = format!("Nothing is known of {} at this time", episode_text::name(subject));
    match missing {
        MissingScore::Unknown => format!("{known}: there is no score"),
        MissingScore::Future => format!("{known}: it is in the future"),
        MissingScore::NotStored => format!("{known}: its score is not stored yet; ask again in a minute"),
        MissingScore::Learning(at) => {
            let second = episode_text::second(Timestamp(at.0.ceil()));
            format!(
                "{known}: there is no score, because hostnorm is still learning; the first comes at {second}"
            )
        }
    }
}

/// The answer without an episode.
pub(super) fn no_episode_sentence(
    subject: &Subject,
    highest: f64,
    out_of_range: Option<&[OutOfRangeSignal]>,
    unscored: &[UnscoredRange],
) -> String {
    let name = episode_text::name(subject);
    let verdict = match highest >= 1.0 {
        true => format!("The score of {name} reached {highest:.2} (unusual from 1) without an episode"),
        false => format!("Nothing was unusual on {name}: highest score {highest:.2} (unusual from 1)"),
    };
    let within = match out_of_range {
        None => verdict,
        Some([]) => format!("{verdict}, each signal within its range of the day before"),
        Some(left) => {
            let titles: Vec<_> =
                left.iter().take(episode_text::CAUSES_MAX).map(|it| it.title.as_str()).collect();
            let more = left.len().saturating_sub(titles.len());
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            format!("{verdict}; outside the range of the day before: {}{more}", titles.join(", "))
        }
    };
    within + &unscored_text(unscored)
}
