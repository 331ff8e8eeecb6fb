//! `hostnorm explain`: explains the current state, or an episode and reproduces its score from stored data.

use std::ffi::OsString;

use super::{daemon_client, open_store};
use crate::cli::{Exit, Explain};
use crate::config::Config;
use crate::control::ControlCommand;
use crate::episode_text;
use crate::reading::{Subject, Timestamp};
use crate::store::{EpisodeRow, StoreError, StoreReader, TimeRange};

mod similar_episodes;
mod reproduce;
mod output;

use reproduce::Reproduction;
use similar_episodes::SimilarEpisode;

/// Explains an episode, or without one the present state; exit code 0, 1 if there is no such episode, its scores are not
/// what was stored, or no hostnorm runs.
pub fn run(options: &Explain, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Exit {
    let Some((subject, second)) = &options.episode else {
        return daemon_client::ask(&options.options, environment, &ControlCommand::Explain, options.json);
    };
    let (config, directory) = match open_store::config(&options.options, environment) {
        Ok(found) => found,
        Err(exit) => return exit,
    };
    let explained =
        StoreReader::open(&directory).and_then(|reader| explain(&reader, &config, subject, *second));
    match explained {
        Err(error) => Exit::failure(error.to_string()),
        Ok(None) => Exit::failure(format!(
            "no episode {} in the store; `hostnorm episodes` lists all",
            episode_text::id(subject, *second)
        )),
        Ok(Some(it)) => {
            let text = if options.json { output::json(&it) } else { output::text(&it) };
            match &it.reproduction {
                Ok(again) if again.differs() => Exit::failure(text),
                _ => Exit::success(text),
            }
        }
    }
}

/// An episode and what can be said of it.
#[derive(Debug)]
struct Explanation {
    episode: EpisodeRow,
    /// The scores made once more, or why they cannot be.
    reproduction: Result<Reproduction, String>,
    /// Earlier episodes with the same signals to blame, the most alike first.
    similar: Vec<SimilarEpisode>,
}

fn explain(
    reader: &StoreReader,
    config: &Config,
    subject: &Subject,
    second: Timestamp,
) -> Result<Option<Explanation>, StoreError> {
    let Some(episode) = reader.episode(subject, second)? else { return Ok(None) };
    let again = reproduce::reproduce(reader, config, &episode)?;
    let alike = similar_episodes::to(&episode, reader.episodes(TimeRange::ALL)?);
    Ok(Some(Explanation { episode, reproduction: again, similar: alike }))
}
