//! `hostnorm export`: writes stored data as CSV.
#![expect(clippy::disallowed_methods, reason = "creates the file that was asked for")]

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};

use super::open_store;
use crate::cli::{CommandExit, ExportArgs};
use crate::clock;
use crate::store::{SkippedDataCounts, StoreError};

mod csv_cell;
mod long_format;
mod wide_format;

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

/// Writes a table. Exit code 0 if it is complete.
pub fn run(options: &ExportArgs, environment: impl IntoIterator<Item = (OsString, OsString)>) -> CommandExit {
    let reader = match open_store::reader(&options.options, environment) {
        Ok(reader) => reader,
        Err(exit) => return exit,
    };
    let name = options.output.as_ref().map_or("standard output".to_owned(), |it| it.display().to_string());
    let to: Box<dyn Write> = match &options.output {
        None => Box::new(io::stdout().lock()),
        Some(path) => match File::create(path) {
            Ok(file) => Box::new(file),
            Err(error) => return CommandExit::failure(format!("cannot create {name}: {error}")),
        },
    };
    let mut to = BufWriter::new(to);
    let between = options.range.between(clock::now());
    let written = match options.layout {
        crate::cli::ColumnLayout::Csv => wide_format::write(&reader, options, between, &mut to),
        crate::cli::ColumnLayout::ParquetCsv => long_format::write(&reader, options, between, &mut to),
    };
    match written.and_then(|left_out| Ok(to.flush().map(|()| left_out)?)) {
        Ok(left_out) => skipped_warning(left_out),
        // The reader of a pipe may close it early.
        Err(ExportStop::Write(error)) if error.kind() == ErrorKind::BrokenPipe => CommandExit::success(""),
        Err(ExportStop::Write(error)) => CommandExit::failure(format!("{name} cannot be written: {error}")),
        Err(ExportStop::Store(error)) => CommandExit::failure(error.to_string()),
    }
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
