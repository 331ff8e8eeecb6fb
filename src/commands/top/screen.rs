//! What `hostnorm top` shows, as lines of text.

use serde_json::Value;

use crate::episode_text;
use crate::explanation::EpisodeRecord;
use crate::reading::Timestamp;
use crate::signal::SignalUnit;
use crate::sources;

/// Most signals in the list; a screen may have fewer lines.
const SIGNALS_MAX: usize = 12;
/// Most episodes in the list.
const EPISODES_MAX: usize = 5;
/// Columns of the bar of the score.
const BAR_COLUMNS: usize = 40;
/// Score at the right end of the bar; the unusual level, 1, is in its middle.
const BAR_SCORE_MAX: f64 = 2.0;

/// The size of a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScreenSize {
    /// Its columns; a longer line is cut.
    pub(super) columns: usize,
    /// Its lines; those beyond are left out.
    pub(super) lines: usize,
}

impl ScreenSize {
    /// For output that is not a screen.
    pub(super) const UNLIMITED: Self = Self { columns: usize::MAX, lines: usize::MAX };
}

/// What the daemon answered, each as the API gives it; absent if that failed.
#[derive(Debug, Default)]
pub(super) struct DaemonResponses {
    /// `GET detect`.
    pub(super) detection: Option<Value>,
    /// `GET episodes`.
    pub(super) episodes: Option<Value>,
    /// Why something is absent.
    pub(super) problem: Option<String>,
}

/// The screen: state, score beside the unusual level, signals with their ranges, detectors, recent episodes.
pub(super) fn render_screen(answers: &DaemonResponses, size: ScreenSize) -> String {
    let mut lines = Vec::new();
    if let Some(detection) = &answers.detection {
        state(&mut lines, detection);
        signals(&mut lines, detection);
    }
    if let Some(episodes) = &answers.episodes {
        recent(&mut lines, episodes);
    }
    lines.extend(answers.problem.iter().flat_map(|it| it.lines().map(str::to_owned).collect::<Vec<_>>()));
    lines.truncate(size.lines);
    let cut = |line: &String| {
        let cut: String = line.chars().filter(|it| !it.is_control()).take(size.columns).collect();
        cut.trim_end().to_owned()
    };
    lines.iter().map(|it| cut(it) + "\n").collect()
}

fn state(lines: &mut Vec<String>, detection: &Value) {
    let text = |name: &str| detection[name].as_str().unwrap_or_default();
    let number = |name: &str| detection[name].as_f64();
    let at = instant(number("timestamp").unwrap_or_default());
    let is = |name: &str| detection[name] == true;
    let verdict = match (is("ready"), is("is_anomaly"), is("alert")) {
        (false, ..) => "warming up",
        (true, false, _) => "normal",
        (true, true, false) => "UNUSUAL",
        (true, true, true) => "ALERT",
    };
    lines.push(format!("{} {}: {verdict}    {at} UTC", text("kind"), text("subject")));
    if let Some(score) = number("score") {
        lines.push(format!("score {score:>6.2}  {}  unusual from 1", bar(score)));
    }
    let methods = detection["methods"].as_object();
    let named = methods.into_iter().flatten().map(|(name, it)| {
        format!("{name} {:.2}{}", it["score"].as_f64().unwrap_or_default(), mark(it["is_anomaly"] == true))
    });
    let named: Vec<String> = named.collect();
    if !named.is_empty() {
        lines.push(format!("detectors     {}", named.join("  ")));
    }
    if !text("description").is_empty() {
        lines.push(text("description").to_owned());
    }
}

fn mark(is_anomaly: bool) -> &'static str {
    if is_anomaly { "*" } else { "" }
}

/// A bar up to the score, with a mark at the unusual level.
fn bar(score: f64) -> String {
    // The cast saturates: a score below 0 has no bar.
    let filled = ((score / BAR_SCORE_MAX * BAR_COLUMNS as f64).round() as usize).min(BAR_COLUMNS);
    let middle = BAR_COLUMNS / 2;
    let column = |idx: usize| match (idx < filled + usize::from(idx > middle), idx == middle) {
        (_, true) => '|',
        (true, false) => '#',
        (false, false) => '.',
    };
    format!("[{}]", (0..=BAR_COLUMNS).map(column).collect::<String>())
}

/// The signals with the largest contributions, and those outside their range, before the others.
fn signals(lines: &mut Vec<String>, detection: &Value) {
    let mut rows: Vec<&Value> = detection["signals"].as_array().into_iter().flatten().collect();
    let is_outside = |it: &Value| it["in_range"] == false;
    let contribution = |it: &Value| it["contribution"].as_f64().unwrap_or(0.0);
    rows.sort_by(|one, other| {
        let by_contribution = contribution(other).total_cmp(&contribution(one));
        is_outside(other).cmp(&is_outside(one)).then(by_contribution)
    });
    if rows.is_empty() {
        return;
    }
    lines.push(String::new());
    lines.push(format!(
        "  {:<40} {:>12} {:>12}  {:<24} {:>8}",
        "SIGNAL", "VALUE", "EXPECTED", "RANGE", "SCORE"
    ));
    for row in rows.into_iter().take(SIGNALS_MAX) {
        let unit = sources::signal(row["metric"].as_str().unwrap_or_default())
            .map_or(SignalUnit::Count, |it| it.unit);
        let quantity = |name: &str| row[name].as_f64().map(|it| episode_text::quantity(unit, it));
        let range = match (quantity("lower"), quantity("upper")) {
            (Some(lower), Some(upper)) => format!("{lower} to {upper}"),
            (None, Some(upper)) => format!("up to {upper}"),
            (Some(lower), None) => format!("from {lower}"),
            (None, None) => String::new(),
        };
        let part = row["contribution"].as_f64().map(|it| format!("{it:+.2}")).unwrap_or_default();
        lines.push(format!(
            "{} {:<40} {:>12} {:>12}  {range:<24} {part:>8}",
            if is_outside(row) { "!" } else { " " },
            row["title"].as_str().unwrap_or_default(),
            quantity("value").unwrap_or_default(),
            quantity("expected_value").unwrap_or_default(),
        ));
    }
}

fn recent(lines: &mut Vec<String>, episodes: &Value) {
    let rows: Vec<EpisodeRecord> = serde_json::from_value(episodes["episodes"].clone()).unwrap_or_default();
    lines.push(String::new());
    if rows.is_empty() {
        lines.push("no anomaly recorded".into());
        return;
    }
    lines.push(format!("{:<20} {:>8} {:<11} {:>6}  DESCRIPTION", "SINCE (UTC)", "FOR", "OUTCOME", "PEAK"));
    for row in rows.iter().take(EPISODES_MAX) {
        lines.push(format!(
            "{:<20} {:>8} {:<11} {:>6.2}  {}",
            instant(row.began),
            row.duration_text(),
            row.outcome,
            row.peak,
            row.description
        ));
    }
}

/// A time as people read it: `2026-11-21 10:00:00`, in UTC.
fn instant(at: f64) -> String {
    let text = episode_text::instant(Timestamp(at)).replace('T', " ");
    text.get(..19).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answers() -> DaemonResponses {
        let signal = |metric: &str, title: &str, value: f64, in_range: bool, contribution: Option<f64>| {
            json!({"metric": metric, "title": title, "value": value, "expected_value": 0.1, "lower": 0.0, "upper": 0.2,
                   "in_range": in_range, "contribution": contribution})
        };
        let detection = json!({
            "timestamp": 1_795_255_200.5, "kind": "host", "subject": "host", "ready": true, "is_anomaly": true,
            "score": 1.5, "description": "Anomaly on host: CPU usage 90 %",
            "methods": {"zscore": {"is_anomaly": true, "score": 2.0}, "eif": {"is_anomaly": false, "score": 0.5}},
            "signals": [
                signal("memory_used_ratio", "memory usage", 0.15, true, None),
                signal("cpu_busy_ratio", "CPU usage", 0.9, false, Some(1.4)),
            ],
        });
        let episode = json!({
            "id": "2026-11-21T09:00:00Z", "kind": "host", "subject": "host", "began": 1_795_251_600.0,
            "ended": 1_795_251_900.0, "last_seen": 1_795_251_900.0, "outcome": "ended", "peak": 3.0, "causes": [],
            "description": "Anomaly on host: disk usage 97 %", "model": null, "retained_from": null, "retained_to": null,
        });
        DaemonResponses {
            detection: Some(detection),
            episodes: Some(json!({"episodes": [episode], "skipped": 0})),
            problem: None,
        }
    }

    const GOLDEN: &str = "\
host host: UNUSUAL    2026-11-21 10:00:00 UTC
score   1.50  [####################|##########..........]  unusual from 1
detectors     eif 0.50  zscore 2.00*
Anomaly on host: CPU usage 90 %

  SIGNAL                                          VALUE     EXPECTED  RANGE                       SCORE
! CPU usage                                        90 %         10 %  0 % to 20 %                 +1.40
  memory usage                                     15 %         10 %  0 % to 20 %

SINCE (UTC)               FOR OUTCOME       PEAK  DESCRIPTION
2026-11-21 09:00:00        5m ended         3.00  Anomaly on host: disk usage 97 %
";

    #[test]
    fn an_anomaly_comes_with_its_signals_and_the_episodes_before() {
        assert_eq!(render_screen(&answers(), ScreenSize::UNLIMITED), GOLDEN);
    }

    #[test]
    fn a_small_screen_gets_the_first_lines_cut() {
        let shown = render_screen(&answers(), ScreenSize { columns: 20, lines: 3 });
        assert_eq!(shown, "host host: UNUSUAL\nscore   1.50  [#####\ndetectors     eif 0.\n");
    }

    #[test]
    fn what_failed_is_said_without_the_rest() {
        let problem = Some("no hostnorm listens on /x.sock;\nstart it".into());
        let shown =
            render_screen(&DaemonResponses { problem, ..DaemonResponses::default() }, ScreenSize::UNLIMITED);
        assert_eq!(shown, "no hostnorm listens on /x.sock;\nstart it\n");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let mut answers = answers();
        answers.detection.as_mut().unwrap()["description"] = json!("a\u{1b}[2Jb");
        assert!(!render_screen(&answers, ScreenSize::UNLIMITED).contains('\u{1b}'));
    }

    #[test]
    fn the_bar_shows_the_unusual_level_in_its_middle() {
        assert_eq!(bar(0.0), format!("[{}|{}]", ".".repeat(20), ".".repeat(20)));
        assert_eq!(bar(1.0), format!("[{}|{}]", "#".repeat(20), ".".repeat(20)));
        assert_eq!(bar(9.0).matches('.').count(), 0);
        assert_eq!(bar(-1.0), bar(0.0));
    }
}
