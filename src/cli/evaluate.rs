//! The command line of `hostnorm evaluate`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgGroup, ArgMatches, value_parser};

use super::CommandExit;
use crate::duration::HumanDuration;
use crate::evaluate::{EvaluationFormat, VUS_WINDOW_MAX};

/// Default of the widest tolerance, from the authors of the volumes.
const VUS_WINDOW: usize = 100;

/// Arguments of `evaluate`.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluateArgs {
    /// Labels and scores.
    pub of: EvaluationInput,
    /// The score from which a row counts as anomalous.
    pub threshold: f64,
    /// Output format.
    pub style: EvaluationFormat,
    /// Whether to show each series.
    pub per_series: bool,
    /// Whether to show what each level finds, instead of the metrics.
    pub alerts: bool,
}

/// Source of labels and scores.
#[derive(Debug, Clone, PartialEq)]
pub enum EvaluationInput {
    /// One series.
    Files {
        /// The file with labels.
        labels: PathBuf,
        /// The file with scores.
        scores: PathBuf,
        /// Rows per day.
        per_day: f64,
        /// Widest tolerance around events for the volumes, in rows.
        vus_window: usize,
    },
    /// A dataset directory, and a directory with scores.
    Folder {
        /// The labeled series.
        data: PathBuf,
        /// A file with scores for each series.
        scores: PathBuf,
        /// A single set.
        set: Option<String>,
    },
    /// A dataset directory, whose series are scored by replay.
    Replayed {
        /// The labeled series.
        data: PathBuf,
        /// A single set.
        set: Option<String>,
        /// How they are replayed.
        mode: ReplayMode,
    },
}

/// How series are replayed; without a settings file, with the defaults.
#[derive(Debug, Clone, PartialEq)]
pub enum ReplayMode {
    /// Once.
    Once(Option<PathBuf>),
    /// With each of two settings files.
    Compare(Option<PathBuf>, PathBuf),
    /// Once as they are, and with each defect.
    Robustness(Option<PathBuf>),
}

const LONG: &str = "Measure how well scores match labels: exit 0, or 1 if a file is malformed.

Scores come from files, or with --replay from scoring the series. As with hostnorm replay, settings about a host have no \
effect. Environment variables are ignored, too.

--alerts shows the alerts that operators would get. For each level, it shows the share of events that are found, the \
false episodes, and the delay. An event is found during the event or within five rows after it. A false episode lies \
outside of the events and of the 30 rows after each. No threshold is chosen with hindsight. Scores from files need the \
columns is_anomaly and alert of hostnorm replay --all.

--robustness puts defects into the test part only, with random numbers from the seed of the settings. In the row noise N of the output, Gaussian noise was added, \
whose standard deviation is N times the range of each signal in the training part. In the row missing N, the share N of all \
cells was removed. In the row outliers N, the share N of all cells was made ten times as large. In another run, one signal is missing from the middle \
row on. In the last run, the clock is set forward by one hour after the first third of the rows, and set back after the \
second third. The difference from the unchanged rows is shown in parentheses.";

pub(super) fn command() -> clap::Command {
    let arg = |name: &'static str, value: &'static str| Arg::new(name).long(name).value_name(value);
    let path = |name, value| arg(name, value).value_parser(value_parser!(PathBuf));
    let switch = |name: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).requires("data").conflicts_with("labels")
    };
    clap::Command::new("evaluate")
        .about("Measure how well scores match labels")
        .long_about(LONG)
        .args([
            path("labels", "FILE").conflicts_with("data").help("Labels of one series: 0 or 1 per row"),
            path("data", "DIR").help("Directory of labeled series: manifest.json, labels/NAME.label, and labels/NAME.interp with the signals behind each fault"),
            path("scores", "PATH")
                .help("Scores: a file with one number per row or with a column score; with --data, a directory of NAME.csv"),
            switch("replay").help("Compute the scores instead of reading them: for each series of --data, learn data/NAME.train.csv, then score data/NAME.test.csv"),
            path("compare", "FILE")
                .num_args(1..=2)
                .requires("data")
                .conflicts_with_all(["labels", "config.file", "per-series"])
                .help("Replay with two settings files and show the difference; with one file, compare it with the defaults"),
            switch("robustness")
                .conflicts_with("per-series")
                .help("Replay the test part unchanged and with defects: noise, missing cells, outliers, a lost signal, clock steps"),
            path("config.file", "FILE")
                .conflicts_with("scores")
                .help("Settings file in YAML for --replay and --robustness [default: the defaults]"),
            switch("alerts")
                .conflicts_with_all(["compare", "robustness", "per-series"])
                .help("Show events found, false alerts and delay of each level, as hostnorm decides with its settings"),
            arg("set", "NAME").requires("data").help("Only the series of this set, such as smd [default: all]"),
            arg("per-day", "ROWS")
                .value_parser(value_parser!(f64))
                .conflicts_with_all(["every", "data"])
                .help("Rows per day, for false alerts per day"),
            arg("every", "DURATION")
                .value_parser(value_parser!(HumanDuration))
                .conflicts_with("data")
                .help("Time between two rows, instead of --per-day [default: 1m]"),
            arg("vus-window", "ROWS")
                .value_parser(value_parser!(u16).range(0..=VUS_WINDOW_MAX as i64))
                .conflicts_with("data")
                .help(format!("Widest tolerance around events for the volume under the surface (VUS), in rows [default: {VUS_WINDOW}]")),
            arg("threshold", "SCORE")
                .value_parser(value_parser!(f64))
                .allow_negative_numbers(true)
                .default_value("1.0")
                .help("Score from which a row counts as anomalous, for threshold_precision, threshold_recall and threshold_f1. This is not the setting threshold, which is a raw score"),
            arg("format", "FORMAT")
                .value_parser(["table", "json", "markdown"])
                .default_value("table")
                .hide_possible_values(true)
                .help("Output format: table, json, markdown"),
            Arg::new("per-series").long("per-series").action(ArgAction::SetTrue).help("Also show the metrics of each series"),
        ])
        .group(ArgGroup::new("labeled").args(["labels", "data"]).required(true))
        .group(ArgGroup::new("scored").args(["scores", "replay", "compare", "robustness"]).required(true))
}

pub(super) fn options(matches: &ArgMatches) -> Result<EvaluateArgs, CommandExit> {
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let scores = path("scores").unwrap_or_default();
    let mode = match matches.get_many::<PathBuf>("compare").map(|it| it.cloned().collect::<Vec<_>>()) {
        Some(mut files) => {
            let b = files.pop().unwrap_or_default();
            Some(ReplayMode::Compare(files.pop(), b))
        }
        None if matches.get_flag("robustness") => Some(ReplayMode::Robustness(path("config.file"))),
        None if matches.get_flag("replay") => Some(ReplayMode::Once(path("config.file"))),
        None => None,
    };
    let set = matches.get_one::<String>("set").cloned();
    let of = match (path("labels"), path("data")) {
        (_, Some(data)) => match mode {
            Some(mode) => EvaluationInput::Replayed { data, set, mode },
            None => EvaluationInput::Folder { data, scores, set },
        },
        (labels, None) => EvaluationInput::Files {
            labels: labels.unwrap_or_default(),
            scores,
            per_day: per_day(matches)?,
            vus_window: matches.get_one::<u16>("vus-window").map_or(VUS_WINDOW, |it| usize::from(*it)),
        },
    };
    let threshold = matches.get_one::<f64>("threshold").copied().unwrap_or(1.0);
    if !threshold.is_finite() {
        return Err(CommandExit::usage(format!("error: --threshold {threshold} is not a finite number")));
    }
    let style = match matches.get_one::<String>("format").map(String::as_str) {
        Some("json") => EvaluationFormat::Json,
        Some("markdown") => EvaluationFormat::Markdown,
        _ => EvaluationFormat::Table,
    };
    Ok(EvaluateArgs {
        of,
        threshold,
        style,
        per_series: matches.get_flag("per-series"),
        alerts: matches.get_flag("alerts"),
    })
}

/// Rows per day, from either flag.
fn per_day(matches: &ArgMatches) -> Result<f64, CommandExit> {
    let every = matches.get_one::<HumanDuration>("every").copied().unwrap_or(HumanDuration::minutes(1));
    let given = matches.get_one::<f64>("per-day").copied();
    let per_day = given.unwrap_or(HumanDuration::days(1).as_seconds() / every.as_seconds());
    if per_day.is_finite() && 0.0 < per_day {
        return Ok(per_day);
    }
    let (flag, word) = match given {
        Some(word) => ("--per-day", word.to_string()),
        None => ("--every", every.to_string()),
    };
    Err(CommandExit::usage(format!("error: {flag} {word} is out of range; it must be above 0")))
}

#[cfg(test)]
mod tests {
    use super::super::{CliCommand, parse};
    use super::*;

    fn check(line: &str, expected: Result<EvaluateArgs, &str>) {
        let args = ["hostnorm", "evaluate"].into_iter().chain(line.split_whitespace()).map(Into::into);
        let found = match parse(args) {
            Ok(CliCommand::Evaluate(found)) => Ok(found),
            Ok(other) => panic!("{line}: {other:?}"),
            Err(exit) => Err(exit.text.lines().next().unwrap_or_default().to_owned()),
        };
        assert_eq!(found, expected.map_err(str::to_owned), "{line}");
    }

    fn files(per_day: f64, vus_window: usize) -> EvaluateArgs {
        let of = EvaluationInput::Files { labels: "l".into(), scores: "s".into(), per_day, vus_window };
        EvaluateArgs { of, threshold: 1.0, style: EvaluationFormat::Table, per_series: false, alerts: false }
    }

    #[test]
    fn one_series() {
        check("--labels l --scores s", Ok(files(1440.0, 100)));
        check("--labels l --scores s --every 5m --vus-window 0", Ok(files(288.0, 0)));
        check("--labels l --scores s --per-day 24", Ok(files(24.0, 100)));
        let shown = EvaluateArgs {
            threshold: -2.5,
            style: EvaluationFormat::Json,
            per_series: true,
            ..files(1440.0, 100)
        };
        check("--labels l --scores s --threshold -2.5 --format json --per-series", Ok(shown));
    }

    #[test]
    fn a_folder() {
        let of = |set: Option<&str>| EvaluationInput::Folder {
            data: "d".into(),
            scores: "s".into(),
            set: set.map(Into::into),
        };
        check("--data d --scores s", Ok(EvaluateArgs { of: of(None), ..files(1.0, 0) }));
        let shown = EvaluateArgs { of: of(Some("smd")), style: EvaluationFormat::Markdown, ..files(1.0, 0) };
        check("--data d --scores s --set smd --format markdown", Ok(shown));
    }

    #[test]
    fn a_folder_replayed() {
        let check = |line: &str, mode: ReplayMode| {
            let of = EvaluationInput::Replayed { data: "d".into(), set: None, mode };
            check(&format!("--data d {line}"), Ok(EvaluateArgs { of, ..files(1.0, 0) }));
        };
        check("--replay", ReplayMode::Once(None));
        check("--replay --config.file a", ReplayMode::Once(Some("a".into())));
        check("--compare a", ReplayMode::Compare(None, "a".into()));
        check("--compare a b", ReplayMode::Compare(Some("a".into()), "b".into()));
        check("--robustness", ReplayMode::Robustness(None));
    }

    #[test]
    fn wrong_lines() {
        let twice = "error: the argument '--replay' cannot be used with:";
        check("--data d --replay --robustness --scores s", Err(twice));
        let of_labels = "error: the argument '--labels <FILE>' cannot be used with '--replay'";
        check("--labels l --replay", Err(of_labels));
        check("--scores s", Err("error: the following required arguments were not provided:"));
        check("--labels l", Err("error: the following required arguments were not provided:"));
        let both = "error: the argument '--labels <FILE>' cannot be used with '--data <DIR>'";
        check("--labels l --data d --scores s", Err(both));
        check(
            "--labels l --scores s --every 0",
            Err("error: --every 0s is out of range; it must be above 0"),
        );
        check(
            "--labels l --scores s --per-day 0",
            Err("error: --per-day 0 is out of range; it must be above 0"),
        );
        check("--labels l --scores s --threshold nan", Err("error: --threshold NaN is not a finite number"));
        check(
            "--labels l --scores s --vus-window 2001",
            Err("error: invalid value '2001' for '--vus-window <ROWS>': 2001 is not in 0..=2000"),
        );
        check(
            "--labels l --scores s --format xml",
            Err("error: invalid value 'xml' for '--format <FORMAT>'"),
        );
    }
}
