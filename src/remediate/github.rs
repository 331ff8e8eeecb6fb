//! One issue for each alert: opened when it fires, commented when it changes, closed when it is over.
//!
//! The body of an issue has hidden markers. All open issues are listed once, and again if the response to a new one was lost,
//! because an earlier outbox or attempt may have opened one. Comments have markers too.

use std::time::Duration;

use serde_json::{Value, json};

use super::action_outcome::ActionOutcome;
use super::notification::AlertStatus;
use super::outbox::{AlertIssue, ClaimedAction, Outbox, OutboxError};
use super::plan::{ActionInput, hash};
use super::rules_file::GithubSection;
use super::webhook::client_options;
use crate::remote::{RemoteClient, RemoteResponse};

mod issue_text;

use issue_text::{body, comment, marked, marker, title};

/// Most comments that hostnorm writes to one issue, the last one excepted, which closes it.
const COMMENTS_MAX: u32 = 50;
/// Issues and comments on a page, and most pages that are listed; GitHub gives not many more.
const PAGE: usize = 100;
const PAGES_MAX: usize = 100;
/// The wait after GitHub's secondary limit, which names none.
const SECONDARY_WAIT: Duration = Duration::from_secs(60);

/// Sends an action.
pub(super) fn send(
    (action, settings): (&str, &GithubSection),
    outbox: &Outbox,
    row: &ClaimedAction,
    payload: &ActionInput,
    now: f64,
) -> ActionOutcome {
    let client = match RemoteClient::new(&settings.connection, client_options()) {
        Ok(client) => client,
        Err(error) => return ActionOutcome::Retry(error.to_string()),
    };
    let sender = IssueSender { action, settings, client, outbox, row, payload, now };
    let done = match payload.alert.status {
        AlertStatus::Firing => sender.fire(),
        AlertStatus::Resolved => sender.resolve(),
    };
    match done {
        Ok(text) => ActionOutcome::Done(text),
        Err(outcome) => outcome,
    }
}

/// One action that is being sent.
struct IssueSender<'a> {
    /// The action of the rules.
    action: &'a str,
    settings: &'a GithubSection,
    client: RemoteClient,
    outbox: &'a Outbox,
    row: &'a ClaimedAction,
    payload: &'a ActionInput,
    now: f64,
}

impl From<OutboxError> for ActionOutcome {
    fn from(error: OutboxError) -> Self {
        Self::Retry(error.to_string())
    }
}

impl IssueSender<'_> {
    /// Opens an issue, or comments the one that is open.
    fn fire(&self) -> Result<String, ActionOutcome> {
        let Some(issue) = self.open_issue()? else { return self.open() };
        if issue.opened_by == hash(&self.row.key) {
            return Ok(format!("issue {} was opened before", issue.number));
        }
        if issue.comments >= COMMENTS_MAX {
            return Ok(format!("issue {} has {COMMENTS_MAX} comments already", issue.number));
        }
        match self.comment(issue) {
            Ok(issue) => {
                self.remember(issue)?;
                Ok(format!("issue {} commented", issue.number))
            }
            // Somebody deleted or moved it.
            Err(CommentNotWritten::Issue) => self.open(),
            Err(CommentNotWritten::No(outcome)) => Err(outcome),
        }
    }

    /// Comments and closes the issue that is open.
    fn resolve(&self) -> Result<String, ActionOutcome> {
        if let Some(issue) = self.outbox.issue(hash(&self.row.lane))?.filter(|it| !it.is_open) {
            return Ok(format!("issue {} is closed", issue.number));
        }
        let Some(issue) = self.open_issue()? else { return Ok("no issue is open".into()) };
        let issue = match self.comment(issue) {
            Ok(issue) => issue,
            Err(CommentNotWritten::Issue) => AlertIssue { is_open: false, ..issue },
            Err(CommentNotWritten::No(outcome)) => return Err(outcome),
        };
        if issue.is_open {
            let change = json!({"state": "closed", "state_reason": "completed"});
            self.send_request("PATCH", &format!("/issues/{}", issue.number), Some(&change))?;
        }
        self.remember(AlertIssue { is_open: false, ..issue })?;
        Ok(format!("issue {} closed", issue.number))
    }

    fn open(&self) -> Result<String, ActionOutcome> {
        let new = json!({
            "title": title(&self.payload.alert),
            "body": body(self.payload, &marker(&self.row.lane), &marker(&self.row.key)),
            "labels": self.settings.labels,
            "assignees": self.settings.assignees,
        });
        // Until the response is remembered, the issue may exist without being known.
        self.outbox.set_issues_known(self.action, false)?;
        let response = self.request("POST", "/issues", Some(&new))?;
        if !response.is_success() {
            self.outbox.set_issues_known(self.action, is_surely_refused(response.status))?;
            return Err(self.refusal(&response));
        }
        let Some(number) = number_of(&json_of(&response)?) else {
            return Err(ActionOutcome::Retry("the response to a new issue has no number".into()));
        };
        let issue = AlertIssue { number, comments: 0, is_open: true, opened_by: hash(&self.row.key) };
        self.remember(issue)?;
        self.outbox.set_issues_known(self.action, true)?;
        Ok(format!("issue {number} opened"))
    }

    /// The open issue of this alert.
    fn open_issue(&self) -> Result<Option<AlertIssue>, ActionOutcome> {
        let known = || Ok(self.outbox.issue(hash(&self.row.lane))?.filter(|it| it.is_open));
        let issue = known()?;
        if issue.is_some() || self.outbox.are_issues_known(self.action)? {
            return Ok(issue);
        }
        self.list()?;
        known()
    }

    /// Takes all open issues with a marker into the outbox.
    fn list(&self) -> Result<(), ActionOutcome> {
        let label = self.settings.labels.first().map(|it| {
            let encoded = percent_encoding::utf8_percent_encode(it, percent_encoding::NON_ALPHANUMERIC);
            format!("&labels={encoded}")
        });
        let label = label.unwrap_or_default();
        let mut found = Vec::new();
        for page in 1..=PAGES_MAX {
            let path =
                format!("/issues?state=open&sort=created&direction=desc&per_page={PAGE}&page={page}{label}");
            let issues = self.send_request("GET", &path, None)?;
            let issues = issues.as_array().map(Vec::as_slice).unwrap_or_default();
            found.extend(issues.iter().filter_map(|issue| {
                let (number, [lane, opened_by]) = (number_of(issue)?, marked(issue["body"].as_str()?)?);
                let comments = issue["comments"].as_u64().and_then(|it| u32::try_from(it).ok()).unwrap_or(0);
                Some((lane, AlertIssue { number, comments, is_open: true, opened_by }))
            }));
            if issues.len() < PAGE {
                return Ok(self.outbox.take_issues(self.action, &found, self.now)?);
            }
        }
        // To open one without knowing all could open a second one.
        let most = PAGE * PAGES_MAX;
        Err(ActionOutcome::Retry(format!(
            "{most} issues or more are open; close some, or set github_issue.labels to a label that no other issue has"
        )))
    }

    /// Comments an issue, unless an earlier attempt did.
    fn comment(&self, issue: AlertIssue) -> Result<AlertIssue, CommentNotWritten> {
        let (path, marker) = (format!("/issues/{}/comments", issue.number), marker(&self.row.key));
        if self.row.attempts > 0 && self.is_commented(&path, &marker)? {
            return Ok(issue);
        }
        let text = json!({"body": comment(&self.payload.alert, &marker)});
        let response = self.request("POST", &path, Some(&text))?;
        match response.status {
            404 | 410 => Err(CommentNotWritten::Issue),
            _ if response.is_success() => {
                Ok(AlertIssue { comments: issue.comments.saturating_add(1), ..issue })
            }
            _ => Err(CommentNotWritten::No(self.refusal(&response))),
        }
    }

    fn is_commented(&self, path: &str, marker: &str) -> Result<bool, ActionOutcome> {
        for page in 1..=PAGES_MAX {
            let comments = self.send_request("GET", &format!("{path}?per_page={PAGE}&page={page}"), None)?;
            let comments = comments.as_array().map(Vec::as_slice).unwrap_or_default();
            if comments.iter().any(|it| it["body"].as_str().is_some_and(|it| it.contains(marker))) {
                return Ok(true);
            }
            if comments.len() < PAGE {
                break;
            }
        }
        Ok(false)
    }

    /// The JSON of a successful response.
    fn send_request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, ActionOutcome> {
        let response = self.request(method, path, body)?;
        if !response.is_success() {
            return Err(self.refusal(&response));
        }
        json_of(&response)
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<RemoteResponse, ActionOutcome> {
        let (base, repository) = (self.settings.api_url.trim_end_matches('/'), &self.settings.repository);
        let url = format!("{base}/repos/{repository}{path}");
        let headers = [
            ("accept", "application/vnd.github+json"),
            ("x-github-api-version", "2022-11-28"),
            ("content-type", "application/json"),
        ];
        let body = body.map(Value::to_string).unwrap_or_default();
        let sent = match method {
            "GET" => self.client.send(method, &url, &headers[..2], b""),
            _ => self.client.send(method, &url, &headers, body.as_bytes()),
        };
        sent.map_err(|error| ActionOutcome::of_error(&error, "GitHub was not reached"))
    }

    /// Tells GitHub's rate limits, which come as 403 too, from a missing permission.
    fn refusal(&self, response: &RemoteResponse) -> ActionOutcome {
        let outcome = ActionOutcome::of_refusal(response, "GitHub refused");
        let ActionOutcome::Retry(reason) = outcome else { return outcome };
        if response.status != 403 {
            return ActionOutcome::Retry(reason);
        }
        let number = |name| response.header(name).trim().parse::<f64>().ok();
        if number("x-ratelimit-remaining") == Some(0.0) {
            let wait = number("x-ratelimit-reset").map_or(60.0, |reset| (reset - self.now).max(0.0));
            return ActionOutcome::wait(reason, Duration::try_from_secs_f64(wait).unwrap_or(SECONDARY_WAIT));
        }
        match reason.to_lowercase().contains("rate limit") {
            true => ActionOutcome::wait(reason, SECONDARY_WAIT),
            false => ActionOutcome::Retry(reason),
        }
    }

    fn remember(&self, issue: AlertIssue) -> Result<(), ActionOutcome> {
        Ok(self.outbox.remember_issue(hash(&self.row.lane), issue, self.now)?)
    }
}

/// Why a comment was not written.
enum CommentNotWritten {
    /// The issue is not there any more.
    Issue,
    /// Another reason.
    No(ActionOutcome),
}

impl From<ActionOutcome> for CommentNotWritten {
    fn from(outcome: ActionOutcome) -> Self {
        Self::No(outcome)
    }
}

/// The number of an issue.
fn number_of(issue: &Value) -> Option<u32> {
    u32::try_from(issue["number"].as_u64()?).ok()
}

/// Whether a request with this status changed nothing. After others, the server may have done what it was asked.
fn is_surely_refused(status: u16) -> bool {
    status < 500 && status != 408
}

fn json_of(response: &RemoteResponse) -> Result<Value, ActionOutcome> {
    serde_json::from_slice(&response.body)
        .map_err(|error| ActionOutcome::Retry(format!("GitHub's response is not JSON: {error}")))
}
