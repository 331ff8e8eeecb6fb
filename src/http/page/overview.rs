//! The page at `/`: the state of a subject, why, and its past.

use std::sync::Arc;

use hyper::StatusCode;
use maud::{Markup, html};

use super::chart::Chart;
use super::history::History;
use super::layout::{Place, page};
use super::page_query::{PageQuery, RANGES};
use super::{
    StateSummary, actions, document, forecasts, problem, signal_charts, signal_text, tables, time_text,
};
use crate::control::SignalForecast;
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
pub(super) struct Overview {
    pub(super) view: PageQuery,
    pub(super) report: Arc<Report>,
    /// The time that the charts show.
    pub(super) range: TimeRange,
    /// The past, or why it is not known.
    pub(super) history: Result<History, String>,
    /// The next hour of the signals with a chart.
    pub(super) forecasts: Vec<SignalForecast>,
    /// Whether the client may send commands.
    pub(super) is_admin: bool,
}

pub(in crate::http) async fn overview(
    state: &AppState,
    request: Request,
) -> Result<Response, ProblemDetails> {
    let view = match PageQuery::of(&request.query) {
        Ok(view) => subject(state, &request.query).await.map(|subject| PageQuery { subject, ..view }),
        Err(error) => Err(error),
    };
    let view = match view {
        Ok(view) => view,
        Err(error) => return Ok(problem(&error, Place::Overview.root())),
    };
    let report = state.reports.borrow().clone();
    let Some(report) = report.filter(|it| it.assessments.contains_key(&view.subject)) else {
        let content = nothing_yet(&view);
        return Ok(document(
            StatusCode::OK,
            page(Place::Overview, "hostnorm", &state.telemetry_path, &content),
        ));
    };
    let range = view.time_range((state.now)());
    let signals = report.assessments.get(&view.subject).map(signal_charts::chosen).unwrap_or_default();
    let signals: Vec<&'static str> = signals.iter().map(|it| it.signal.name).collect();
    let forecasts = forecasts::forecasts(state, &view.subject, &signals).await;
    let history = history(state, &view, signals, range).await;
    let range = history.as_ref().map_or(range, |it| it.known(range));
    let is_admin = request.is_admin;
    let overview = Overview { view, report, range, history, forecasts, is_admin };
    let title = overview.title();
    Ok(document(StatusCode::OK, page(Place::Overview, &title, &state.telemetry_path, &overview.markup())))
}

async fn history(
    state: &AppState,
    view: &PageQuery,
    signals: Vec<&'static str>,
    range: TimeRange,
) -> Result<History, String> {
    let (subject, anomalies_only) = (view.subject.clone(), view.anomalies_only);
    let read =
        read_store(state, move |reader| History::read(reader, &subject, &signals, range, anomalies_only));
    read.await.map_err(|problem| problem.detail)
}

fn nothing_yet(view: &PageQuery) -> Markup {
    let name = episode_text::name(&view.subject);
    html! {
        section #status data-state="learning" data-events={ "events?" (view.subject_query()) } data-refresh="5" {
            h1 { "State" }
            p.sentence #sentence role="status" { "There is no reading of " (name) " yet" }
        }
        div #details {}
    }
}

/// The signals that ceased, and the contributions to the score.
fn causes(assessment: &Assessment) -> Vec<Cause> {
    let ceased = Cause::of(assessment).into_iter().filter(|it| it.absence.is_some());
    let parts =
        assessment.details.iter().flat_map(|it| &it.contributions).filter(|it| it.value >= CONTRIBUTION_MIN);
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

impl Overview {
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
            return nothing_yet(&self.view);
        };
        let chosen = signal_charts::chosen(assessment);
        let causes = if summary.is_anomaly { causes(assessment) } else { Vec::new() };
        html! {
            (self.status(assessment, &summary))
            div #details {
                (self.score(assessment))
                @if !causes.is_empty() {
                    section aria-labelledby="causes" { h2 #causes { "Causes" } (tables::causes(&causes)) }
                }
                @if !chosen.is_empty() { (self.chosen(&chosen, summary.is_anomaly)) }
                @if let Some(forecast) = forecasts::section(&self.forecasts, assessment) { (forecast) }
                @if self.report.assessments.len() > 1 { (self.subjects()) }
                @if let Ok(history) = &self.history {
                    section aria-labelledby="episodes" {
                        h2 #episodes { "Episodes" }
                        @if history.episodes.is_empty() { p.note { "None so far." } }
                        @else { (tables::episodes(&history.episodes, history.episodes_left_out, "./")) }
                    }
                }
                @if let Some(details) = &assessment.details {
                    section aria-labelledby="detectors" { h2 #detectors { "Detectors" } (tables::detectors(details)) }
                }
                (self.values(assessment, &chosen))
            }
        }
    }

    /// The state and its sentence. The script changes its texts only, so that a screen reader hears what is new.
    fn status(&self, assessment: &Assessment, summary: &StateSummary) -> Markup {
        let episode = assessment.episode.map(|it| (episode_text::id(&self.view.subject, it.since), it));
        let is_normal_hint = html! {
            "If this is normal from now on, run " code { "hostnorm accept" } " on the host."
        };
        html! {
            section #status data-state=(summary.state) data-refresh=(self.view.range.refresh_seconds)
                data-events={ "events?" (self.view.subject_query()) } {
                h1 { span.badge #badge { (summary.state) } " " (episode_text::name(&self.view.subject)) }
                p.sentence #sentence role="status" aria-live="polite" { (summary.sentence) }
                dl.facts {
                    div { dt { "Score" } dd #score { @match summary.score { Some(it) => (format!("{it:.2}")), None => "–" } } }
                    div { dt { "Threshold" } dd { "1" } }
                    @if let Some(it) = assessment.details.as_ref().and_then(|it| it.confidence) {
                        div { dt { "Confidence" } dd { (format!("{:.0} %", it * 100.0)) } }
                    }
                    div { dt { "Last reading" } dd #at { (time_text::second(summary.at)) } }
                    div #connection hidden { dt { "Connection" } dd { "lost; trying again" } }
                }
                @if let Some((id, episode)) = episode {
                    p.note #open {
                        "Since " (time_text::time(episode.since.0)) ". "
                        @if self.history.is_ok() { a href={ "./" (tables::episode_link(&id)) } { "Explain this episode" } ". " }
                        @if !self.is_admin { (is_normal_hint) }
                    }
                }
                @if self.is_admin {
                    @if summary.is_anomaly {
                        (actions::button("./actions/accept", "Accept", "the current state becomes normal"))
                    }
                    @if self.view.subject == Subject::Host {
                        (actions::button("./actions/train", "Train", "a new model starts to learn now"))
                    }
                }
            }
        }
    }

    fn score(&self, assessment: &Assessment) -> Markup {
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

    fn score_chart(&self, history: &History, assessment: &Assessment) -> Markup {
        let TimeRange { from, to } = self.range;
        let span = |began: f64, ended: f64| (ended >= from.0 && began <= to.0).then_some([began, ended]);
        let episodes = history.episodes.iter();
        let episodes = episodes.filter_map(|it| span(it.began, it.ended.unwrap_or(to.0)));
        let highest = history.totals.highest_score.unwrap_or_default();
        let alert_level = assessment
            .alert
            .map(|it| format!(", {} is worth an alert now", level(it.level)))
            .unwrap_or_default();
        let chart = Chart {
            id: "score-chart",
            title: format!("Score, last {}", self.view.range.title),
            description: format!(
                "Highest score {highest:.2}; 1 is unusual{alert_level}; {} shaded. The table of episodes lists all.",
                match history.totals.episodes {
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
                (signal_charts::cards(chosen, self.history.as_ref().ok(), self.range, self.view.range.title))
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
            section aria-labelledby="subjects" { h2 #subjects { "Subjects" } (tables::scrolling("Subjects", &table)) }
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
                    (tables::recent(history, chosen, self.view.range.title))
                }
                h3 { "Signals now" }
                (tables::signals(assessment, self.view.anomalies_only))
                @if let Some(history) = self.history.as_ref().ok().filter(|it| !it.baselines.is_empty()) {
                    details #baselines { summary { "Baselines" } (tables::baselines(&history.baselines)) }
                }
            }
        }
    }
}
