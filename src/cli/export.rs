//! The command line of `hostnorm export`.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, value_parser};

use super::store_args::{self, TimeRangeArgs};
use super::{GlobalOptions, defaulted};
use crate::config::Setting;

/// The exported table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportTable {
    /// Raw readings.
    Readings,
    /// Learned points.
    Points,
    /// Scores of the points.
    Scores,
}

/// Layout of the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnLayout {
    /// One row per instant, one column per series.
    Csv,
    /// One row per observation.
    ParquetCsv,
}

/// Arguments of `export`.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportArgs {
    /// Settings, for the store.
    pub options: GlobalOptions,
    /// The table.
    pub what: ExportTable,
    /// Time range.
    pub range: TimeRangeArgs,
    /// The subject; by default the host in the wide layout, else all.
    pub subject: Option<String>,
    /// Layout of the columns.
    pub layout: ColumnLayout,
    /// Output file; standard output by default.
    pub output: Option<PathBuf>,
}

pub(super) fn command(settings: &[Setting]) -> clap::Command {
    clap::Command::new("export")
        .about("Write stored readings, points or scores as CSV")
        .long_about(
            "Write stored readings, points or scores as CSV.\n\n\
             With csv, each row is an instant and each series a column. hostnorm validate, replay and train can read the \
             csv of points. With parquet-csv, each row is one value. The columns are always the same, and all cells of a column have \
             one type: an ISO 8601 timestamp to the nanosecond, a number, true or false, or text. A missing value has no row. DuckDB, \
             pandas and Arrow can convert this format to Parquet without a schema.\n\n\
             Numbers are not rounded: reading them back gives the same bits.",
        )
        .arg(
            Arg::new("what")
                .value_name("WHAT")
                .value_parser(["readings", "points", "scores"])
                .hide_possible_values(true)
                .required(true)
                .help("readings: values as read from the kernel; points: means over windows, as learned; scores: the score of each point"),
        )
        .args(store_args::span())
        .arg(
            Arg::new("subject")
                .long("subject")
                .value_name("NAME")
                .help("Subject to export [default: the host with csv, all subjects with parquet-csv]"),
        )
        .arg(
            defaulted("format", "FORMAT", "csv", "Output format: csv, parquet-csv")
                .value_parser(["csv", "parquet-csv"])
                .hide_possible_values(true),
        )
        .arg(
            Arg::new("output")
                .short('o')
                .long("output")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Output file; - or absent for standard output"),
        )
        .args(store_args::place(settings))
}

pub(super) fn options(matches: &ArgMatches, options: GlobalOptions, settings: &[Setting]) -> ExportArgs {
    let word = |name: &str| matches.get_one::<String>(name);
    ExportArgs {
        options: store_args::options(matches, options, settings),
        what: match word("what").map(String::as_str) {
            Some("points") => ExportTable::Points,
            Some("scores") => ExportTable::Scores,
            _ => ExportTable::Readings,
        },
        range: store_args::range(matches),
        subject: word("subject").cloned(),
        layout: match word("format").map(String::as_str) {
            Some("parquet-csv") => ColumnLayout::ParquetCsv,
            _ => ColumnLayout::Csv,
        },
        output: matches.get_one::<PathBuf>("output").filter(|it| it.as_os_str() != "-").cloned(),
    }
}
