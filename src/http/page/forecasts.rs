//! The next hour of the signals to look at first, and what fills up.

use std::time::Duration;

use maud::{Markup, html};
use tokio::time::timeout;

use super::{page_tables, signal_text, time_text};
use crate::control_command::{ControlCommand, ControlReply, ForecastReply};
use crate::http::app_state::AppState;
use crate::reading::Subject;
use crate::report::{Assessment, FillingSignal};
use crate::sources;

/// Seconds that a forecast looks ahead.
const HORIZON_SECONDS: f64 = 3_600.0;
/// Seconds between two values; the table shows the last one.
const STEP_SECONDS: f64 = 600.0;
/// The signal whose devices run out of inodes and not of space.
const INODES: &str = "filesystem_inodes_used_ratio";
/// The page waits this long for the loop; what is not there by then is left out.
const PATIENCE: Duration = Duration::from_millis(500);

/// The forecasts of these signals, as far as the past supports them.
pub(super) async fn forecasts(
    state: &AppState,
    subject: &Subject,
    signals: &[&'static str],
) -> Vec<ForecastReply> {
    let mut found = Vec::new();
    let ask_all = async {
        for signal in signals {
            let command = ControlCommand::Predict {
                subject: subject.clone(),
                signal: (*signal).to_owned(),
                horizon_seconds: HORIZON_SECONDS,
                step_seconds: STEP_SECONDS,
            };
            if let Ok(ControlReply { data, .. }) = state.control.send(command).await {
                found.extend(serde_json::from_value::<ForecastReply>(data).ok());
            }
        }
    };
    // A loop that is busy or has ended does not hold up the page.
    let _ = timeout(PATIENCE, ask_all).await;
    found.retain(|it| !it.points.is_empty());
    found
}

/// The tables of forecasts and of filling signals; `None` if both are empty.
pub(super) fn section(forecasts: &[ForecastReply], assessment: &Assessment) -> Option<Markup> {
    if forecasts.is_empty() && assessment.filling.is_empty() {
        return None;
    }
    let table = html! {
        table {
            caption { "Nine of ten values are expected within the interval" }
            thead { tr {
                th scope="col" { "Signal" } th.number scope="col" { "Now" } th.number scope="col" { "In" }
                th.number scope="col" { "Expected" } th.number scope="col" { "90 % interval" }
            } }
            tbody { @for it in forecasts { (row(it, assessment)) } }
        }
    };
    Some(html! {
        section aria-labelledby="forecast" {
            h2 #forecast { "Forecast" }
            @for it in &assessment.filling {
                @let full = it.time_until_full;
                p {
                    (filling(it)) " may be full in " (time_text::span(full.earliest_seconds))
                    @if let Some(likely) = full.likely_seconds { ", likely in " (time_text::span(likely)) }
                }
            }
            @if !forecasts.is_empty() { (page_tables::scrollable_table("Forecast", &table)) }
        }
    })
}

/// What fills up: the filesystem, which need not be the fullest one, or the signal.
fn filling(it: &FillingSignal) -> String {
    match &it.device {
        Some(device) if it.signal.name == INODES => format!("{device} (inodes)"),
        Some(device) => device.clone(),
        None => it.signal.title.to_owned(),
    }
}

fn row(forecast: &ForecastReply, assessment: &Assessment) -> Markup {
    let signal = sources::signal(&forecast.metric);
    let unit = signal.map(|it| it.unit);
    let now = assessment.signals.iter().find(|it| it.signal.name == forecast.metric).map(|it| it.value);
    html! {
        tr {
            th scope="row" { (signal.map_or(forecast.metric.as_str(), |it| it.title)) }
            td.number { @if let Some(now) = now { (signal_text::value(unit, now)) } }
            @if let Some(last) = forecast.points.last() {
                // A signal with a short past is forecast no farther than that.
                td.number { (time_text::span(last.timestamp - forecast.made_at)) }
                td.number { (signal_text::value(unit, last.expected)) }
                td.number { (signal_text::range(unit, Some(last.lower), Some(last.upper))) }
            }
        }
    }
}
