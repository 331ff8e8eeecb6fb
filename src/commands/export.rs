//! `hostnorm export`: writes stored data as CSV.
#![expect(clippy::disallowed_methods, reason = "creates the file that was asked for")]

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};

use super::{open_store, overwrite_check};
use crate::cli::{CommandExit, ExportArgs};
use crate::clock;
use crate::file_size_limit;
use crate::reading::Subject;
use crate::store::{SkippedDataCounts, StoreError};
use crate::table::quoted;

mod csv_cell;
mod long_format;
mod wide_format;

/// Most subjects that an error names.
const SUBJECTS_SHOWN_MAX: usize = 10;

/// Why an export ended early.
#[derive(Debug)]
enum ExportStop {
    /// The store cannot be read.
    Store(StoreError),
    /// The output cannot be written.
    Write(io::Error),
}

impl From<StoreError> for ExportStop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for ExportStop {
    fn from(error: io::Error) -> Self {
        Self::Write(error)
    }
}

/// Writes a table. Exit code 0 if it is complete; 64 for a range that ends before it starts, or an output that is read.
pub fn run(options: &ExportArgs, environment: impl IntoIterator<Item = (OsString, OsString)>) -> CommandExit {
    match export(options, environment) {
        Ok(left_out) => skipped_warning(left_out),
        Err(exit) => exit,
    }
}

fn export(
    options: &ExportArgs,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<SkippedDataCounts, CommandExit> {
    let between = options.range.between(clock::now())?;
    let (_, directory) = open_store::config(&options.options, environment)?;
    overwrite_check::refuse(options.output.as_deref(), options.options.file.as_deref())?;
    overwrite_check::refuse_in_store(options.output.as_deref(), &directory)?;
    let reader = open_store::open(&directory)?;
    let failed = |error| CommandExit::failure(reader.locate(error).to_string());
    if let Some(name) = options.subject.as_deref().filter(|it| *it != Subject::Host.name()) {
        check_subject(name, &reader.subject_names().map_err(failed)?)?;
    }
    let name = options.output.as_ref().map_or("standard output".to_owned(), |it| it.display().to_string());
    let to: Box<dyn Write> = match &options.output {
        None => Box::new(io::stdout().lock()),
        Some(path) => match File::create(path) {
            Ok(file) => Box::new(file),
            Err(error) => return Err(CommandExit::failure(format!("cannot create {name}: {error}"))),
        },
    };
    let mut to = BufWriter::new(to);
    let written = match options.layout {
        crate::cli::ColumnLayout::Csv => wide_format::write(&reader, options, between, &mut to),
        crate::cli::ColumnLayout::ParquetCsv => long_format::write(&reader, options, between, &mut to),
    };
    match written.and_then(|left_out| Ok(to.flush().map(|()| left_out)?)) {
        Ok(left_out) => Ok(left_out),
        // The reader of a pipe may close it early.
        Err(ExportStop::Write(error)) if error.kind() == ErrorKind::BrokenPipe => {
            Ok(SkippedDataCounts::default())
        }
        Err(ExportStop::Write(error)) => {
            let reason = file_size_limit::reason(&error);
            Err(CommandExit::failure(format!("{name} cannot be written: {reason}")))
        }
        Err(ExportStop::Store(error)) => Err(failed(error)),
    }
}

/// Refuses the name of a subject that the store does not know.
fn check_subject(name: &str, known: &BTreeSet<String>) -> Result<(), CommandExit> {
    if known.contains(name) {
        return Ok(());
    }
    let shown: Vec<&str> = known.iter().take(SUBJECTS_SHOWN_MAX).map(String::as_str).collect();
    let more = match known.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let has = if shown.is_empty() { "none".to_owned() } else { shown.join(", ") + &more };
    Err(CommandExit::failure(format!("no subject {} in the store; it has {has}", quoted(name))))
}

/// A warning about skipped data, which is not part of the table.
fn skipped_warning(left_out: SkippedDataCounts) -> CommandExit {
    if left_out == SkippedDataCounts::default() {
        return CommandExit::success("");
    }
    CommandExit::failure(format!(
        "table written; skipped {} values of unknown series and {} corrupt rows",
        left_out.unknown, left_out.corrupt
    ))
}
