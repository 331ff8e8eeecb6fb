//! The tables of the pages.

use maud::{Markup, html};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::signal_charts::position;
use super::subject_history::{HistoryTotals, SubjectHistory};
use super::{signal_text, time_text};
use crate::explanation::{Cause, EpisodeRecord};
use crate::report::{Assessment, ScoreDetails, SignalState};
use crate::sources;
use crate::store::BaselineRow;

/// The address of the page of an episode, relative to `/`.
pub(super) fn episode_link(id: &str) -> String {
    format!("episodes/{}", utf8_percent_encode(id, NON_ALPHANUMERIC))
}

/// A table that scrolls by itself where it is too wide; it can be scrolled by keyboard too.
pub(super) fn scrollable_table(label: &str, table: &Markup) -> Markup {
    html! { div.scroll tabindex="0" role="region" aria-label=(label) { (table) } }
}

/// The signals to blame.
pub(super) fn causes(causes: &[Cause]) -> Markup {
    let table = html! {
        table {
            caption { "The largest contribution to the score first" }
            thead { tr {
                th scope="col" { "Signal" } th scope="col" { "Change" } th.number scope="col" { "Value" }
                th.number scope="col" { "Expected" } th.number scope="col" { "Normal range" }
                th.number scope="col" { "Contribution" }
            } }
            tbody { @for it in causes { (cause(it)) } }
        }
    };
    scrollable_table("Causes", &table)
}

fn cause(it: &Cause) -> Markup {
    let signal = sources::signal(&it.signal);
    let unit = signal.map(|it| it.unit);
    let value = |it: Option<f64>| it.map(|it| signal_text::value(unit, it));
    let change = match (it.absence.as_deref(), it.seconds) {
        (Some("flat_line"), Some(seconds)) => format!("unchanged for {}", time_text::span(seconds)),
        (Some(absence), Some(seconds)) => format!("{absence} {} ago", time_text::span(seconds)),
        _ => it.direction.clone().unwrap_or_default(),
    };
    let has_range = it.lower.is_some() || it.upper.is_some();
    html! {
        tr {
            th scope="row" { (signal.map_or(it.signal.as_str(), |it| it.title)) }
            td { (change) }
            td.number { @if let Some(text) = value(it.value) { (text) } }
            td.number { @if let Some(text) = value(it.expected) { (text) } }
            td.number { @if has_range { (signal_text::range(unit, it.lower, it.upper)) } }
            td.number { @if let Some(it) = it.contribution { (format!("{it:.2}")) } }
        }
    }
}

/// The current value of each signal.
pub(super) fn signals(assessment: &Assessment, anomalies_only: bool) -> Markup {
    let is_outside = |it: &&SignalState| position(it).is_some_and(|it| it != "in range");
    let outside = assessment.signals.iter().filter(is_outside).count();
    let shown = assessment.signals.iter().filter(|it| !anomalies_only || is_outside(it));
    let table = html! {
        table {
            caption { (outside) " of " (assessment.signals.len()) " signals outside their normal range" }
            thead { tr {
                th scope="col" { "Signal" } th.number scope="col" { "Value" } th.number scope="col" { "Expected" }
                th.number scope="col" { "Normal range" } th scope="col" { "Position" }
            } }
            tbody { @for it in shown { (signal(it)) } }
        }
    };
    scrollable_table("Signals", &table)
}

fn signal(it: &SignalState) -> Markup {
    let unit = Some(it.signal.unit);
    let position = position(it).unwrap_or("no range yet");
    html! {
        tr data-position=(position) {
            th scope="row" { (it.signal.title) " " code { (it.signal.name) } }
            td.number { (signal_text::value(unit, it.value)) }
            td.number { @if let Some(it) = it.expected { (signal_text::value(unit, it.value)) } }
            td.number {
                @if let Some([lower, upper]) = it.expected.map(signal_text::bounds) {
                    (signal_text::range(unit, lower, upper))
                }
            }
            td { span.position data-position=(position) { (position) } }
        }
    }
}

/// The newest points with the values of the signals that have a chart, and the totals of the range.
pub(super) fn recent(history: &SubjectHistory, signals: &[&SignalState], range_title: &str) -> Markup {
    let HistoryTotals { points, in_episode, episodes, highest_score } = &history.totals;
    let table = html! {
        table {
            caption {
                "Last " (range_title) ": " (points) " points, " (in_episode) " of them in " (episodes) @if *episodes == 1 { " episode" } @else { " episodes" }
                @if let Some(score) = highest_score { ", highest score " (format!("{score:.2}")) }
            }
            thead { tr {
                th scope="col" { "Time" } th.number scope="col" { "Score" } th scope="col" { "State" }
                @for it in signals { th.number scope="col" { (it.signal.title) } }
            } }
            tbody {
                @for point in &history.recent {
                    tr data-state=(state(point.in_episode)) {
                        th scope="row" { (time_text::time(point.at)) }
                        td.number { @if let Some(score) = point.score { (format!("{score:.2}")) } }
                        td { span.state data-state=(state(point.in_episode)) { (state(point.in_episode)) } }
                        @for (value, it) in point.values.iter().zip(signals) {
                            td.number { @if let Some(value) = value { (signal_text::value(Some(it.signal.unit), *value)) } }
                        }
                    }
                }
            }
        }
    };
    scrollable_table("Recent values", &table)
}

fn state(in_episode: bool) -> &'static str {
    if in_episode { "anomaly" } else { "normal" }
}

/// The detectors side by side, with their votes.
pub(super) fn detectors(details: &ScoreDetails) -> Markup {
    let table = html! {
        table {
            caption {
                "A detector's score is 1 at its own threshold."
                @if let Some(it) = details.confidence { " " (format!("{:.0}", it * 100.0)) " % of the votes agree." }
            }
            thead { tr {
                th scope="col" { "Detector" } th.number scope="col" { "Score" } th scope="col" { "Vote" }
                th scope="col" { "Judges by" }
            } }
            tbody {
                @for (info, score) in details.detectors.described() {
                    @let vote = match (info.vote(*score), score) {
                        (Some(true), _) => "anomaly",
                        (Some(false), _) => "normal",
                        (None, Some(_)) => "no vote",
                        (None, None) => "abstains",
                    };
                    tr {
                        th scope="row" { code { (info.name) } }
                        td.number { @if let Some(score) = score { (format!("{score:.2}")) } }
                        td { span.state data-state=(vote) { (vote) } }
                        td.wide { (info.help) }
                    }
                }
            }
        }
    };
    scrollable_table("Detectors", &table)
}

/// The learned statistics of each signal.
pub(super) fn baselines(rows: &[BaselineRow]) -> Markup {
    let table = html! {
        table {
            caption { "Statistics of each signal, without episodes" }
            thead { tr {
                th scope="col" { "Signal" }
                @for name in ["Mean", "Deviation", "Minimum", "95 %", "99 %", "Maximum", "Points"] {
                    th.number scope="col" { (name) }
                }
            } }
            tbody {
                @for it in rows {
                    @let signal = sources::signal(&it.signal);
                    @let unit = signal.map(|it| it.unit);
                    tr {
                        th scope="row" { (signal.map_or(it.signal.as_str(), |it| it.title)) }
                        @for value in [it.mean, it.stddev, it.min, it.p95, it.p99, it.max] {
                            td.number { @if value.is_finite() { (signal_text::value(unit, value)) } }
                        }
                        td.number { (format!("{:.0}", it.points)) }
                    }
                }
            }
        }
    };
    scrollable_table("Baselines", &table)
}

/// The episodes, each with a link to its page. `root` is the way to `/`.
pub(super) fn episodes(rows: &[EpisodeRecord], left_out: usize, root: &str) -> Markup {
    let table = html! {
        table {
            caption {
                "The newest first"
                @if left_out > 0 { "; " (left_out) " older ones are in " code { "hostnorm episodes" } }
            }
            thead { tr {
                th scope="col" { "Start" } th.number scope="col" { "Duration" } th.number scope="col" { "Peak score" }
                th scope="col" { "Outcome" } th scope="col" { "Description" }
            } }
            tbody {
                @for it in rows {
                    tr {
                        th scope="row" { a href={ (root) (episode_link(&it.id)) } { (time_text::time(it.began)) } }
                        td.number { (it.duration_text()) }
                        td.number { (format!("{:.1}", it.peak)) }
                        td { (it.outcome) @if let Some(verdict) = &it.verdict { ", " (verdict) } }
                        td.wide { (it.description) }
                    }
                }
            }
        }
    };
    scrollable_table("Episodes", &table)
}
