//! The commands that the page has buttons for: forms that work without scripts, each answered by a page.
//!
//! The buttons are shown to those who may use them; the routes refuse everybody else.

use hyper::StatusCode;
use maud::{Markup, html};

use super::document;
use super::layout::{PageLocation, page};
use crate::control_command::{CommandRefusal, ControlCommand, ControlReply};
use crate::episode_pattern::OperatorVerdict;
use crate::explanation::EpisodeRecord;
use crate::http::api::{episode_facts, problem, unknown_episode, verdict_command};
use crate::http::app_state::AppState;
use crate::http::message::{ProblemDetails, Request, Response};
use crate::reading::{SubjectKind, Timestamp};

/// A button that sends a command; `path` is relative to the page.
pub(super) fn button(path: &str, title: &str, effect: &str) -> Markup {
    html! {
        form.action method="post" action=(path) {
            button type="submit" { (title) } " " span.note { (effect) }
        }
    }
}

/// Accepts the current anomalies of all subjects as normal.
pub(in crate::http) async fn accept(state: &AppState, _: Request) -> Result<Response, ProblemDetails> {
    let done = state.control.send(ControlCommand::Accept).await;
    Ok(outcome(state, "../", done))
}

/// Trains a new model of the host.
pub(in crate::http) async fn train(state: &AppState, _: Request) -> Result<Response, ProblemDetails> {
    let done = state.control.send(ControlCommand::Train { kind: SubjectKind::Host, hours: None }).await;
    Ok(outcome(state, "../", done))
}

/// Forgets what was learned during the episode of the path.
pub(in crate::http) async fn forget(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    let id = request.path_arguments.first().cloned().unwrap_or_default();
    let (episode, ..) = episode_facts(state, &id).await?.ok_or_else(|| unknown_episode(&id))?;
    let [from, to] = forget_range_of_episode(&episode).map(Timestamp);
    let done = state.control.send(ControlCommand::Forget { from, to }).await;
    Ok(outcome(state, "../../", done))
}

/// Rejects the episode of the path.
pub(in crate::http) async fn reject(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    judge(state, &request, OperatorVerdict::Rejected).await
}

/// Confirms the episode of the path.
pub(in crate::http) async fn confirm(state: &AppState, request: Request) -> Result<Response, ProblemDetails> {
    judge(state, &request, OperatorVerdict::Confirmed).await
}

async fn judge(
    state: &AppState,
    request: &Request,
    verdict: OperatorVerdict,
) -> Result<Response, ProblemDetails> {
    let done = state.control.send(verdict_command(request, verdict)?).await;
    Ok(outcome(state, "../../", done))
}

/// The first and last instant that are forgotten with an episode.
pub(super) fn forget_range_of_episode(episode: &EpisodeRecord) -> [f64; 2] {
    [episode.began.floor(), episode.last_instant().ceil()]
}

fn outcome(state: &AppState, root: &'static str, done: Result<ControlReply, CommandRefusal>) -> Response {
    let (status, title, sentence) = match done {
        Ok(reply) => (StatusCode::OK, "Done", reply.message),
        Err(refusal) => {
            let ProblemDetails { status, detail, .. } = problem(refusal);
            (status, "Refused", detail)
        }
    };
    let content = html! {
        section #status {
            h1 { (title) }
            p.sentence { (sentence) }
            p { a href=(root) { "Back to the page of this host" } }
        }
    };
    document(status, page(PageLocation::Below(root), title, &state.telemetry_path, &content))
}
