//! The command line of `hostnorm simulate`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use super::{CommandExit, defaulted};
use crate::duration::HumanDuration;
use crate::simulate::{FAULTS_MAX, FaultKind};

/// The default start, a Monday, so that the output is reproducible: 2026-01-05T00:00:00Z.
const START: &str = "2026-01-05";

/// Shortest interval; below it, the simulated noise is not realistic.
const EVERY_MIN: HumanDuration = HumanDuration::seconds(1);

/// Largest number of rows, ten years of minutes, so that a typing error does not fill a disk.
const ROWS_MAX: u64 = 5_256_000;

/// Arguments of `simulate`.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulateArgs {
    /// The machine and its faults.
    pub settings: crate::simulate::SimulationSettings,
    /// Output file for rows.
    pub output: PathBuf,
    /// Output file for labels, one 0 or 1 per row.
    pub labels: Option<PathBuf>,
    /// Output file for causes, `start-end:dims` per line.
    pub causes: Option<PathBuf>,
    /// Output file for the fault-free rows before.
    pub history: Option<PathBuf>,
}

pub(super) fn command() -> clap::Command {
    let names: Vec<_> = FaultKind::ALL.iter().map(|it| it.name()).collect();
    let file = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("FILE").value_parser(value_parser!(PathBuf)).help(help)
    };
    clap::Command::new("simulate")
        .about("Write a simulated host with labeled faults as CSV")
        .arg(defaulted("seed", "NUMBER", "1", "Seed for the random numbers; equal seeds give equal output"))
        .arg(defaulted("every", "DURATION", "60s", format!("Time between two rows, at least {EVERY_MIN}")))
        .arg(defaulted("for", "DURATION", "14d", "Simulated time"))
        .arg(defaulted("start", "DATE", START, "First time: a day in UTC, or Unix time in seconds"))
        .arg(defaulted(
            "faults",
            "NUMBER",
            "10",
            format!("Number of faults, at most {FAULTS_MAX}; at least half of the time has none"),
        ))
        .arg(
            Arg::new("fault")
                .long("fault")
                .value_name("NAME")
                .num_args(1..)
                .action(ArgAction::Append)
                .help(format!("Kinds of faults to inject, in turn [default: all]: {}", names.join(", "))),
        )
        .arg(file("output", "File for the rows").required(true))
        .arg(file("labels", "File for the labels: 0 or 1 per row"))
        .arg(file("causes", "File for the causes, as in labeled sets: a line start-end:signals for each fault. Rows are counted from 0, signals from 1; the column top of hostnorm replay counts signals from 0"))
        .arg(file("history", "File for fault-free rows before those of --output, to learn from"))
        .arg(defaulted("history-for", "DURATION", "7d", "Length of --history"))
}

pub(super) fn options(matches: &ArgMatches) -> Result<SimulateArgs, CommandExit> {
    let text = |name: &str| matches.get_one::<String>(name).map_or("", String::as_str);
    let wrong = |name: &str, why: String| CommandExit::usage(format!("--{name} {} {why}", text(name)));
    let span =
        |name: &str| text(name).parse::<HumanDuration>().map_err(|error| wrong(name, error.to_string()));
    let whole =
        |name: &str| text(name).parse::<u64>().map_err(|_| wrong(name, "is not a whole number".into()));
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();

    let every = span("every")?;
    if every < EVERY_MIN {
        return Err(wrong("every", format!("is too short; the minimum is {EVERY_MIN}")));
    }
    let rows_of = |name: &str| {
        let rows = (span(name)?.as_seconds() / every.as_seconds()).floor() as u64;
        match rows {
            0 => Err(wrong(name, format!("is too short for a row with --every {every}"))),
            ROWS_MAX.. => Err(wrong(name, format!("is too long; the maximum is {ROWS_MAX} rows"))),
            _ => Ok(rows as usize),
        }
    };
    let history = path("history");
    let names = matches.get_many::<String>("fault").into_iter().flatten();
    let kinds = names
        .map(|it| it.parse())
        .collect::<Result<Vec<FaultKind>, _>>()
        .map_err(|error| CommandExit::usage(format!("--fault {error}")))?;
    let start = start(text("start")).ok_or_else(|| {
        wrong("start", "is neither a day such as 2026-01-05 nor a Unix time before the year 10000".into())
    })?;
    Ok(SimulateArgs {
        settings: crate::simulate::SimulationSettings {
            seed: whole("seed")?,
            start,
            every: every.as_seconds(),
            history: if history.is_some() { rows_of("history-for")? } else { 0 },
            rows: rows_of("for")?,
            faults: usize::try_from(whole("faults")?).unwrap_or(usize::MAX),
            kinds: if kinds.is_empty() { FaultKind::ALL.to_vec() } else { kinds },
        },
        output: path("output").unwrap_or_default(),
        labels: path("labels"),
        causes: path("causes"),
        history,
    })
}

/// Parses a date or a number of seconds since the epoch; whole seconds, for short timestamps.
fn start(text: &str) -> Option<f64> {
    /// Start of the year 10000.
    const SECONDS_MAX: u64 = 253_402_300_800;
    if let Ok(seconds) = text.parse::<u64>() {
        // Of 8 or 12 digits, it is a date without hyphens.
        let is_date = matches!(text.len(), 8 | 12);
        return (!is_date && seconds < SECONDS_MAX).then_some(seconds as f64);
    }
    let mut parts = text.splitn(3, '-').map(|it| it.parse::<u16>().ok());
    let (year, month, day) =
        (i64::from(parts.next()??), i64::from(parts.next()??), i64::from(parts.next()??));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of_month = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    if !(1970..10_000).contains(&year) || !(1..=days_of_month).contains(&day) {
        return None;
    }
    // Years begin in March, so that the leap day is the last one: Howard Hinnant's `days_from_civil`.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(days as f64 * 86_400.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expect: &str) {
        let args = std::iter::once("simulate").chain(line.split_whitespace());
        let found = match options(&command().get_matches_from(args)) {
            Err(exit) => format!("{} {}", exit.code, exit.text),
            Ok(SimulateArgs { settings: it, history, .. }) => format!(
                "seed={} start={} every={} rows={} faults={} kinds={} history={} {}",
                it.seed,
                it.start,
                it.every,
                it.rows,
                it.faults,
                it.kinds.len(),
                it.history,
                history.is_some()
            ),
        };
        assert_eq!(found, expect, "{line}");
    }

    #[test]
    fn flags_are_read() {
        let default = "seed=1 start=1767571200 every=60 rows=20160 faults=10 kinds=10 history=0 false";
        check("--output a.csv", default);
        check(
            "--output a.csv --seed 7 --every 30s --for 1h --start 951782400 --faults 3 --fault spike leak \
             --history h.csv --history-for 1d",
            "seed=7 start=951782400 every=30 rows=120 faults=3 kinds=2 history=2880 true",
        );
    }

    #[test]
    fn invalid_values_are_refused() {
        for (line, expect) in [
            ("--seed -1", "64 --seed -1 is not a whole number"),
            ("--every 500ms", "64 --every 500ms is too short; the minimum is 1s"),
            ("--every 5", "64 --every 5 has no unit; write ms, s, m, h, d, w or y after the number"),
            ("--for 10s", "64 --for 10s is too short for a row with --every 1m"),
            ("--for 50y", "64 --for 50y is too long; the maximum is 5256000 rows"),
            ("--history h --history-for 0", "64 --history-for 0 is too short for a row with --every 1m"),
            ("--faults many", "64 --faults many is not a whole number"),
            (
                "--start 2026-02-29",
                "64 --start 2026-02-29 is neither a day such as 2026-01-05 nor a Unix time before the \
                 year 10000",
            ),
        ] {
            check(&format!("--output a.csv {line}"), expect);
        }
    }

    #[test]
    fn days_follow_the_calendar() {
        // Expected output of `date -u -d DAY +%s`.
        for (day, expect) in [
            ("1970-01-01", Some(0.0)),
            ("2000-02-29", Some(951_782_400.0)),
            ("2100-03-01", Some(4_107_542_400.0)),
            ("2026-12-31", Some(1_798_675_200.0)),
            ("9999-12-31", Some(253_402_214_400.0)),
            ("2100-02-29", None),
            ("2026-13-01", None),
            ("2026-04-31", None),
            ("2026-01-00", None),
            ("1969-12-31", None),
            ("2026-01", None),
            ("253402300800", None),
            ("20261201", None),
            ("202612011030", None),
            ("", None),
            ("-5", None),
        ] {
            assert_eq!(start(day), expect, "{day}");
        }
    }
}
