//! Formats metrics as a table, Markdown or JSON.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::{DatasetEvaluation, EvaluationMetrics};

/// Output format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EvaluationFormat {
    /// Columns for a terminal.
    #[default]
    Table,
    /// A Markdown table.
    Markdown,
    /// JSON with all digits.
    Json,
}

/// Formats named sets beside each other, and each series if requested.
pub fn show(sets: &[(String, DatasetEvaluation)], per_series: bool, style: EvaluationFormat) -> String {
    if style == EvaluationFormat::Json {
        return as_json(sets, per_series);
    }
    let mut text = write(&of_sets(sets), style);
    if per_series {
        for (name, set) in sets {
            let _ = write!(text, "\n{}\n{}", heading(name, style), write(&of_series(set), style));
        }
    }
    text
}

/// Rows of cells; the first row is the header.
pub(super) type Cells = Vec<Vec<String>>;

/// A row for each metric, a column for each set.
fn of_sets(sets: &[(String, DatasetEvaluation)]) -> Cells {
    let row = |title: &str, cell: &dyn Fn(&DatasetEvaluation) -> String| -> Vec<String> {
        std::iter::once(title.to_owned()).chain(sets.iter().map(|(_, set)| cell(set))).collect()
    };
    let mut cells =
        vec![std::iter::once("figure".to_owned()).chain(sets.iter().map(|(name, _)| name.clone())).collect()];
    cells.push(row("series", &|set| set.series.len().to_string()));
    cells.push(row("events", &|set| set.events.to_string()));
    cells.push(row("days", &|set| format!("{:.1}", set.days)));
    for name in names(sets.iter().map(|(_, set)| &set.figures)) {
        cells.push(row(name, &|set| cell(&set.figures, name)));
    }
    cells
}

/// A row for each series, a column for each metric.
fn of_series(set: &DatasetEvaluation) -> Cells {
    let names = names(set.series.iter().map(|it| &it.figures));
    let head = ["series", "events"].iter().chain(&names).map(|it| (*it).to_owned()).collect();
    let row = |it: &super::SeriesEvaluation| {
        let figures = names.iter().map(|name| cell(&it.figures, name));
        [it.name.clone(), it.events.to_string()].into_iter().chain(figures).collect()
    };
    std::iter::once(head).chain(set.series.iter().map(row)).collect()
}

/// Every name that occurs, in order of first occurrence.
pub(super) fn names<'a>(all: impl Iterator<Item = &'a EvaluationMetrics>) -> Vec<&'a str> {
    let mut names = Vec::new();
    for (name, _) in all.flat_map(EvaluationMetrics::iter) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// A metric as text; a dash if it is absent.
pub(super) fn cell(figures: &EvaluationMetrics, name: &str) -> String {
    match figures.get(name) {
        None => "-".into(),
        // Such thresholds come from infinite or missing scores.
        Some(value) if 1e9 <= value.abs() => format!("{value:.3e}"),
        Some(value) => format!("{value:.4}"),
    }
}

pub(super) fn heading(name: &str, style: EvaluationFormat) -> String {
    if style == EvaluationFormat::Markdown { format!("### {name}\n") } else { format!("{name}:") }
}

pub(super) fn write(cells: &Cells, style: EvaluationFormat) -> String {
    let mut text = String::new();
    if style == EvaluationFormat::Markdown {
        for (idx, row) in cells.iter().enumerate() {
            let row: Vec<_> = row.iter().map(|it| it.replace('|', "\\|")).collect();
            let _ = writeln!(text, "| {} |", row.join(" | "));
            if idx == 0 {
                let _ = writeln!(text, "|---|{}", "---:|".repeat(row.len().saturating_sub(1)));
            }
        }
        return text;
    }
    let columns = cells.iter().map(Vec::len).max().unwrap_or(0);
    let width = |idx: usize| cells.iter().filter_map(|row| row.get(idx)).map(|it| it.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|idx| width(idx).unwrap_or(0)).collect();
    for row in cells {
        for (idx, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let _ = match idx {
                0 => write!(text, "{cell:width$}"),
                _ => write!(text, "  {cell:>width$}"),
            };
        }
        text.push('\n');
    }
    text
}

/// Metrics by name, with all digits.
pub(super) fn object(figures: &EvaluationMetrics) -> Value {
    figures.iter().map(|(name, value)| (name.to_owned(), json!(value))).collect::<Map<_, _>>().into()
}

fn as_json(sets: &[(String, DatasetEvaluation)], per_series: bool) -> String {
    let set = |(name, set): &(String, DatasetEvaluation)| {
        let mut shown = json!({
            "set": name, "series": set.series.len(), "events": set.events, "days": set.days,
            "figures": object(&set.figures),
        });
        if per_series {
            let row = |it: &super::SeriesEvaluation| json!({ "series": it.name, "events": it.events, "figures": object(&it.figures) });
            shown["per_series"] = set.series.iter().map(row).collect();
        }
        shown
    };
    let whole = json!({ "sets": sets.iter().map(set).collect::<Vec<_>>() });
    format!("{whole:#}\n")
}

#[cfg(test)]
mod tests {
    use super::super::SeriesEvaluation;
    use super::*;

    fn check(per_series: bool, style: EvaluationFormat, expected: &str) {
        let figures = |named: &[(&str, f64)]| EvaluationMetrics {
            named: named.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        };
        let of = |name: &str, named: &[(&str, f64)]| SeriesEvaluation {
            name: name.into(),
            events: 2,
            figures: figures(named),
        };
        let first = DatasetEvaluation {
            series: vec![of("a-1", &[("vus_pr", 0.5)]), of("a-2", &[("auc_pr", 0.25)])],
            events: 4,
            days: 1.5,
            figures: figures(&[("vus_pr", 0.5), ("fleet_thr@1", 1e30)]),
        };
        let second =
            DatasetEvaluation { figures: figures(&[("hit@100", 1.0)]), ..DatasetEvaluation::default() };
        let sets = [("a".to_owned(), first), ("b".to_owned(), second)];
        let sets = if per_series { &sets[..1] } else { &sets[..] };
        assert_eq!(show(sets, per_series, style), expected);
    }

    #[test]
    fn as_a_table() {
        let sets = "figure              a       b\n\
                    series              2       0\n\
                    events              4       0\n\
                    days              1.5     0.0\n\
                    vus_pr         0.5000       -\n\
                    fleet_thr@1  1.000e30       -\n\
                    hit@100             -  1.0000\n";
        check(false, EvaluationFormat::Table, sets);
    }

    #[test]
    fn as_markdown() {
        let text = "| figure | a |\n|---|---:|\n| series | 2 |\n| events | 4 |\n| days | 1.5 |\n| vus_pr | 0.5000 |\n\
                    | fleet_thr@1 | 1.000e30 |\n\n### a\n\n| series | events | vus_pr | auc_pr |\n|---|---:|---:|---:|\n\
                    | a-1 | 2 | 0.5000 | - |\n| a-2 | 2 | - | 0.2500 |\n";
        check(true, EvaluationFormat::Markdown, text);
    }

    #[test]
    fn as_json() {
        let text = super::as_json(&[("a".into(), DatasetEvaluation::default())], true);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            value,
            json!({ "sets": [{ "set": "a", "series": 0, "events": 0, "days": 0.0, "figures": {}, "per_series": [] }] })
        );
    }
}
