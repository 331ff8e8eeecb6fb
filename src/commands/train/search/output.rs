//! Formats a search as a table, as JSON or as a settings file.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::SettingsSearchResult;
use crate::cli;
use crate::duration::HumanDuration;
use crate::evaluate::EvaluationFormat;
use crate::settings_search::{CombinationResult, SEEDS, SeedResult, SettingsCombination};

/// Wider windows need a longer warm-up than the default; the settings file leaves them out.
const WINDOW_SECONDS_MAX: f64 = 600.0;

const HEAD: [&str; 10] = [
    "trees",
    "sample_size",
    "half_life",
    "smoothing",
    "window",
    "vus_pr",
    "recall",
    "false_episodes",
    "value",
    "gain",
];

/// The result in the requested format.
pub(super) fn all(found: &SettingsSearchResult, options: &cli::TrainSearch) -> String {
    match options.style {
        EvaluationFormat::Json => format!("{:#}\n", as_json(found)),
        style => format!("{}\n{}", table(found, style), conclusion(found, options)),
    }
}

/// Indices of the combinations, best first.
fn order(found: &SettingsSearchResult) -> Vec<usize> {
    let mut order: Vec<usize> = (0..found.tried.len()).collect();
    let value = |idx: &usize| found.tried[*idx].1.mean(SeedResult::value);
    order.sort_by(|a, b| value(b).total_cmp(&value(a)).then(a.cmp(b)));
    order
}

fn gain(found: &SettingsSearchResult, worth: &CombinationResult) -> f64 {
    worth.mean(SeedResult::value) - found.tried.first().map_or(0.0, |(_, it)| it.mean(SeedResult::value))
}

fn mark(found: &SettingsSearchResult, idx: usize) -> &'static str {
    match idx {
        0 if found.chosen == 0 => "default, chosen",
        0 => "default",
        _ if idx == found.chosen => "chosen",
        _ => "",
    }
}

fn table(found: &SettingsSearchResult, style: EvaluationFormat) -> String {
    let head = HEAD.iter().map(|it| (*it).to_owned()).chain([String::new()]).collect();
    let mut cells: Vec<Vec<String>> = vec![head];
    for idx in order(found) {
        let (it, worth) = &found.tried[idx];
        cells.push(vec![
            it.trees.to_string(),
            it.sample_size.to_string(),
            HumanDuration::nearest(it.half_life).to_string(),
            it.smoothing.to_string(),
            it.window.to_string(),
            format!("{:.4}", worth.mean(|it| it.vus_pr)),
            format!("{:.4}", worth.mean(|it| it.recall)),
            worth.false_episodes.to_string(),
            format!("{:.4}", worth.mean(SeedResult::value)),
            format!("{:+.4}", gain(found, worth)),
            mark(found, idx).to_owned(),
        ]);
    }
    let width = |column: usize| cells.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..=HEAD.len()).map(width).collect();
    let mut text = String::new();
    for (line, row) in cells.iter().enumerate() {
        // Writing to a string cannot fail.
        if style == EvaluationFormat::Markdown {
            let _ = writeln!(text, "| {} |", row.join(" | "));
            if line == 0 {
                let _ = writeln!(text, "|{}---|", "---:|".repeat(HEAD.len()));
            }
            continue;
        }
        let padded = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column == HEAD.len() { cell.clone() } else { format!("{cell:>width$}") }
        });
        let _ = writeln!(text, "{}", padded.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

/// The conclusion, in words.
fn conclusion(found: &SettingsSearchResult, options: &cli::TrainSearch) -> String {
    let [learned, choice, test] = found.parts;
    let (faults, kinds) = found.faults;
    let mut text = format!(
        "{learned} rows were learned, {choice} chose with {faults} faults of {kinds} kinds and {SEEDS} seeds, {test} were \
         kept for the test.\n"
    );
    text.push_str(match found.chosen {
        0 => "No combination is clearly better than the defaults; keep them.\n",
        _ => "The combination marked as chosen is better than the defaults with each seed.\n",
    });
    let line = |name: &str, worth: &CombinationResult| {
        format!(
            "On the test rows, with other faults: {name} has vus_pr {:.4}, recall {:.4}, {} false episodes.\n",
            worth.mean(|it| it.vus_pr),
            worth.mean(|it| it.recall),
            worth.false_episodes
        )
    };
    text.push_str(&line("the default", &found.test[0]));
    if found.chosen != 0 {
        text.push_str(&line("the choice", &found.test[1]));
    }
    if let Some(output) = &options.output {
        let _ = writeln!(text, "{} has the settings.", output.display());
    }
    text
}

fn as_json(found: &SettingsSearchResult) -> Value {
    let worth = |worth: &CombinationResult| {
        json!({
            "vus_pr": worth.mean(|it| it.vus_pr), "recall": worth.mean(|it| it.recall),
            "value": worth.mean(SeedResult::value), "false_episodes": worth.false_episodes,
            "seeds": worth.by_seed.iter().map(|it| json!({ "vus_pr": it.vus_pr, "recall": it.recall })).collect::<Vec<_>>(),
        })
    };
    let tried = |idx: usize| {
        let (it, on_choice) = &found.tried[idx];
        json!({
            "trees": it.trees, "sample_size": it.sample_size, "half_life_seconds": it.half_life, "smoothing": it.smoothing,
            "window_rows": it.window, "is_default": idx == 0, "is_chosen": idx == found.chosen,
            "gain": gain(found, on_choice), "choice": worth(on_choice),
        })
    };
    let [learned, choice, test] = found.parts;
    json!({
        "rows": { "learned": learned, "choice": choice, "test": test },
        "faults": found.faults.0,
        "kinds": found.faults.1,
        "combinations": order(found).into_iter().map(tried).collect::<Vec<_>>(),
        "test": { "default": worth(&found.test[0]), "chosen": worth(&found.test[1]) },
    })
}

/// The settings file.
pub(super) fn file(found: &SettingsSearchResult, options: &cli::TrainSearch) -> String {
    let (chosen, worth) = &found.tried[found.chosen];
    let SettingsCombination { trees, sample_size, half_life, smoothing, window } = *chosen;
    let mut text = format!(
        "# Written by hostnorm train --search on {} rows of {}, {} apart, seed {}.\n",
        found.parts.iter().sum::<usize>(),
        // A line break in the name of a file must not end the comment.
        options.history.display().to_string().replace(char::is_control, " "),
        HumanDuration::nearest(found.every),
        options.seed,
    );
    text.push_str(match found.chosen {
        0 => "# None of the combinations is clearly better than the defaults, so these are the defaults.\n",
        _ => "# This combination is better than the defaults with each seed of simulated faults:\n",
    });
    let line = |of: &str, worth: &CombinationResult| {
        format!(
            "# {of}: vus_pr {:.4}, recall {:.4}\n",
            worth.mean(|it| it.vus_pr),
            worth.mean(|it| it.recall)
        )
    };
    text.push_str(&line("on the rows that chose", worth));
    text.push_str(&line("on the rows of the test", &found.test[1]));
    text.push_str(&line("the defaults on the rows of the test", &found.test[0]));
    let half_life = HumanDuration::nearest(half_life);
    let _ = write!(
        text,
        "forest: {{trees: {trees}, sample_size: {sample_size}}}\nhalf_life: {half_life}\nsmoothing: {smoothing}\n"
    );
    let seconds = window as f64 * found.every;
    if window > 1 && seconds <= WINDOW_SECONDS_MAX {
        let _ = write!(
            text,
            "# {window} rows are one point, as readings of a second; hostnorm replay ignores window\nwindow: {seconds:.0}\n"
        );
    } else if window > 1 {
        let _ =
            writeln!(text, "# {window} rows were one point; that is too long for the window of a live host");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks the settings file for a window of this many rows with this interval in seconds.
    fn check(every: f64, window: usize, expect: &str) {
        let worth = |value| CombinationResult {
            by_seed: vec![SeedResult { vus_pr: value, recall: value }; SEEDS],
            false_episodes: 0,
        };
        let with = |window| SettingsCombination {
            trees: 50,
            sample_size: 128,
            half_life: 86_400.0,
            smoothing: 0.5,
            window,
        };
        let found = SettingsSearchResult {
            every,
            tried: vec![(with(1), worth(0.5)), (with(window), worth(0.75))],
            chosen: 1,
            test: [worth(0.25), worth(0.5)],
            parts: [70, 15, 15],
            faults: (8, 7),
        };
        let options = cli::TrainSearch {
            history: "a\n.csv".into(),
            every: None,
            output: None,
            full: false,
            seed: 1,
            style: EvaluationFormat::Table,
        };
        let text = file(&found, &options);
        let head = format!(
            "# Written by hostnorm train --search on 100 rows of a .csv, {} apart, seed 1.\n\
             # This combination is better than the defaults with each seed of simulated faults:\n\
             # on the rows that chose: vus_pr 0.7500, recall 0.7500\n\
             # on the rows of the test: vus_pr 0.5000, recall 0.5000\n\
             # the defaults on the rows of the test: vus_pr 0.2500, recall 0.2500\n\
             forest: {{trees: 50, sample_size: 128}}\nhalf_life: 1d\nsmoothing: 0.5\n",
            HumanDuration::nearest(every)
        );
        assert_eq!(text, format!("{head}{expect}"));
    }

    #[test]
    fn a_window_is_written_where_a_live_host_can_have_it() {
        check(60.0, 1, "");
        check(
            60.0,
            5,
            "# 5 rows are one point, as readings of a second; hostnorm replay ignores window\nwindow: 300\n",
        );
        check(300.0, 5, "# 5 rows were one point; that is too long for the window of a live host\n");
    }
}
