//! The command line of `hostnorm replay`.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use super::{CommandExit, GlobalOptions, every, shared};
use crate::config::Setting;
use crate::duration::HumanDuration;
use crate::table::ScoreDetail;

/// Arguments of `replay`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayArgs {
    /// Table with normal rows; `None` to learn from the input only.
    pub history: Option<PathBuf>,
    /// Directory of a store whose points are the history.
    pub state: Option<PathBuf>,
    /// Table to score; `-` is standard input.
    pub input: PathBuf,
    /// Interval of rows without times.
    pub every: Option<HumanDuration>,
    /// Output file for scores; absent or `-` for standard output.
    pub output: Option<PathBuf>,
    /// Columns to write.
    pub detail: ScoreDetail,
    /// File with labels of the input, for metrics at the end.
    pub labels: Option<PathBuf>,
    /// The settings of detection.
    pub options: GlobalOptions,
}

/// The settings that affect the scores of rows. The others are about a live host: a row is a point by itself, has no
/// window, is not served and needs no collector.
const COUNTING: &[&str] = &[
    "seed",
    "threshold",
    "alert_level",
    "budget",
    "decide",
    "resolve.below",
    "resolve.for",
    "smoothing",
    "forest.trees",
    "forest.sample_size",
    "time_zone",
    "half_life",
    "retrain_interval",
    "anomaly_learning_weight",
    "accept_after",
];

fn counting(settings: &[Setting]) -> Vec<Setting> {
    settings.iter().filter(|it| counts(&it.key)).cloned().collect()
}

fn counts(key: &str) -> bool {
    COUNTING.contains(&key) || key.starts_with("detectors.")
}

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    let file = |name: &'static str| {
        Arg::new(name).long(name).value_name("FILE").value_parser(value_parser!(PathBuf))
    };
    clap::Command::new("replay")
        .about("Score a CSV file row by row, as on a live host")
        .long_about(
            "Score a CSV file row by row, as on a live host: a score depends only on the history and on earlier rows. A \
             score of 1 is unusual. A score at the alert level, 2 by default, is worth an alert.\n\n\
             Tables are CSV, plain or compressed with gzip or xz; see hostnorm validate --help. History and input have the \
             same columns in the same order. Rows are in order of time, and the input is later than the history. A column with the name \
             of a signal of hostnorm, such as cpu_busy_ratio, has the noise floor of that signal; other columns have none. \
             With such a column, the table counts as a new host: the alert level is 1.33 at the start of the history, and 2 after \
             two weeks.\n\n\
             The output has one row per input row, with the columns score and top. top has the indices of the signals, \
             counted from 0 and separated by ;. The signal with the largest deviation comes first. For the first 31 rows, \
             counted from the start of the history, score is NaN and top is empty. --all adds is_anomaly and alert (0 or \
             1), confidence (share of the voting detectors that agree with the majority) and episode (the number of the \
             episode, from 1).\n\n\
             These keys of the settings file have no effect: interval, window, warmup, score_hold, and the sections about \
             a host. The exit code is 1 if a table is malformed; the rows before the error are scored.",
        )
        .next_help_heading("Tables")
        .arg(file("history").help("Normal data to learn before the first score; - is standard input"))
        .arg(
            Arg::new("state")
                .long("state")
                .value_name("DIRECTORY")
                .value_parser(value_parser!(PathBuf))
                .conflicts_with("history")
                .help("Learn from the host's points in this store that are older than the input; columns are matched by name"),
        )
        .arg(file("input").required(true).help("Table to score; - is standard input"))
        .arg(every().help(
            "Time between two rows; required without timestamps, else taken from the first rows",
        ))
        .arg(file("output").help("Output file; - or absent for standard output"))
        .arg(
            Arg::new("all")
                .long("all")
                .action(ArgAction::SetTrue)
                .help("Also write is_anomaly, alert, confidence and episode"),
        )
        .arg(
            file("labels")
                .help("Labels of the input, 0 or 1 per row. hostnorm also prints how well the scores match them; see hostnorm evaluate"),
        )
        .args(shared(&counting(settings)))
}

/// The parsed arguments; `options` are the settings before the name of the command.
pub(super) fn options(
    matches: &ArgMatches,
    mut options: GlobalOptions,
    settings: &[Setting],
) -> Result<ReplayArgs, CommandExit> {
    if let Some(given) = options.flags.iter().find(|it| !counts(&it.key)) {
        return Err(CommandExit::usage(format!("error: replay does not use --{}; remove it", given.flag)));
    }
    options.add(matches, &counting(settings));
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let replay = ReplayArgs {
        history: path("history"),
        state: path("state"),
        input: path("input").unwrap_or_default(),
        every: matches.get_one::<HumanDuration>("every").copied(),
        output: path("output"),
        detail: if matches.get_flag("all") { ScoreDetail::All } else { ScoreDetail::Score },
        labels: path("labels"),
        options,
    };
    let read = [replay.history.as_deref(), Some(&*replay.input), replay.labels.as_deref()];
    let is_stdin = |it: &&Path| it.as_os_str() == "-";
    if read[..2].iter().flatten().filter(|it| is_stdin(it)).count() > 1 {
        return Err(CommandExit::usage("error: only one of --history and --input can be standard input"));
    }
    // Creating the output would truncate an input.
    if let Some(output) = replay.output.as_deref().filter(|it| !is_stdin(it))
        && read.iter().flatten().any(|it| *it == output)
    {
        return Err(CommandExit::usage(format!(
            "error: --output would overwrite {}; choose another file",
            output.display()
        )));
    }
    Ok(replay)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings;

    fn check(line: &str, expect: &str) {
        let settings = settings();
        let args = std::iter::once("replay").chain(line.split_whitespace());
        let parsed = command(&settings).try_get_matches_from(args);
        let found = match parsed.map(|it| options(&it, GlobalOptions::default(), &settings)) {
            Ok(Ok(replay)) => {
                let ReplayArgs { history, state, input, every, output, detail, labels, options } = replay;
                format!(
                    "{history:?} {state:?} {input:?} {every:?} {output:?} {detail:?} {labels:?} {}",
                    options.flags.len()
                )
            }
            Ok(Err(exit)) => format!("{} {}", exit.code, exit.text),
            Err(error) => error.to_string().lines().take(2).collect::<Vec<_>>().join(""),
        };
        assert_eq!(found, expect, "{line}");
    }

    #[test]
    fn the_tree_of_flags_is_sound() {
        command(&settings()).debug_assert();
    }

    #[test]
    fn tables_and_settings() {
        check("--input t.csv", "None None \"t.csv\" None None Score None 0");
        check(
            "--history h.csv --input - --every 60s --output s.csv --all --labels l --threshold 4 --config.file c.yaml",
            "Some(\"h.csv\") None \"-\" Some(HumanDuration { millis: 60000 }) Some(\"s.csv\") All Some(\"l\") 1",
        );
    }

    #[test]
    fn a_store_stands_in_for_a_history() {
        check("--state d --input t.csv", "None Some(\"d\") \"t.csv\" None None Score None 0");
        check(
            "--state d --history h --input t.csv",
            "error: the argument '--state <DIRECTORY>' cannot be used with '--history <FILE>'",
        );
    }

    #[test]
    fn settings_of_rows_exist() {
        let detectors = crate::detect::DETECTORS.each().len();
        assert_eq!(counting(&settings()).len(), COUNTING.len() + detectors);
    }

    #[test]
    fn impossible_command_lines_are_refused() {
        check("--input - --window 3", "error: unexpected argument '--window' found");
        check("", "error: the following required arguments were not provided:  --input <FILE>");
        check("--history - --input -", "64 error: only one of --history and --input can be standard input");
        check(
            "--input a.csv --output a.csv",
            "64 error: --output would overwrite a.csv; choose another file",
        );
    }
}
