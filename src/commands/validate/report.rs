//! Formats the result of a validation as text.

use std::fmt::Write;

use crate::duration::HumanDuration;
use crate::table::{ColumnStats, FindingGroup, FindingSeverity, TableValidation, quoted};

/// Widest name in the table of columns.
const NAME_WIDTH_MAX: usize = 40;

/// The whole report.
pub(super) fn text(review: &TableValidation) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = head(&mut text, review);
    for (level, title) in [(FindingSeverity::Error, "errors"), (FindingSeverity::Warning, "warnings")] {
        let groups: Vec<_> = review.findings.iter().filter(|it| it.level == level).collect();
        if !groups.is_empty() {
            let _ = writeln!(text, "\n{title}");
        }
        for group in groups {
            let _ = findings(&mut text, group);
        }
    }
    if !review.columns.is_empty() {
        let _ = columns(&mut text, &review.columns);
    }
    let verdict = if review.valid { "valid" } else { "not valid" };
    let (errors, warnings) = (counted(review.errors, "error"), counted(review.warnings, "warning"));
    let _ = writeln!(text, "\n{}: {verdict}, {errors}, {warnings}", review.file);
    text
}

fn head(text: &mut String, review: &TableValidation) -> std::fmt::Result {
    let (rows, columns) = (counted(review.rows, "row"), counted(review.columns.len() as u64, "column"));
    write!(text, "{}: {rows}, {columns}", review.file)?;
    if let Some(compression) = review.compression {
        write!(text, ", compressed by {compression}")?;
    }
    text.push('\n');
    let time = &review.time;
    match (&time.first, &time.last) {
        (Some(first), Some(last)) => write!(text, "time: {first} to {last}")?,
        _ => text.push_str("time: no timestamps"),
    }
    if let Some(seconds) = time.interval_seconds {
        write!(text, ", rows {} apart", HumanDuration::nearest(seconds))?;
    }
    if let Some(seconds) = time.span_seconds {
        write!(text, ", {} in all", HumanDuration::nearest(seconds))?;
    }
    text.push('\n');
    Ok(())
}

fn findings(text: &mut String, group: &FindingGroup) -> std::fmt::Result {
    writeln!(text, "  {}: {}", group.kind.about(), group.count)?;
    for example in &group.examples {
        match example.line {
            Some(line) => writeln!(text, "    line {line}: {}", example.text)?,
            None => writeln!(text, "    {}", example.text)?,
        }
    }
    let shown = group.examples.len() as u64;
    // One sentence may cover all of them.
    if group.count > shown && shown > 1 {
        writeln!(text, "    and {} more", group.count - shown)?;
    }
    Ok(())
}

fn columns(text: &mut String, columns: &[ColumnStats]) -> std::fmt::Result {
    let names: Vec<String> = columns.iter().map(|it| quoted(&it.name).trim_matches('"').to_owned()).collect();
    let width = names.iter().map(|it| it.chars().count()).max().unwrap_or_default().clamp(6, NAME_WIDTH_MAX);
    writeln!(
        text,
        "\n{:<width$}  {:<8}  {:>9}  {:>9}  {:>9}  {:>10}  {:>10}  {:>10}",
        "column", "type", "present", "missing", "bad", "min", "mean", "max"
    )?;
    for (column, name) in columns.iter().zip(&names) {
        let ColumnStats { ty, present, missing, bad, range, .. } = column;
        let [min, mean, max] = match range {
            Some(range) => [range.min, range.mean, range.max].map(brief),
            None => [const { String::new() }; 3],
        };
        let line = format!(
            "{name:<width$}  {:<8}  {present:>9}  {missing:>9}  {bad:>9}  {min:>10}  {mean:>10}  {max:>10}",
            ty.name()
        );
        writeln!(text, "{}", line.trim_end())?;
    }
    Ok(())
}

fn counted(count: u64, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

/// About four significant digits.
fn brief(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e7).contains(&size) {
        return format!("{value:.2e}");
    }
    let decimals = if size >= 1000.0 {
        0
    } else if size >= 10.0 {
        2
    } else {
        4
    };
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::brief;

    #[test]
    fn numbers_are_short() {
        for (value, expect) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.5, "0.5"),
            (-12.345_678, "-12.35"),
            (9_999_999.0, "9999999"),
            (1000.4, "1000"),
            (1e7, "1.00e7"),
            (1e100, "1.00e100"),
            (0.000_123_4, "1.23e-4"),
        ] {
            assert_eq!(brief(value), expect);
        }
    }
}
