//! The page at `/`: the state of a subject, why, and its past.

use std::sync::Arc;

use hyper::StatusCode;
use maud::{Markup, html};

use super::chart::Chart;
use super::layout::{PageLocation, page};
use super::page_query::{PageQuery, RANGES};
use super::state_section::StateSection;
use super::subject_history::SubjectHistory;
use super::{StateSummary, document, forecasts, page_tables, signal_charts, signal_text};
use crate::control_command::ForecastReply;
use crate::episode_text;
use crate::explanation::Cause;
use crate::http::api::{read_store, subject};
use crate::http::app_state::AppState;
use crate::http::message::{ProblemDetails, Request, Response};
use crate::reading::Subject;
use crate::report::{Assessment, Report, SignalState};
use crate::store::TimeRange;

/// Height of the chart of the score, in pixels.
const SCORE_HEIGHT: f64 = 150.0;
/// The chart of the score shows at least this much, so that quiet scores look quiet.
const SCORE_TOP_MIN: f64 = 1.4;

/// Most rows in the table of subjects.
const SUBJECTS_MAX: usize = 50;

/// A smaller contribution is written as 0.00, so it is no cause.
const CONTRIBUTION_MIN: f64 = 0.005;

/// Everything that the page shows.
pub(super) struct OverviewData {
    pub(super) view: PageQuery,
    pub(super) report: Arc<Report>,
    /// The time that the charts show.
    pub(super) range: TimeRange,
    /// The past, or why it is not known.
    pub(super) history: Result<SubjectHistory, String>,
    /// The next hour of the signals with a chart.
    pub(super) forecasts: Vec<ForecastReply>,
    /// Whether the client may send commands.
    pub(super) is_admin: bool,
}

pub(in crate::http) async fn overview(
    state: &AppState,
    request: Request,
) -> Result<Response, ProblemDetails> {
    let view = PageQuery::of(&request.query)?;
    let view = PageQuery { subject: subject(state, &request.query).await?, ..view };
    let report = state.reports.borrow().clone();
    let Some(report) = report else {
        let content = nothing_yet(&view, request.is_admin);
        return Ok(document(
            StatusCode::OK,
            page(PageLocation::Overview, "hostnorm", &state.telemetry_path, &content),
        ));
    };
    let range = view.time_range((state.now)());
    let signals = report.assessments.get(&view.subject).map(signal_charts::chosen).unwrap_or_default();
    let signals: Vec<&'static str> = signals.iter().map(|it| it.signal.name).collect();
    let forecasts = forecasts::forecasts(state, &view.subject, &signals).await;
    let history = history(state, &view, signals, range).await;
    let range = history.as_ref().map_or(range, |it| it.known(range));
    let is_admin = request.is_admin;
    let overview = OverviewData { view, report, range, history, forecasts, is_admin };
    let title = overview.title();
    Ok(document(
        StatusCode::OK,
        page(PageLocation::Overview, &title, &state.telemetry_path, &overview.markup()),
    ))
}

async fn history(
    state: &AppState,
    view: &PageQuery,
    signals: Vec<&'static str>,
    range: TimeRange,
) -> Result<SubjectHistory, String> {
    let (subject, anomalies_only) = (view.subject.clone(), view.anomalies_only);
    let read = read_store(state, move |reader| {
        SubjectHistory::read(reader, &subject, &signals, range, anomalies_only)
    });
    read.await.map_err(|problem| problem.detail)
}

fn nothing_yet(view: &PageQuery, is_admin: bool) -> Markup {
    let head =
        StateSection { view, summary: None, is_past: false, open_since: None, has_history: false, is_admin };
    html! {
        (head.markup())
        div #details {}
    }
}

/// The signals that ceased, and the contributions to the score.
fn causes(assessment: &Assessment) -> Vec<Cause> {
    let ceased = Cause::of(assessment).into_iter().filter(|it| it.absence.is_some());
    let parts = assessment.details.iter().flat_map(|it| &it.causes).filter(|it| it.value >= CONTRIBUTION_MIN);
    let parts = parts.map(|it| {
        let state = assessment.signals.iter().find(|state| state.signal.name == it.signal.name);
        let expected = state.and_then(|it| it.expected);
        let [lower, upper] = expected.map(signal_text::bounds).unwrap_or_default();
        Cause {
            signal: it.signal.name.to_owned(),
            direction: Some(it.direction.name().to_owned()),
            contribution: Some(it.value),
            value: state.map(|it| it.value),
            expected: expected.map(|it| it.value),
            lower,
            upper,
            ..Cause::default()
        }
    });
    ceased.chain(parts).collect()
}

/// A level of the score with at most two digits after the point.
fn level(it: f64) -> String {
    format!("{it:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl OverviewData {
    fn assessment(&self) -> Option<&Assessment> {
        self.report.assessments.get(&self.view.subject)
    }

    fn title(&self) -> String {
        match self.assessment().is_some_and(|it| it.episode.is_some()) {
            true => format!("Anomaly on {}", episode_text::name(&self.view.subject)),
            false => episode_text::name(&self.view.subject),
        }
    }

    pub(super) fn markup(&self) -> Markup {
        let Some((assessment, summary)) =
            self.assessment().zip(StateSummary::of(&self.report, &self.view.subject))
        else {
            return self.past();
        };
        let chosen = signal_charts::chosen(assessment);
        let causes = if summary.is_anomaly { causes(assessment) } else { Vec::new() };
        let head = StateSection {
            view: &self.view,
            summary: Some(&summary),
            is_past: false,
            open_since: assessment.episode.map(|it| it.since),
            has_history: self.history.is_ok(),
            is_admin: self.is_admin,
        };
        html! {
            (head.markup())
            div #details {
                (self.score(Some(assessment)))
                @if !causes.is_empty() {
                    section aria-labelledby="causes" { h2 #causes { "Causes" } (page_tables::causes(&causes)) }
                }
                @if !chosen.is_empty() { (self.chosen(&chosen, summary.is_anomaly)) }
                @if let Some(forecast) = forecasts::section(&self.forecasts, assessment) { (forecast) }
                @if self.report.assessments.len() > 1 { (self.subjects()) }
                (self.episodes())
                @if let Some(details) = &assessment.details {
                    section aria-labelledby="detectors" { h2 #detectors { "Detectors" } (page_tables::detectors(details)) }
                }
                (self.values(assessment, &chosen))
            }
        }
    }

    /// The page of a subject that is gone: its scores and episodes.
    fn past(&self) -> Markup {
        let head = StateSection {
            view: &self.view,
            summary: None,
            is_past: true,
            open_since: None,
            has_history: self.history.is_ok(),
            is_admin: self.is_admin,
        };
        html! {
            (head.markup())
            div #details {
                (self.score(None))
                (self.episodes())
            }
        }
    }

    fn episodes(&self) -> Markup {
        html! {
            @if let Ok(history) = &self.history {
                section aria-labelledby="episodes" {
                    h2 #episodes { "Episodes" }
                    @if history.episodes.is_empty() { p.note { "None so far." } }
                    @else { (page_tables::episodes(&history.episodes, history.episodes_left_out, "./")) }
                }
            }
        }
    }

    fn score(&self, assessment: Option<&Assessment>) -> Markup {
        let view = |range| PageQuery { range, ..self.view.clone() };
        html! {
            section aria-labelledby="score-heading" {
                div.heading {
                    h2 #score-heading { "Score" }
                    nav.choices aria-label="Range of the charts" {
                        @for range in &RANGES {
                            a href=(view(range).link()) aria-current=[(range == self.view.range).then_some("true")] { (range.title) }
                        }
                    }
                }
                @match &self.history {
                    Ok(history) if history.scores.0.is_empty() => { p.note { "No score in this range." } }
                    Ok(history) => { (self.score_chart(history, assessment)) }
                    Err(reason) => { p.note { "No past: " (reason) } }
                }
            }
        }
    }

    fn score_chart(&self, history: &SubjectHistory, assessment: Option<&Assessment>) -> Markup {
        let TimeRange { from, to } = self.range;
        let span = |began: f64, ended: f64| (ended >= from.0 && began <= to.0).then_some([began, ended]);
        let episodes = history.episodes.iter();
        let episodes = episodes.filter_map(|it| span(it.began, it.ended.unwrap_or(to.0)));
        let highest = history.totals.highest_score.unwrap_or_default();
        let alert_level = assessment
            .and_then(|it| it.alert)
            .map(|it| format!(", {} is worth an alert now", level(it.level)))
            .unwrap_or_default();
        let chart = Chart {
            id: "score-chart",
            title: format!("Score, last {}", self.view.range.title),
            description: format!(
                "Highest score {highest:.2}; 1 is unusual{alert_level}; {} shaded. The table of episodes lists all.",
                match history.episodes.len() {
                    1 => "1 episode is".to_owned(),
                    count => format!("{count} episodes are"),
                }
            ),
            range: self.range,
            height: SCORE_HEIGHT,
            series: &history.scores,
            peaks: true,
            normal: None,
            threshold: Some(1.0),
            episodes: episodes.collect(),
            top_min: SCORE_TOP_MIN,
            most: f64::INFINITY,
            label: Box::new(|it| format!("{it:.1}").trim_end_matches(".0").to_owned()),
        };
        chart.markup()
    }

    fn chosen(&self, chosen: &[&SignalState], is_anomaly: bool) -> Markup {
        let heading =
            if is_anomaly { "Signals of the anomaly" } else { "Signals nearest to the end of their range" };
        html! {
            section aria-labelledby="signals" {
                h2 #signals { (heading) }
                (signal_charts::signal_cards(chosen, self.history.as_ref().ok(), self.range, self.view.range.title))
            }
        }
    }

    /// The other subjects, each with a link to its view.
    fn subjects(&self) -> Markup {
        let rows = self
            .report
            .assessments
            .keys()
            .filter_map(|it| StateSummary::of(&self.report, it).map(|row| (it, row)));
        let mut rows: Vec<(&Subject, StateSummary)> = rows.collect();
        rows.sort_by(|(_, one), (_, other)| {
            let score = |it: &StateSummary| it.score.unwrap_or_default();
            other.is_anomaly.cmp(&one.is_anomaly).then_with(|| score(other).total_cmp(&score(one)))
        });
        let left_out = rows.len().saturating_sub(SUBJECTS_MAX);
        rows.truncate(SUBJECTS_MAX);
        let table = html! {
            table {
                caption {
                    "The highest scores first"
                    @if left_out > 0 { "; " (left_out) " more are in " code { "hostnorm status" } }
                }
                thead { tr {
                    th scope="col" { "Subject" } th.number scope="col" { "Score" } th scope="col" { "State" }
                    th scope="col" { "Description" }
                } }
                tbody {
                    @for (subject, it) in &rows {
                        @let view = PageQuery { subject: (*subject).clone(), ..self.view.clone() };
                        tr {
                            th scope="row" { a href=(view.link()) { (episode_text::name(subject)) } }
                            td.number { @if let Some(score) = it.score { (format!("{score:.2}")) } }
                            td { span.state data-state=(it.state) { (it.state) } }
                            td.wide { (it.sentence) }
                        }
                    }
                }
            }
        };
        html! {
            section aria-labelledby="subjects" { h2 #subjects { "Subjects" } (page_tables::scrollable_table("Subjects", &table)) }
        }
    }

    /// The tables of values and of what is normal.
    fn values(&self, assessment: &Assessment, chosen: &[&SignalState]) -> Markup {
        let view = |anomalies_only| PageQuery { anomalies_only, ..self.view.clone() };
        let choices = [(false, "All"), (true, "Anomalies only")];
        html! {
            section aria-labelledby="values" {
                div.heading {
                    h2 #values { "Values" }
                    nav.choices aria-label="Rows of the tables" {
                        @for (only, title) in choices {
                            a href=(view(only).link()) aria-current=[(only == self.view.anomalies_only).then_some("true")] { (title) }
                        }
                    }
                }
                @if let Ok(history) = &self.history {
                    h3 { "Recent points" }
                    (page_tables::recent(history, chosen, self.view.range.title))
                }
                h3 { "Signals now" }
                (page_tables::signals(assessment, self.view.anomalies_only))
                @if let Some(history) = self.history.as_ref().ok().filter(|it| !it.baselines.is_empty()) {
                    details #baselines { summary { "Baselines" } (page_tables::baselines(&history.baselines)) }
                }
            }
        }
    }
}
