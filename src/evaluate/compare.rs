//! Compares metrics of the same series with different scores.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::output::{Cells, cell, heading, names, object, write};
use super::{DatasetEvaluation, EvaluationFormat, EvaluationMetrics};

/// The metrics shown in a list of variants.
const LISTED: &[&str] = &[
    "vus_pr",
    "auc_pr",
    "auc_roc",
    "best_f1",
    "threshold_f1",
    "fleet_rec@1",
    "fleet_rec@0.1",
    "fleet_delay@1",
    "hit@100",
];

/// A set, scored by several variants.
#[derive(Debug, Clone, PartialEq)]
pub struct FigureComparison {
    /// Name of the set.
    pub set: String,
    /// Name and metrics of each variant. The others are compared with the first.
    pub variants: Vec<(String, DatasetEvaluation)>,
}

/// Formats two variants side by side, a row for each metric, with the difference.
pub fn side_by_side(sets: &[FigureComparison], style: EvaluationFormat) -> String {
    shown(sets, style, |set| {
        let mut head = vec!["figure".to_owned()];
        head.extend(set.variants.iter().map(|(name, _)| name.clone()));
        head.push("difference".into());
        let row = |name: &&str| {
            let cells = set.variants.iter().map(|(_, it)| cell(&it.figures, name));
            let more = match (set.variants.first(), set.variants.last()) {
                (Some((_, first)), Some((_, last))) => more(&first.figures, &last.figures, name),
                _ => None,
            };
            let more = more.map_or("-".into(), signed);
            std::iter::once((*name).to_owned()).chain(cells).chain([more]).collect()
        };
        let names = names(set.variants.iter().map(|(_, it)| &it.figures));
        std::iter::once(head).chain(names.iter().map(row)).collect()
    })
}

/// Formats many variants, a row for each, with the main metrics and their difference from the first.
pub fn listed(sets: &[FigureComparison], style: EvaluationFormat) -> String {
    shown(sets, style, |set| {
        let names = names(set.variants.iter().map(|(_, it)| &it.figures));
        let names: Vec<&str> = LISTED.iter().filter(|it| names.contains(it)).copied().collect();
        let head = std::iter::once("scored").chain(names.iter().copied()).map(str::to_owned).collect();
        let mut cells: Cells = vec![head];
        for (idx, (way, found)) in set.variants.iter().enumerate() {
            let of = |name: &&str| {
                let more =
                    set.variants.first().and_then(|(_, first)| more(&first.figures, &found.figures, name));
                match more.filter(|_| 0 < idx) {
                    Some(more) => format!("{} ({})", cell(&found.figures, name), signed(more)),
                    None => cell(&found.figures, name),
                }
            };
            cells.push(std::iter::once(way.clone()).chain(names.iter().map(of)).collect());
        }
        cells
    })
}

fn shown(
    sets: &[FigureComparison],
    style: EvaluationFormat,
    cells: impl Fn(&FigureComparison) -> Cells,
) -> String {
    if style == EvaluationFormat::Json {
        return as_json(sets);
    }
    let mut text = String::new();
    for (idx, set) in sets.iter().enumerate() {
        let between = if idx == 0 { "" } else { "\n" };
        let _ = write!(text, "{between}{}\n{}", heading(&set.set, style), write(&cells(set), style));
    }
    text
}

/// The difference between the second and the first; `None` if one of them is absent.
fn more(first: &EvaluationMetrics, second: &EvaluationMetrics, name: &str) -> Option<f64> {
    Some(second.get(name)? - first.get(name)?)
}

fn signed(value: f64) -> String {
    // Without the sign of a value that rounds to 0.
    let value = if value.abs() < 0.000_05 { 0.0 } else { value };
    if 1e9 <= value.abs() { format!("{value:+.3e}") } else { format!("{value:+.4}") }
}

fn as_json(sets: &[FigureComparison]) -> String {
    let of_set = |it: &FigureComparison| {
        let first = it.variants.first().map(|(_, found)| found);
        let way = |(name, found): &(String, DatasetEvaluation)| {
            let mut way = json!({ "scored": name, "figures": object(&found.figures) });
            if let Some(first) = first {
                let difference = |(name, _): (&str, f64)| {
                    Some((name.to_owned(), json!(more(&first.figures, &found.figures, name)?)))
                };
                way["difference"] =
                    Value::from(found.figures.iter().filter_map(difference).collect::<Map<_, _>>());
            }
            way
        };
        json!({
            "set": it.set,
            "series": first.map_or(0, |it| it.series.len()),
            "events": first.map_or(0, |it| it.events),
            "days": first.map_or(0.0, |it| it.days),
            "ways": it.variants.iter().map(way).collect::<Vec<_>>(),
        })
    };
    format!("{:#}\n", json!({ "sets": sets.iter().map(of_set).collect::<Vec<_>>() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets() -> Vec<FigureComparison> {
        let way = |name: &str, named: &[(&str, f64)]| {
            let figures = EvaluationMetrics {
                named: named.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            };
            (name.to_owned(), DatasetEvaluation { figures, ..DatasetEvaluation::default() })
        };
        let ways = vec![
            way("a", &[("vus_pr", 0.5), ("vus_roc", 0.75), ("hit@100", 1.0)]),
            way("b", &[("vus_pr", 0.25), ("vus_roc", 0.75)]),
        ];
        vec![FigureComparison { set: "it".into(), variants: ways }]
    }

    #[test]
    fn two_are_beside_each_other() {
        let table = "it:\n\
                     figure        a       b  difference\n\
                     vus_pr   0.5000  0.2500     -0.2500\n\
                     vus_roc  0.7500  0.7500     +0.0000\n\
                     hit@100  1.0000       -           -\n";
        assert_eq!(side_by_side(&sets(), EvaluationFormat::Table), table);
        let markdown = side_by_side(&sets(), EvaluationFormat::Markdown);
        assert!(markdown.starts_with("### it\n\n| figure | a | b | difference |\n|---|"), "{markdown}");
    }

    #[test]
    fn many_are_a_list() {
        let table = "it:\n\
                     scored            vus_pr  hit@100\n\
                     a                 0.5000   1.0000\n\
                     b       0.2500 (-0.2500)        -\n";
        assert_eq!(listed(&sets(), EvaluationFormat::Table), table);
    }

    #[test]
    fn json_has_all_digits() {
        let found: Value = serde_json::from_str(&listed(&sets(), EvaluationFormat::Json)).unwrap();
        let way = &found["sets"][0]["ways"][1];
        let expected = json!({
            "scored": "b",
            "figures": { "vus_pr": 0.25, "vus_roc": 0.75 },
            "difference": { "vus_pr": -0.25, "vus_roc": 0.0 },
        });
        assert_eq!(*way, expected);
    }
}
