//! `hostnorm episodes`: lists stored anomalies as a table or as JSON.

use std::ffi::OsString;
use std::fmt::Write as _;

use super::open_store;
use crate::cli::{CommandExit, EpisodesArgs};
use crate::clock;
use crate::explanation::EpisodeRecord;

/// Lists episodes; exit code 0, also if there are none; 64 for a range that ends before it starts.
pub fn run(
    options: &EpisodesArgs,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> CommandExit {
    let reader = match open_store::reader(&options.options, environment) {
        Ok(reader) => reader,
        Err(exit) => return exit,
    };
    let range = match options.range.between(clock::now()) {
        Ok(range) => range,
        Err(exit) => return exit,
    };
    match reader.episodes(None, range, usize::MAX) {
        Err(error) => CommandExit::failure(reader.locate(error).to_string()),
        Ok(episodes) if options.json => {
            CommandExit::success(serde_json::to_string_pretty(&episodes).unwrap_or_default())
        }
        Ok(episodes) if episodes.is_empty() => CommandExit::success("no anomalies stored in this range"),
        Ok(episodes) => CommandExit::success(table(&episodes)),
    }
}

/// One line each, the newest last, where a terminal shows it.
fn table(episodes: &[EpisodeRecord]) -> String {
    let mut text = format!(
        "{:<20}  {:>9}  {:<11}  {:>5}  {}\n",
        "episode", "duration", "outcome", "peak", "description"
    );
    for it in episodes {
        // Infallible: it is memory that is written to.
        let _ = writeln!(
            text,
            "{:<20}  {:>9}  {:<11}  {:>5.1}  {}",
            it.id,
            it.duration_text(),
            it.outcome,
            it.peak,
            it.description
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_is_a_line() {
        let episode = EpisodeRecord {
            id: "2026-11-21T10:00:00Z".into(),
            kind: "host".into(),
            subject: "host".into(),
            began: 1_795_255_200.25,
            // Meanwhile the clock was set forward by an hour.
            ended: Some(1_795_258_895.5),
            last_seen: 1_795_258_895.5,
            lasted: Some(95.25),
            outcome: "ended".into(),
            peak: 7.43,
            causes: Vec::new(),
            description: "Anomaly on host: CPU usage 97 %".into(),
            severity: None,
            circumstances: Vec::new(),
            verdict: None,
            verdict_at: None,
            model: None,
            retained_from: None,
            retained_to: None,
            culprits: Vec::new(),
            scenes: Vec::new(),
            templates: Vec::new(),
        };
        assert_eq!(
            table(&[episode]),
            "episode                duration  outcome       peak  description\n\
             2026-11-21T10:00:00Z      1m35s  ended          7.4  Anomaly on host: CPU usage 97 %\n"
        );
    }
}
