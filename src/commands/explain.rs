//! `hostnorm explain`: explains a range of time, or an episode and reproduces its score from stored data.

use std::ffi::OsString;

use super::daemon_client;
use super::open_store;
use crate::cli::{CommandExit, ExplainArgs, ExplainTarget};
use crate::config::Config;
use crate::duration::HumanDuration;
use crate::episode_text;
use crate::explanation::{
    self, EpisodeId, EpisodeRecord, Explanation, NearbyEpisode, OutOfRangeSignal, SimilarEpisode,
};
use crate::reading::{Subject, Timestamp};
use crate::store::{AROUND_SECONDS, StoreError, StoreReader, TimeRange};
use crate::stored_explanation;
use crate::table::TimeArg;

mod reproduce;
mod line_text;
mod output;
mod process_text;
mod range_output;

use reproduce::Reproduction;

/// Explains a range of time or an episode; exit code 0, 1 if there is no such episode, its scores are not what was stored,
/// or there is neither a running hostnorm nor a store.
pub fn run(
    options: &ExplainArgs,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> CommandExit {
    match &options.target {
        ExplainTarget::Episode(episode) => explain_episode(options, episode, environment),
        ExplainTarget::Around { at, window } => {
            let window = HumanDuration::nearest(window.as_seconds());
            // A relative time stays one, so that it is right on a host whose clock is wrong.
            let at = match at {
                TimeArg::Ago(span) => format!("-{span}"),
                TimeArg::At(at) => at.0.to_string(),
            };
            explain_range(options, &format!("explain?at={at}&window={window}"), environment)
        }
        // Relative, so that the end of the range is the time at which the answer is made.
        ExplainTarget::Since(since) => explain_range(options, &format!("explain?from=-{since}"), environment),
    }
}

/// Shows this explanation of the API: by the running hostnorm, or else from the store.
fn explain_range(
    options: &ExplainArgs,
    resource: &str,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> CommandExit {
    let (found, source) =
        match daemon_client::get_from_daemon_or_store(&options.options, environment, resource) {
            Ok(it) => it,
            Err(exit) => return exit,
        };
    let origin = source.map(|it| format!("from {it}\n")).unwrap_or_default();
    match serde_json::from_value::<Explanation>(found) {
        Ok(it) if options.json => CommandExit::success(serde_json::to_string_pretty(&it).unwrap_or_default()),
        Ok(it) => CommandExit::success(origin + &range_output::text(&it)),
        Err(error) => {
            daemon_client::failure(format!("the answer of another version cannot be read: {error}"))
        }
    }
}

fn explain_episode(
    options: &ExplainArgs,
    EpisodeId { subject, second }: &EpisodeId,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> CommandExit {
    let (config, directory) = match open_store::config(&options.options, environment) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let explained = StoreReader::open(&directory)
        .and_then(|reader| explain(&reader, &config, subject, *second).map_err(|error| reader.locate(error)));
    match explained {
        Err(error) => CommandExit::failure(error.to_string()),
        Ok(None) => CommandExit::failure(format!(
            "no episode {} in the store; `hostnorm episodes` lists all",
            episode_text::id(subject, *second)
        )),
        Ok(Some(it)) => {
            let text = if options.json { output::json(&it) } else { output::text(&it) };
            match &it.reproduction {
                Ok(reproduction) if reproduction.differs() => CommandExit::failure(text),
                _ => CommandExit::success(text),
            }
        }
    }
}

/// An episode with its explanation.
#[derive(Debug)]
struct EpisodeExplanation {
    episode: EpisodeRecord,
    /// The scores made once more, or why they cannot be.
    reproduction: Result<Reproduction, String>,
    /// The signals that left their range of the day before, the earliest first.
    out_of_range: Vec<OutOfRangeSignal>,
    /// Earlier episodes with the same causes, most similar first.
    similar: Vec<SimilarEpisode>,
    /// Episodes of logs that started when this one of the host did, or the reverse; the nearest first.
    nearby: Vec<NearbyEpisode>,
}

fn explain(
    reader: &StoreReader,
    config: &Config,
    subject: &Subject,
    second: Timestamp,
) -> Result<Option<EpisodeExplanation>, StoreError> {
    let Some(episode) = reader.episode(subject, second)? else { return Ok(None) };
    let reproduction = reproduce::reproduce(reader, config, &episode)?;
    let near = explanation::NEARBY_SECONDS;
    let near = TimeRange { from: Timestamp(episode.began - near), to: Timestamp(episode.began + near) };
    let nearby = explanation::nearby_episodes(&episode, &reader.episodes(None, near, usize::MAX)?);
    let earlier = TimeRange { from: TimeRange::ALL.from, to: Timestamp(episode.began) };
    let earlier = reader.episodes(Some(subject), earlier, usize::MAX)?;
    let similar = explanation::similar_episodes(&episode, earlier);
    let range = TimeRange {
        from: Timestamp(episode.began - AROUND_SECONDS),
        to: Timestamp(episode.last_instant() + AROUND_SECONDS),
    };
    let facts = stored_explanation::points(reader, subject, range)?;
    let out_of_range =
        explanation::find_out_of_range_signals(&facts.signals, &facts.points, &facts.reference);
    Ok(Some(EpisodeExplanation { episode, reproduction, out_of_range, similar, nearby }))
}
