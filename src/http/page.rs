//! The page for people at `/`, and a page for each episode.
//!
//! All markup is made here on the server, so the page works without scripts; it then reloads itself now and then. The
//! script follows the events and fetches the page again. No asset comes from elsewhere.

use hyper::StatusCode;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use maud::Markup;

use super::message::{ProblemDetails, Request, Response, tagged, whole, with};
use super::routes::AppState;

mod time_text;
mod signal_text;
mod state_summary;
mod view;
mod history;
mod chart;
mod layout;
mod signal_charts;
mod tables;
mod overview;
mod episode;

pub(super) use episode::episode;
pub(super) use overview::overview;
pub(super) use state_summary::StateSummary;
pub(super) use view::{EPISODE_OPERATION, OVERVIEW_OPERATION};

const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/script.js");

/// Only assets of this server, and no style or script within the markup.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The style of all pages.
pub(super) async fn style(_: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    Ok(asset(&request, "text/css; charset=utf-8", STYLE))
}

/// The script of the page.
pub(super) async fn script(_: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    Ok(asset(&request, "text/javascript; charset=utf-8", SCRIPT))
}

fn asset(request: &Request, content_type: &'static str, text: &'static str) -> Response {
    // Asked for again each time, so that style and markup are always of the same version.
    guarded(with(tagged(request, content_type, text), CACHE_CONTROL, "no-cache"))
}

/// A response with this page.
fn document(status: StatusCode, page: Markup) -> Response {
    let response = whole(status, "text/html; charset=utf-8", page.into_string());
    guarded(with(response, CACHE_CONTROL, "no-store"))
}

fn guarded(response: Response) -> Response {
    let headers: [(HeaderName, &'static str); 3] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    headers.into_iter().fold(response, |response, (name, value)| with(response, name, value))
}

/// A problem as a page: a browser asked.
fn problem(problem: &ProblemDetails) -> Response {
    document(problem.status, layout::problem(problem))
}
