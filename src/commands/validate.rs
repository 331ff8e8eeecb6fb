//! `hostnorm validate`: checks a table of numbers and reports its errors.

use std::io::Write;

use crate::cli::{CommandExit, ReportFormat, ValidateArgs};
use crate::file_size_limit;
use crate::table::TableValidation;

mod report;

/// Validates a table. Exit code 0 if it can be used, 1 if not. The report is written to `to` in either case.
pub fn run(options: &ValidateArgs, to: &mut dyn Write) -> CommandExit {
    let review = TableValidation::of(&options.file, options.every);
    let written = match options.format {
        ReportFormat::Text => to.write_all(report::text(&review).as_bytes()),
        ReportFormat::Json => serde_json::to_writer_pretty(&mut *to, &review)
            .map_err(std::io::Error::from)
            .and_then(|()| writeln!(to)),
    };
    match written.and_then(|()| to.flush()) {
        // The reader of a pipe may close it early.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            CommandExit::failure(format!("the report cannot be written: {}", file_size_limit::reason(&error)))
        }
        _ if review.valid => CommandExit::success(""),
        _ => CommandExit::failure(""),
    }
}
