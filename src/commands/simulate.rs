//! `hostnorm simulate`: writes a simulated host to files for `replay` and `evaluate`.
#![expect(clippy::disallowed_methods, reason = "writes the files it was asked for")]

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::cannot_write;
use crate::cli::{CommandExit, SimulateArgs};
use crate::simulate::{COLUMNS, InjectedCause, SimulatedRow, Simulation};

/// Number of significant digits: more than any sensor has, and few enough that rounding errors of a sum do not change
/// files.
const DIGITS: usize = 6;

/// Writes rows, labels and causes. Exit code 0; 64 for faults that do not fit; 1 for a file that cannot be written.
#[expect(clippy::needless_pass_by_value, reason = "as all commands take their options")]
pub fn run(options: SimulateArgs) -> CommandExit {
    if let Some(twice) = twice(&options) {
        return CommandExit::usage(format!(
            "error: {} is the file of two outputs; give each its own",
            twice.display()
        ));
    }
    let simulation = match Simulation::new(&options.settings) {
        Ok(simulation) => simulation,
        Err(error) => return CommandExit::usage(error.to_string()),
    };
    match write(&options, simulation) {
        Ok(causes) => CommandExit::success(summary(&options, &causes)),
        Err(sentence) => CommandExit::failure(sentence),
    }
}

/// A file given for more than one output.
fn twice(options: &SimulateArgs) -> Option<&Path> {
    let more = [&options.labels, &options.causes, &options.history];
    let all: Vec<&Path> = std::iter::once(options.output.as_path())
        .chain(more.into_iter().flatten().map(|it| it.as_path()))
        .collect();
    all.iter().enumerate().find(|(idx, it)| all[..*idx].contains(it)).map(|(_, it)| *it)
}

/// Writes all rows in one pass.
fn write(options: &SimulateArgs, simulation: Simulation) -> Result<Vec<InjectedCause>, String> {
    let mut history = options.history.as_deref().map(Output::table).transpose()?;
    let mut rows = Output::table(&options.output)?;
    let mut labels = options.labels.as_deref().map(Output::create).transpose()?;
    let mut causes = options.causes.as_deref().map(Output::create).transpose()?;
    let (mut found, mut line) = (Vec::new(), String::new());
    for (idx, row) in simulation.enumerate() {
        csv(&row, &mut line);
        if let (Some(history), true) = (&mut history, idx < options.settings.history) {
            history.line(&line)?;
            continue;
        }
        rows.line(&line)?;
        if let Some(labels) = &mut labels {
            labels.line(if row.fault.is_some() { "1" } else { "0" })?;
        }
        if let Some(mut cause) = row.started_fault {
            cause.from -= options.settings.history;
            cause.to -= options.settings.history;
            if let Some(causes) = &mut causes {
                causes.line(&interpretation(&cause))?;
            }
            found.push(cause);
        }
    }
    for output in [history, Some(rows), labels, causes].into_iter().flatten() {
        output.finish()?;
    }
    Ok(found)
}

/// `start-end:dims` with rows from 0 and signals from 1; the end is the last row of the fault.
fn interpretation(cause: &InjectedCause) -> String {
    let signals: Vec<_> = cause.signals.iter().map(|it| (it + 1).to_string()).collect();
    format!("{}-{}:{}", cause.from, cause.to - 1, signals.join(","))
}

fn csv(row: &SimulatedRow, line: &mut String) {
    line.clear();
    // Writing to a string cannot fail.
    let _ = write!(line, "{}", row.at);
    for (value, missing) in row.values.iter().zip(&row.missing) {
        line.push(',');
        if !missing {
            number(*value, line);
        }
    }
}

/// A number with at most [`DIGITS`] significant digits.
fn number(value: f64, to: &mut String) {
    let rounded = format!("{value:.*e}", DIGITS - 1).parse().unwrap_or(value);
    let _ = write!(to, "{rounded}");
}

/// A summary of the output.
fn summary(options: &SimulateArgs, causes: &[InjectedCause]) -> String {
    let mut text = format!(
        "{}: {} rows of {} signals, {} faults\n",
        options.output.display(),
        options.settings.rows,
        COLUMNS.len(),
        causes.len()
    );
    for cause in causes {
        let names: Vec<_> =
            cause.signals.iter().filter_map(|it| COLUMNS.get(*it)).map(|it| it.name).collect();
        let (from, last) = (cause.from, cause.to - 1);
        let _ = writeln!(text, "rows {from} to {last}: {} of {}", cause.fault, names.join(", "));
    }
    text
}

/// An output file.
struct Output<'a> {
    path: &'a Path,
    file: BufWriter<File>,
}

impl<'a> Output<'a> {
    fn create(path: &'a Path) -> Result<Self, String> {
        match File::create(path) {
            Ok(file) => Ok(Self { path, file: BufWriter::new(file) }),
            Err(error) => Err(cannot_write(path, &error)),
        }
    }

    /// Creates a file with a header of column names.
    fn table(path: &'a Path) -> Result<Self, String> {
        let mut output = Self::create(path)?;
        let names: Vec<_> = COLUMNS.iter().map(|it| it.name).collect();
        output.line(&format!("timestamp,{}", names.join(",")))?;
        Ok(output)
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        writeln!(self.file, "{line}").map_err(|error| cannot_write(self.path, &error))
    }

    fn finish(mut self) -> Result<(), String> {
        self.file.flush().map_err(|error| cannot_write(self.path, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_six_digits_at_most() {
        for (value, expect) in [
            (0.0, "0"),
            (0.1 + 0.2, "0.3"),
            (1.0 / 3.0, "0.333333"),
            (1_234_567.8, "1234570"),
            (0.000_012_345_678, "0.0000123457"),
            (42.0, "42"),
        ] {
            let mut text = String::new();
            number(value, &mut text);
            assert_eq!(text, expect);
        }
    }
}
