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
/// Columns of the title of a signal: at most, and on a narrow screen at least.
const TITLE_COLUMNS: usize = 40;
const TITLE_COLUMNS_MIN: usize = 12;
/// Columns of the other cells of a signal on a wide screen: value, expected value, range and score.
const CELL_COLUMNS: [usize; 4] = [12, 12, 24, 8];
/// The names of these cells.
const CELL_NAMES: [&str; 4] = ["VALUE", "EXPECTED", "RANGE", "SCORE"];
/// Columns between the cells of a signal, with the mark of one that is outside its range.
const GAP_COLUMNS: usize = 7;
/// Fewest columns of the description of an episode beside its other cells; on a narrower screen it is below them.
const DESCRIPTION_COLUMNS_MIN: usize = 60;
/// Columns of the bar of the score.
const BAR_COLUMNS: usize = 40;
/// Score at the right end of the bar; the unusual level, 1, is in its middle.
const BAR_SCORE_MAX: f64 = 2.0;

/// The size of a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScreenSize {
    /// Its columns. Longer texts are wrapped; what is too long nevertheless is cut.
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
        state(&mut lines, detection, size.columns);
        signals(&mut lines, detection, size.columns);
    }
    if let Some(episodes) = &answers.episodes {
        recent(&mut lines, episodes, size.columns);
    }
    for line in answers.problem.iter().flat_map(|it| it.lines()) {
        wrap(&mut lines, String::new(), line.split(' '), " ", size.columns);
    }
    lines.truncate(size.lines);
    let cut = |line: &String| {
        let cut: String = line.chars().filter(|it| !it.is_control()).take(size.columns).collect();
        cut.trim_end().to_owned()
    };
    lines.iter().map(|it| cut(it) + "\n").collect()
}

/// Adds these items behind a head, as many to a line as there is room; the lines after the first are indented below the head.
fn wrap<'a>(
    lines: &mut Vec<String>,
    head: String,
    items: impl Iterator<Item = &'a str>,
    separator: &str,
    columns: usize,
) {
    let indent = " ".repeat(head.chars().count());
    let (mut line, mut has_item) = (head, false);
    for item in items {
        let needed = if has_item { separator.len() } else { 0 } + item.chars().count();
        if has_item && columns < line.chars().count() + needed {
            lines.push(std::mem::replace(&mut line, indent.clone()));
            has_item = false;
        }
        if has_item {
            line.push_str(separator);
        }
        line.push_str(item);
        has_item = true;
    }
    lines.push(line);
}

fn state(lines: &mut Vec<String>, detection: &Value, columns: usize) {
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
        wrap(lines, "detectors     ".to_owned(), named.iter().map(String::as_str), "  ", columns);
    }
    if !text("description").is_empty() {
        wrap(lines, String::new(), text("description").split(' '), " ", columns);
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

/// The signals with the largest contributions, and those outside their range, before the others. A narrow screen has
/// shorter titles.
fn signals(lines: &mut Vec<String>, detection: &Value, columns: usize) {
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
    rows.truncate(SIGNALS_MAX);
    let cells: Vec<[String; 4]> = rows.iter().copied().map(cells).collect();
    let [value, expected, range, score] = cell_columns(&cells, columns);
    let others = value + expected + range + score + GAP_COLUMNS;
    let title_columns = columns.saturating_sub(others).clamp(TITLE_COLUMNS_MIN, TITLE_COLUMNS);
    let mut push = |mark: &str, title: &str, cells: [&str; 4]| {
        let title = shortened(title, title_columns);
        lines.push(format!(
            "{mark} {title:<title_columns$} {:>value$} {:>expected$}  {:<range$} {:>score$}",
            cells[0], cells[1], cells[2], cells[3]
        ));
    };
    push("", "", [""; 4]);
    push(" ", "SIGNAL", CELL_NAMES);
    for (row, cells) in rows.iter().zip(&cells) {
        let mark = if is_outside(row) { "!" } else { " " };
        push(mark, row["title"].as_str().unwrap_or_default(), cells.each_ref().map(String::as_str));
    }
}

/// Value, expected value, range and score of a signal as text.
fn cells(row: &Value) -> [String; 4] {
    let unit =
        sources::signal(row["metric"].as_str().unwrap_or_default()).map_or(SignalUnit::Count, |it| it.unit);
    let quantity = |name: &str| row[name].as_f64().map(|it| episode_text::quantity(unit, it));
    let range = match (quantity("lower"), quantity("upper")) {
        (Some(lower), Some(upper)) => format!("{lower} to {upper}"),
        (None, Some(upper)) => format!("up to {upper}"),
        (Some(lower), None) => format!("from {lower}"),
        (None, None) => String::new(),
    };
    let score = row["contribution"].as_f64().map(|it| format!("{it:+.2}")).unwrap_or_default();
    let [value, expected] = ["value", "expected_value"].map(|it| quantity(it).unwrap_or_default());
    [value, expected, range, score]
}

/// The columns of each cell: on a screen that is too narrow for the usual ones, those that its texts need.
fn cell_columns(cells: &[[String; 4]], columns: usize) -> [usize; 4] {
    if TITLE_COLUMNS + GAP_COLUMNS + CELL_COLUMNS.iter().sum::<usize>() <= columns {
        return CELL_COLUMNS;
    }
    std::array::from_fn(|idx| {
        let texts = cells.iter().map(|it| it[idx].chars().count());
        texts.fold(CELL_NAMES[idx].len(), usize::max)
    })
}

/// A text with at most this many characters.
fn shortened(text: &str, characters_max: usize) -> String {
    match text.char_indices().nth(characters_max.saturating_sub(1)) {
        Some((end, last)) if end + last.len_utf8() < text.len() => format!("{}…", &text[..end]),
        _ => text.to_owned(),
    }
}

fn recent(lines: &mut Vec<String>, episodes: &Value, columns: usize) {
    let rows: Vec<EpisodeRecord> = serde_json::from_value(episodes["episodes"].clone()).unwrap_or_default();
    lines.push(String::new());
    if rows.is_empty() {
        lines.push("no anomaly recorded".into());
        return;
    }
    let mut head = format!("{:<20} {:>8} {:<11} {:>6}  ", "SINCE (UTC)", "FOR", "OUTCOME", "PEAK");
    let is_beside = head.len() + DESCRIPTION_COLUMNS_MIN <= columns;
    head.push_str(if is_beside { "DESCRIPTION" } else { "" });
    lines.push(head);
    for row in rows.iter().take(EPISODES_MAX) {
        let mut head = format!(
            "{:<20} {:>8} {:<11} {:>6.2}  ",
            instant(row.began),
            row.duration_text(),
            row.outcome,
            row.peak
        );
        if !is_beside {
            lines.push(std::mem::replace(&mut head, "  ".to_owned()));
        }
        wrap(lines, head, row.description.split(' '), " ", columns);
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

    /// The same on 80 columns, with longer texts.
    const NARROW: &str = "\
host host: UNUSUAL    2026-11-21 10:00:00 UTC
score   1.50  [####################|##########..........]  unusual from 1
detectors     eif 0.50  zscore 2.00*
Anomaly on host: runnable tasks per CPU 12 (expected 0.5, range 0–1.3), user CPU
88 % (expected 12 %, range 5–23 %)

  SIGNAL                                   VALUE EXPECTED  RANGE        SCORE
! CPU usage of all the programs on this h…  90 %     10 %  0 % to 100 % +1.40
  memory usage                              15 %     10 %  0 % to 20 %

SINCE (UTC)               FOR OUTCOME       PEAK
2026-11-21 09:00:00        5m ended         3.00
  Anomaly on host: disk usage 97 %, disk read rate 120 MB/s (expected 1.2 MB/s,
  range 0–23 MB/s)
";

    #[test]
    fn on_80_columns_no_number_is_cut_and_no_sentence() {
        let mut answers = answers();
        let detection = answers.detection.as_mut().unwrap();
        detection["description"] =
            "Anomaly on host: runnable tasks per CPU 12 (expected 0.5, range 0–1.3), user CPU 88 % (expected 12 %, \
             range 5–23 %)"
                .into();
        detection["signals"][1]["title"] = "CPU usage of all the programs on this host and its guests".into();
        detection["signals"][1]["upper"] = json!(1.0);
        answers.episodes.as_mut().unwrap()["episodes"][0]["description"] =
            "Anomaly on host: disk usage 97 %, disk read rate 120 MB/s (expected 1.2 MB/s, range 0–23 MB/s)"
                .into();
        let shown = render_screen(&answers, ScreenSize { columns: 80, lines: 24 });
        assert_eq!(shown, NARROW);
        assert!(shown.lines().all(|it| it.chars().count() <= 80));
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
