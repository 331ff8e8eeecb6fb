//! The command line of `hostnorm validate`.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, value_parser};

use super::every;
use crate::duration::HumanDuration;

/// Arguments of `validate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidateArgs {
    /// The table; `-` is standard input.
    pub file: PathBuf,
    /// Interval of rows.
    pub every: Option<HumanDuration>,
    /// Format of the report.
    pub format: ReportFormat,
}

/// Format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    /// Text for people.
    Text,
    /// JSON for programs.
    Json,
}

pub(super) fn command() -> clap::Command {
    clap::Command::new("validate")
        .about("Check a CSV file for replay: exit 0 if usable, 1 if not")
        .long_about(
            "Check a CSV file for replay: exit 0 if usable, 1 if not.\n\n\
             The table is CSV, plain or compressed with gzip or xz: a header with the names of the signals, then one row \
             per measurement, the oldest first. A column \"timestamp\" has the Unix time in seconds or a time such as \
             2026-11-21T10:00:00Z. An empty cell or NaN is a missing value.",
        )
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("Table; - is standard input"),
        )
        .arg(every().help("Time between two rows, for a table without timestamps"))
        .arg(
            Arg::new("format")
                .long("format")
                .value_name("FORMAT")
                .value_parser(["text", "json"])
                .default_value("text")
                .help("Output format"),
        )
}

pub(super) fn options(matches: &ArgMatches) -> ValidateArgs {
    let format = matches.get_one::<String>("format").map(String::as_str);
    ValidateArgs {
        file: matches.get_one::<PathBuf>("file").cloned().unwrap_or_default(),
        every: matches.get_one::<HumanDuration>("every").copied(),
        format: if format == Some("json") { ReportFormat::Json } else { ReportFormat::Text },
    }
}
