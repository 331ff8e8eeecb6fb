//! `hostnorm evaluate`: computes metrics from labels and scores.

use std::io::Write as _;
use std::path::Path;

use super::evaluate_replay;
use super::replay::table_input::TableInput;
use crate::cli::{CommandExit, EvaluateArgs, EvaluationInput, ReplayMode};
use crate::config::{DetectionSettings, LoadedConfig};
use crate::dataset::{self, DatasetError, SeriesFolder};
use crate::evaluate::{self, DatasetEvaluation, FigureComparison, LabeledSeries};
use crate::simulate::TableDefect;

/// Computes and prints metrics. Exit code 0 or 1; 64 for an invalid settings file.
pub fn run(options: &EvaluateArgs) -> CommandExit {
    match figures(options) {
        Ok(text) => CommandExit::success(text),
        Err(exit) => exit,
    }
}

fn figures(options: &EvaluateArgs) -> Result<String, CommandExit> {
    let failure = |problem: DatasetError| CommandExit::failure(problem.to_string());
    let named = match &options.of {
        EvaluationInput::Files { labels, scores, per_day, vus_window } => {
            let series =
                dataset::series(labels, scores, *per_day, *vus_window, &mut warn).map_err(failure)?;
            vec![("all".to_owned(), vec![series])]
        }
        EvaluationInput::Folder { data, scores, set } => {
            let folder = SeriesFolder::open(data).map_err(failure)?;
            let of = |set: &str| Ok((set.to_owned(), folder.with_scores(set, scores, &mut warn)?));
            let named = sets(&folder, set.as_deref()).into_iter().map(of).collect::<Result<Vec<_>, _>>();
            named.map_err(failure)?
        }
        EvaluationInput::Replayed { data, set, mode } => {
            // Invalid settings are reported before anything is replayed.
            let ways = variants(mode)?;
            let folder = SeriesFolder::open(data).map_err(failure)?;
            let sets = sets(&folder, set.as_deref());
            warn_of_tables(&folder, &sets);
            return replayed(options, &folder, &sets, &ways, mode);
        }
    };
    if options.alerts {
        return levels(&named, options);
    }
    let named: Vec<_> = named.into_iter().map(|(name, series)| (name, of(options, &series))).collect();
    Ok(evaluate::show(&named, options.per_series, options.style))
}

/// Writes a warning to standard error, apart from the figures.
fn warn(hint: &str) {
    // A closed pipe is no failure.
    let _ = writeln!(std::io::stderr(), "{hint}");
}

/// Warns of tables whose times look like something else, once for all ways of scoring. The replay
/// reports other faults of a table.
fn warn_of_tables(folder: &SeriesFolder, sets: &[&str]) {
    for entry in sets.iter().flat_map(|set| folder.of_set(set)) {
        for path in [folder.train(entry), folder.test(entry)] {
            if let Some(hint) = TableInput::open(&path).ok().and_then(|it| it.unlikely_times_hint()) {
                warn(&hint);
            }
        }
    }
}

/// The requested sets.
fn sets<'a>(folder: &'a SeriesFolder, set: Option<&'a str>) -> Vec<&'a str> {
    set.map_or_else(|| folder.sets(), |it| vec![it])
}

fn of(options: &EvaluateArgs, series: &[LabeledSeries]) -> DatasetEvaluation {
    evaluate::figures(series, options.threshold)
}

/// What each level finds in each set.
fn levels(named: &[(String, Vec<LabeledSeries>)], options: &EvaluateArgs) -> Result<String, CommandExit> {
    let of = |(name, series): &(String, Vec<LabeledSeries>)| {
        let lacking = || {
            CommandExit::failure(format!(
                "the scores of {name} have no columns is_anomaly and alert; write them with hostnorm replay --all, or pass --replay"
            ))
        };
        Ok((name.clone(), evaluate::levels(series).ok_or_else(lacking)?))
    };
    let found = named.iter().map(of).collect::<Result<Vec<_>, CommandExit>>()?;
    Ok(evaluate::show_levels(&found, options.style))
}

/// One way of scoring series.
struct ReplayVariant {
    /// Its name.
    name: String,
    /// The settings.
    detection: DetectionSettings,
    /// The defect of the rows.
    defect: TableDefect,
}

fn variants(mode: &ReplayMode) -> Result<Vec<ReplayVariant>, CommandExit> {
    let by = |file: Option<&Path>| {
        let name = file.map_or("defaults".to_owned(), |it| it.display().to_string());
        Ok::<_, CommandExit>(ReplayVariant { name, detection: detection(file)?, defect: TableDefect::None })
    };
    Ok(match mode {
        ReplayMode::Once(file) => vec![by(file.as_deref())?],
        ReplayMode::Compare(a, b) => vec![by(a.as_deref())?, by(Some(b))?],
        ReplayMode::Robustness(file) => {
            let detection = detection(file.as_deref())?;
            let way = |it: &TableDefect| ReplayVariant {
                name: it.to_string(),
                detection: detection.clone(),
                defect: *it,
            };
            TableDefect::ALL.iter().map(way).collect()
        }
    })
}

/// The settings of a file, or the defaults. The environment is ignored, so that metrics are reproducible.
fn detection(file: Option<&Path>) -> Result<DetectionSettings, CommandExit> {
    let loaded = LoadedConfig::new(file, std::iter::empty(), Vec::new());
    loaded.map(|it| it.config.detection).map_err(|problems| CommandExit::usage(problems.to_string()))
}

fn replayed(
    options: &EvaluateArgs,
    folder: &SeriesFolder,
    sets: &[&str],
    ways: &[ReplayVariant],
    mode: &ReplayMode,
) -> Result<String, CommandExit> {
    if let (true, [way]) = (options.alerts, ways) {
        let series = |set: &&str| {
            Ok(((*set).to_owned(), evaluate_replay::set(folder, set, &way.detection, way.defect)?))
        };
        let named = sets.iter().map(series).collect::<Result<Vec<_>, CommandExit>>()?;
        return levels(&named, options);
    }
    let mut all = Vec::new();
    for set in sets {
        let mut found = Vec::new();
        for way in ways {
            let series = evaluate_replay::set(folder, set, &way.detection, way.defect)?;
            found.push((way.name.clone(), of(options, &series)));
        }
        all.push(FigureComparison { set: (*set).to_owned(), variants: found });
    }
    Ok(match mode {
        ReplayMode::Compare(..) => evaluate::side_by_side(&all, options.style),
        ReplayMode::Robustness(_) => evaluate::listed(&all, options.style),
        ReplayMode::Once(_) => {
            let only =
                |it: FigureComparison| it.variants.into_iter().next().map(|(_, found)| (it.set, found));
            let named: Vec<_> = all.into_iter().filter_map(only).collect();
            evaluate::show(&named, options.per_series, options.style)
        }
    })
}
