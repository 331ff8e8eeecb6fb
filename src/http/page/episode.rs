//! The page of one episode: its explanation, to be linked to and printed.

use hyper::StatusCode;
use maud::{Markup, html};

use super::chart::Chart;
use super::layout::{PageLocation, page};
use super::subject_history::BucketedSeries;
use super::{
    command_buttons, document, episode_logs, page_query, page_tables, scene, signal_charts, signal_text,
    time_text,
};
use crate::explanation::{
    self, EpisodeRecord, OutOfRangeSignal, SimilarEpisode, SubjectEvidence, SubjectExplanation,
};
use crate::http::api::{episode_facts, unknown_episode};
use crate::http::app_state::AppState;
use crate::http::message::{ProblemDetails, Request, Response};
use crate::reading::Timestamp;
use crate::signal::Signal;
use crate::sources;
use crate::store::TimeRange;

/// Height of the chart of the score, in pixels.
const SCORE_HEIGHT: f64 = 120.0;
/// Seconds before and after an episode that its charts show.
const AROUND_SECONDS: f64 = 600.0;

/// The series that the page draws.
pub(super) struct EpisodeCharts {
    range: TimeRange,
    scores: BucketedSeries,
    /// Each signal to blame with its points.
    signals: Vec<(String, BucketedSeries)>,
}

pub(in crate::http) async fn episode(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let id = request.path_arguments.first().cloned().unwrap_or_default();
    let (episode, subject, facts) = episode_facts(state, &id).await?.ok_or_else(|| unknown_episode(&id))?;
    let charts = EpisodeCharts::of(&episode, &facts);
    let explanation = explanation::explain(&subject, facts);
    let content = markup(&episode, &explanation, &charts, request.is_admin);
    let page = page(PageLocation::Below("../"), &format!("Episode {id}"), &state.telemetry_path, &content);
    Ok(document(StatusCode::OK, page))
}

impl EpisodeCharts {
    pub(super) fn of(episode: &EpisodeRecord, facts: &SubjectEvidence<'_>) -> Self {
        let range = around(episode, facts);
        let step = page_query::step(range);
        let mut scores = BucketedSeries::default();
        facts.scores.iter().for_each(|(at, score)| scores.add(step, at.0, *score));
        let mut signals = Vec::new();
        for cause in &episode.causes {
            let Some(index) = facts.signals.iter().position(|it| it.name == cause.signal) else { continue };
            let mut series = BucketedSeries::default();
            for point in &facts.points {
                let value = point.values.get(index).copied().flatten();
                value.iter().for_each(|value| series.add(step, point.at.0, *value));
            }
            signals.push((cause.signal.clone(), series));
        }
        Self { range, scores, signals }
    }
}

/// The time that belongs to an episode, as far as there are points.
fn around(episode: &EpisodeRecord, facts: &SubjectEvidence<'_>) -> TimeRange {
    let ended = episode.last_instant();
    let points = || facts.points.iter().map(|it| it.at.0);
    let from = points().next().unwrap_or_default().max(episode.began - AROUND_SECONDS);
    let to = points().next_back().unwrap_or(ended).min(ended + AROUND_SECONDS);
    TimeRange { from: Timestamp(from.min(episode.began)), to: Timestamp(to.max(ended).max(from + 1.0)) }
}

pub(super) fn markup(
    episode: &EpisodeRecord,
    explanation: &SubjectExplanation,
    charts: &EpisodeCharts,
    is_admin: bool,
) -> Markup {
    let outcome = if episode.outcome == "open" { "anomaly" } else { "normal" };
    html! {
        section #status data-state=(outcome) {
            h1 { "Episode " (episode.id) }
            p.sentence { (explanation.sentence) }
            dl.facts {
                div { dt { "Start" } dd { (time_text::time(episode.began)) } }
                @if let Some(ended) = episode.ended { div { dt { "End" } dd { (time_text::time(ended)) } } }
                div { dt { "Duration" } dd { (episode.duration_text()) } }
                div { dt { "Peak score" } dd { (format!("{:.2}", episode.peak)) } }
                div { dt { "Outcome" } dd { (episode.outcome) } }
                @if let Some(severity) = &episode.severity { div { dt { "Severity by impact" } dd { (severity) } } }
                @if !episode.circumstances.is_empty() { div { dt { "Marked" } dd { (episode.circumstances.join(", ")) } } }
                @if let Some(verdict) = &episode.verdict { div { dt { "Verdict" } dd { (verdict) } } }
                @if let Some(model) = &episode.model { div { dt { "Model" } dd { code { (model) } } } }
            }
        }
        @if !charts.scores.0.is_empty() {
            section aria-labelledby="score" { h2 #score { "Score" } (score_chart(episode, explanation, charts)) }
        }
        @if !explanation.causes.is_empty() {
            section aria-labelledby="causes" { h2 #causes { "Causes" } (page_tables::causes(&explanation.causes)) (signals(episode, charts)) }
        }
        (episode_logs::templates(&explanation.templates))
        (episode_logs::nearby(&explanation.nearby))
        (scene::section(&explanation.culprits, &explanation.scenes))
        @if let Some(left) = explanation.out_of_range.as_deref().filter(|it| !it.is_empty()) {
            section aria-labelledby="left" { h2 #left { "Signals that left their range of the day before" } (out_of_range(left)) }
        }
        @if !explanation.similar.is_empty() {
            section aria-labelledby="similar" { h2 #similar { "Similar episodes before" } (similar(&explanation.similar)) }
        }
        (commands(episode, is_admin))
    }
}

fn span(episode: &EpisodeRecord) -> Vec<[f64; 2]> {
    vec![[episode.began, episode.last_instant()]]
}

fn score_chart(episode: &EpisodeRecord, explanation: &SubjectExplanation, charts: &EpisodeCharts) -> Markup {
    let highest = explanation.highest_score.map_or(episode.peak, |it| it.score);
    let chart = Chart {
        id: "score-chart",
        title: "Score around the episode".into(),
        description: format!(
            "Highest score {highest:.2}; 1 is unusual, and the alert level is 2 by default. The episode is shaded."
        ),
        range: charts.range,
        height: SCORE_HEIGHT,
        series: &charts.scores,
        peaks: true,
        normal: None,
        threshold: Some(1.0),
        episodes: span(episode),
        top_min: 1.4,
        most: f64::INFINITY,
        label: Box::new(|it| format!("{it:.1}").trim_end_matches(".0").to_owned()),
    };
    chart.markup()
}

/// The charts of the signals to blame.
fn signals(episode: &EpisodeRecord, charts: &EpisodeCharts) -> Markup {
    let shown = charts.signals.iter().filter(|(_, series)| !series.0.is_empty());
    html! {
        ul.cards {
            @for (name, series) in shown {
                @let signal = sources::signal(name);
                @let unit = signal.map(|it| it.unit);
                @let title = signal.map_or(name.as_str(), |it| it.title);
                @let cause = episode.causes.iter().find(|it| it.signal == *name);
                @let normal = cause.map(|it| [it.lower, it.upper]).filter(|it| it.iter().any(Option::is_some));
                li.card {
                    h3 { (title) }
                    (Chart {
                        id: name,
                        title: format!("{title} around the episode"),
                        description: match normal {
                            Some([lower, upper]) => format!("Normal range {}", signal_text::range(unit, lower, upper)),
                            None => "Without a normal range".into(),
                        },
                        range: charts.range,
                        height: signal_charts::HEIGHT,
                        series,
                        peaks: false,
                        normal,
                        threshold: None,
                        episodes: span(episode),
                        top_min: 0.0,
                most: signal.map_or(f64::INFINITY, Signal::max),
                        label: Box::new(move |it| signal_text::value(unit, it)),
                    }.markup())
                }
            }
        }
    }
}

fn out_of_range(rows: &[OutOfRangeSignal]) -> Markup {
    let table = html! {
        table {
            caption { "The earliest first; at the same time, the farthest outside first" }
            thead { tr {
                th scope="col" { "Signal" } th scope="col" { "At" } th scope="col" { "Side" }
                th.number scope="col" { "Value" } th.number scope="col" { "Range of the day before" }
            } }
            tbody {
                @for it in rows {
                    @let unit = sources::signal(&it.signal).map(|it| it.unit);
                    tr {
                        th scope="row" { (it.title) }
                        td { (time_text::time(it.at)) }
                        td { (it.direction) }
                        td.number { (signal_text::value(unit, it.value)) }
                        td.number { (signal_text::range(unit, Some(it.lower), Some(it.upper))) }
                    }
                }
            }
        }
    };
    page_tables::scrollable_table("Signals that left their range", &table)
}

fn similar(rows: &[SimilarEpisode]) -> Markup {
    let table = html! {
        table {
            caption { "The most similar first; 100 % has the same signals in the same proportions" }
            thead { tr {
                th scope="col" { "Start" } th.number scope="col" { "Similarity" } th scope="col" { "Outcome" }
                th scope="col" { "Description" }
            } }
            tbody {
                @for it in rows {
                    tr {
                        th scope="row" { a href={ "../" (page_tables::episode_link(&it.id)) } { (time_text::time(it.began)) } }
                        td.number { (format!("{:.0} %", it.similarity * 100.0)) }
                        td { (it.outcome) }
                        td.wide { (it.description) }
                    }
                }
            }
        }
    };
    page_tables::scrollable_table("Similar episodes", &table)
}

/// What to do with it on the host.
fn commands(episode: &EpisodeRecord, is_admin: bool) -> Markup {
    let instant = |at: f64| time_text::second(at).replace(' ', "T") + "Z";
    let [from, to] = command_buttons::forget_range_of_episode(episode);
    html! {
        section aria-labelledby="commands" {
            h2 #commands { "Commands on the host" }
            dl.commands {
                dt { "Reproduce its score from stored data" } dd { code { "hostnorm explain " (episode.id) } }
                dt { "Mark it as a false alarm, or as real" }
                dd { code { "hostnorm reject " (episode.id) } }
                dd { code { "hostnorm confirm " (episode.id) } }
                dt { "Forget it, so that the same fault is detected again" }
                dd { code { "hostnorm forget --from " (instant(from)) " --to " (instant(to)) } }
            }
            @if is_admin {
                @let path = |verb: &str| format!("../{}/{verb}", page_tables::episode_link(&episode.id));
                (command_buttons::button(&path("forget"), "Forget", "the same fault is detected again next time"))
                (command_buttons::button(&path("reject"), "Reject", "it was a false alarm; scores like it are discounted for 30 days"))
                (command_buttons::button(&path("confirm"), "Confirm", "it was real; scores like it are never discounted"))
            }
        }
    }
}
