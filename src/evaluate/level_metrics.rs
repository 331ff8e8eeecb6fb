//! What people feel: events found and false episodes of each level, as hostnorm decided them, without a threshold chosen
//! with hindsight.

use std::fmt::Write;

use serde_json::{Value, json};

use super::alert_metrics::{FOR, SLACK};
use super::output::write;
use super::quantiles::median;
use super::{EvaluationFormat, LabeledSeries, events_of};

/// The names of the levels.
const LEVELS: [&str; 2] = ["unusual", "alert"];
const WEEK_DAYS: f64 = 7.0;
const DAY_MINUTES: f64 = 1_440.0;

/// Whether each row is at each level, as the detector decided.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LevelRows {
    /// Whether the row is in an episode.
    pub is_anomaly: Vec<bool>,
    /// Whether that episode is worth an alert.
    pub alert: Vec<bool>,
}

/// The figures of one level on a set of series.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelFigures {
    /// Name of the level: unusual or alert.
    pub level: &'static str,
    /// Number of events.
    pub events: usize,
    /// Share of the events in which, or at most five rows later, the level is reached.
    pub recall: f64,
    /// Episodes at this level outside events and the 30 rows after them, for each machine and week.
    pub false_per_week: f64,
    /// Median minutes from the start of an event until it is found; `None` if none is.
    pub delay_minutes: Option<f64>,
}

/// The figures of both levels; `None` if the decisions of some series are unknown.
pub fn levels(series: &[LabeledSeries]) -> Option<[LevelFigures; 2]> {
    let rows: Vec<&LevelRows> = series.iter().map(|it| it.levels.as_ref()).collect::<Option<_>>()?;
    let weeks: f64 = series.iter().map(|it| it.labels.len() as f64 / it.per_day / WEEK_DAYS).sum();
    let of = |level, column: fn(&LevelRows) -> &[bool]| {
        let (mut events, mut false_episodes, mut delays) = (0, 0, Vec::new());
        for (one, rows) in series.iter().zip(&rows) {
            let (count, outside, rows_until) = judged(&one.labels, column(rows));
            events += count;
            false_episodes += outside;
            delays.extend(rows_until.into_iter().map(|it| it as f64 * DAY_MINUTES / one.per_day));
        }
        LevelFigures {
            level,
            events,
            recall: delays.len() as f64 / events.max(1) as f64,
            false_per_week: false_episodes as f64 / weeks,
            delay_minutes: median(delays),
        }
    };
    let [unusual, alert] = LEVELS;
    Some([of(unusual, |it| &it.is_anomaly), of(alert, |it| &it.alert)])
}

/// The number of events, the number of episodes outside them, and the rows from the start of each event found.
fn judged(labels: &[bool], active: &[bool]) -> (usize, usize, Vec<usize>) {
    let events = events_of(labels);
    let (mut near, mut delays) = (vec![false; labels.len()], Vec::new());
    for event in &events {
        near[event.start..(event.end + SLACK).min(labels.len())].fill(true);
        let window = &active[event.start..(event.end + FOR).min(labels.len())];
        delays.extend(window.iter().position(|it| *it));
    }
    let is_false = |episode: &std::ops::Range<usize>| !near[episode.clone()].contains(&true);
    (events.len(), events_of(active).into_iter().filter(is_false).count(), delays)
}

/// Formats the levels of named sets, with the mean of the sets.
pub fn show_levels(sets: &[(String, [LevelFigures; 2])], style: EvaluationFormat) -> String {
    if style == EvaluationFormat::Json {
        let set = |(name, levels): &(String, [LevelFigures; 2])| json!({ "set": name, "levels": levels.iter().map(object).collect::<Vec<_>>() });
        return format!("{:#}\n", json!({ "sets": sets.iter().map(set).collect::<Vec<_>>() }));
    }
    let head =
        ["set", "level", "events", "events found", "false episodes per machine and week", "median delay"];
    let mut cells = vec![head.map(str::to_owned).to_vec()];
    for (idx, level) in LEVELS.iter().enumerate() {
        let of_level: Vec<&LevelFigures> = sets.iter().map(|(_, it)| &it[idx]).collect();
        for ((name, _), it) in sets.iter().zip(&of_level) {
            let mut delay = "-".to_owned();
            if let Some(minutes) = it.delay_minutes {
                delay.clear();
                let _ = write!(delay, "{minutes:.0} min");
            }
            cells.push(row([name, level, &it.events.to_string()], it.recall, it.false_per_week, delay));
        }
        let mean = |of: fn(&LevelFigures) -> f64| {
            of_level.iter().map(|it| of(it)).sum::<f64>() / of_level.len().max(1) as f64
        };
        let events: usize = of_level.iter().map(|it| it.events).sum();
        let means = [mean(|it| it.recall), mean(|it| it.false_per_week)];
        cells.push(row(["mean", level, &events.to_string()], means[0], means[1], "-".into()));
    }
    write(&cells, style)
}

fn row(names: [&str; 3], recall: f64, false_per_week: f64, delay: String) -> Vec<String> {
    let figures = [format!("{recall:.2}"), format!("{false_per_week:.1}"), delay];
    names.into_iter().map(str::to_owned).chain(figures).collect()
}

fn object(it: &LevelFigures) -> Value {
    json!({
        "level": it.level, "events": it.events, "recall": it.recall, "false_per_week": it.false_per_week,
        "delay_minutes": it.delay_minutes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<bool> {
        text.bytes().map(|it| it == b'1').collect()
    }

    fn check(labels: &str, active: &str, (events, others, delays): (usize, usize, &[usize])) {
        let found = judged(&rows(labels), &rows(active));
        assert_eq!((found.0, found.1, &found.2[..]), (events, others, delays), "{labels} {active}");
    }

    #[test]
    fn an_event_is_found_once_and_a_false_episode_counts_once() {
        check("0011000000", "0001000000", (1, 0, &[1]));
        check("0011000000", "0000000001", (1, 0, &[]));
        check("0011000000", "0000000100", (1, 0, &[5]));
        check("0011000000", "1000000000", (1, 1, &[]));
        check("0011000000", "1110000000", (1, 0, &[0]));
        let late = "0".repeat(40);
        check(
            &format!("11{late}"),
            &format!("00{}11110", "0".repeat(35)).chars().take(42).collect::<String>(),
            (1, 1, &[]),
        );
    }

    #[test]
    fn sets_are_listed_by_level_with_their_mean() {
        let levels = LevelRows { is_anomaly: rows("0110"), alert: rows("0000") };
        let series = LabeledSeries::new("a", rows("0110"), vec![0.0; 4], 1_440.0, 0).unwrap();
        let series = series.with_levels(levels).unwrap();
        let figures = super::levels(&[series]).unwrap();
        let table = "set     level  events  events found  false episodes per machine and week  median delay\n\
                     a     unusual       1          1.00                                  0.0         0 min\n\
                     mean  unusual       1          1.00                                  0.0             -\n\
                     a       alert       1          0.00                                  0.0             -\n\
                     mean    alert       1          0.00                                  0.0             -\n";
        let sets = [("a".to_owned(), figures)];
        assert_eq!(show_levels(&sets, EvaluationFormat::Table), table);
        let json: Value = serde_json::from_str(&show_levels(&sets, EvaluationFormat::Json)).unwrap();
        assert_eq!(json["sets"][0]["levels"][1]["recall"], 0.0);
    }
}
