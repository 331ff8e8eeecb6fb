//! The landing page: what hostnorm is, the state of the host, a link to the metrics.

use hyper::StatusCode;
use hyper::header::CONTENT_SECURITY_POLICY;

use super::message::{ProblemDetails, Request, Response, whole, with};
use super::routes::AppState;
use crate::episode_text;
use crate::reading::{Subject, Timestamp};
use crate::report::{Assessment, Report};
use crate::version;

const TEMPLATE: &str = include_str!("landing.html");

/// The page, of the newest report if there is one.
pub(super) async fn landing(state: &AppState, _: Request) -> Result<Response, ProblemDetails> {
    let report = state.reports.borrow().clone();
    let html = match report {
        Some(report) => state.pages.of(&report).html(|| render(Some(&report), &state.telemetry_path)),
        None => render(None, &state.telemetry_path).into(),
    };
    let response = whole(StatusCode::OK, "text/html; charset=utf-8", html);
    // The page needs its own style and nothing else.
    Ok(with(response, CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"))
}

fn render(report: Option<&Report>, telemetry_path: &str) -> String {
    let state = report.map_or_else(|| "<li>no reading yet</li>".to_owned(), state);
    TEMPLATE
        .replace("{{description}}", env!("CARGO_PKG_DESCRIPTION"))
        .replace("{{version}}", version::VERSION)
        .replace("{{telemetry_path}}", &escape(telemetry_path))
        .replace("{{state}}", &state)
}

fn state(report: &Report) -> String {
    let rows = report
        .assessments
        .iter()
        .map(|(subject, it)| format!("<li>{}</li>", escape(&line(subject, it, report.reading.at))));
    let mut rows: Vec<String> = rows.collect();
    if rows.is_empty() {
        rows.push("<li>no score yet</li>".to_owned());
    }
    rows.join("\n")
}

fn line(subject: &Subject, judgement: &Assessment, now: Timestamp) -> String {
    let name = episode_text::name(subject);
    match (&judgement.details, &judgement.episode) {
        (None, _) => format!("{name}: learning, first score in {}", span(judgement.ready_at.0 - now.0)),
        (Some(it), None) => format!("{name}: nothing unusual, score {:.2} (threshold 1)", it.score),
        (Some(it), Some(episode)) => {
            let description = judgement.description.as_deref().unwrap_or("Anomaly");
            let lasts = span(now.0 - episode.since.0);
            format!("{description}; for {lasts}, score {:.2} (threshold 1)", it.score)
        }
    }
}

/// A length of time in words, never less than a second.
fn span(seconds: f64) -> String {
    let seconds = seconds.max(1.0).ceil() as u64;
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3600)),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Episode, ScoreDetails};

    fn check(judgement: &Assessment, expected: &str) {
        assert_eq!(line(&Subject::Host, judgement, Timestamp(1000.0)), expected);
    }

    #[test]
    fn says_how_the_host_is() {
        let learning = Assessment { ready_at: Timestamp(1301.0), ..Assessment::default() };
        check(&learning, "host: learning, first score in 6 min");
        let opinion = ScoreDetails { score: 0.25, ..ScoreDetails::default() };
        let quiet = Assessment { details: Some(opinion), ..Assessment::default() };
        check(&quiet, "host: nothing unusual, score 0.25 (threshold 1)");
        let episode = Episode { since: Timestamp(958.0), peak: 2.0 };
        let description = Some("Anomaly on host: swapping 3".into());
        let anomaly = Assessment { episode: Some(episode), description, ..quiet };
        check(&anomaly, "Anomaly on host: swapping 3; for 42 s, score 0.25 (threshold 1)");
    }

    #[test]
    fn names_cannot_become_markup() {
        assert_eq!(escape("<b>\"&"), "&lt;b&gt;&quot;&amp;");
        assert!(render(None, "/\"><script>").contains("href=\"/&quot;&gt;&lt;script&gt;\""));
    }
}
