//! The command line of `hostnorm train`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use super::every;
use crate::evaluate::Style;
use crate::span::Span;

/// What settings are searched on, and where they go.
#[derive(Debug, Clone, PartialEq)]
pub struct Train {
    /// What is normal.
    pub history: PathBuf,
    /// How far its rows are apart where they have no time.
    pub every: Option<Span>,
    /// Where the settings file goes.
    pub output: Option<PathBuf>,
    /// Whether the full grid is tried.
    pub full: bool,
    /// Where the faults come from.
    pub seed: u64,
    /// How the table is shown.
    pub style: Style,
}

pub(super) fn command() -> clap::Command {
    let file = |name: &'static str| {
        Arg::new(name).long(name).value_name("FILE").value_parser(value_parser!(PathBuf))
    };
    let word = |name: &'static str, value: &'static str| {
        Arg::new(name).long(name).value_name(value).hide_possible_values(true)
    };
    clap::Command::new("train")
        .about("Find the settings that suit a history best")
        .long_about(
            "Find the settings that suit a history best: trees, sample, half_life, smoothing and window.\n\n\
             Each combination learns the first 70 % of the history. The next 15 % choose: simulated faults are put into \
             them, and once they are left as they are. The last 15 % choose nothing; with other faults they show what \
             the choice is worth. Labels are not needed. Where nothing is clearly better than the defaults, these are \
             written.\n\n\
             Combinations are shown best first by the mean of VUS-PR and of the share of faults found at one false alert \
             a day. One with more episodes than the defaults where there is no fault is not chosen.",
        )
        .arg(
            Arg::new("search")
                .long("search")
                .action(ArgAction::SetTrue)
                .required(true)
                .help("Try a grid of settings, so far the only thing that train does"),
        )
        .arg(file("history").required(true).help("What is normal, as CSV; see hostnorm validate --help"))
        .arg(every().help("How far rows are apart; needed without timestamps, else seen by the first rows"))
        .arg(file("output").help("Where the settings go that were found, as a settings file"))
        .arg(
            word("grid", "SIZE")
                .value_parser(["small", "full"])
                .default_value("small")
                .help("How many settings are tried: small, 32 combinations, or full, 432"),
        )
        .arg(
            word("seed", "NUMBER")
                .value_parser(value_parser!(u64))
                .default_value("1")
                .help("Where the faults come from; equal seeds give equal output"),
        )
        .arg(
            word("format", "FORMAT")
                .value_parser(["table", "json", "markdown"])
                .default_value("table")
                .help("How combinations are shown: table, json, markdown"),
        )
}

pub(super) fn options(matches: &ArgMatches) -> Train {
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let word = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    Train {
        history: path("history").unwrap_or_default(),
        every: matches.get_one::<Span>("every").copied(),
        output: path("output"),
        full: word("grid") == Some("full"),
        seed: matches.get_one::<u64>("seed").copied().unwrap_or(1),
        style: match word("format") {
            Some("json") => Style::Json,
            Some("markdown") => Style::Markdown,
            _ => Style::Table,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expect: &str) {
        let args = std::iter::once("train").chain(line.split_whitespace());
        let found = match command().try_get_matches_from(args).map(|it| options(&it)) {
            Ok(it) => format!(
                "{:?} {:?} {:?} {} {} {:?}",
                it.history,
                it.every.map(Span::as_seconds),
                it.output,
                it.full,
                it.seed,
                it.style
            ),
            Err(error) => error.to_string().lines().take(2).collect::<Vec<_>>().join(""),
        };
        assert_eq!(found, expect, "{line}");
    }

    #[test]
    fn flags_are_read() {
        check("--search --history h.csv", "\"h.csv\" None None false 1 Table");
        check(
            "--search --history h.csv --every 5m --output o.yaml --grid full --seed 7 --format markdown",
            "\"h.csv\" Some(300.0) Some(\"o.yaml\") true 7 Markdown",
        );
        let missing = "error: the following required arguments were not provided:  --search";
        check("--history h.csv", missing);
        check(
            "--search --history h --grid huge",
            "error: invalid value 'huge' for '--grid <SIZE>'  [possible values: small, full]",
        );
    }
}
