//! One issue for each alert: opened when it fires, commented when it changes, closed when it is over.
//!
//! The body of an issue has a hidden marker. Before an issue is opened, the open ones are searched for it, because the
//! response to an earlier attempt, or the outbox itself, may be lost. Comments have markers too.

use std::time::Duration;

use serde_json::{Value, json};

use super::notification::AlertStatus;
use super::outbox::{KnownIssue, Outbox, OutboxError, OutboxRow};
use super::outcome::Outcome;
use super::plan::{ActionInput, hash};
use super::rules_file::GithubSection;
use super::webhook::client_options;
use crate::remote::{RemoteClient, RemoteResponse};

mod issue_text;

use issue_text::{body, comment, marker, title};

/// Most comments that hostnorm writes to one issue, the last one excepted, which closes it.
const COMMENTS_MAX: u32 = 50;
/// Issues and comments on a page, and most pages that are searched.
const PAGE: usize = 100;
const PAGES_MAX: usize = 10;
/// The wait after GitHub's secondary limit, which names none.
const SECONDARY_WAIT: Duration = Duration::from_secs(60);

/// Sends an action.
pub(super) fn send(
    settings: &GithubSection,
    outbox: &Outbox,
    row: &OutboxRow,
    payload: &ActionInput,
    now: f64,
) -> Outcome {
    let client = match RemoteClient::new(&settings.connection, client_options()) {
        Ok(client) => client,
        Err(error) => return Outcome::Retry(error.to_string()),
    };
    let sender = Sender { settings, client, outbox, row, payload, now };
    let done = match payload.alert.status {
        AlertStatus::Firing => sender.fire(),
        AlertStatus::Resolved => sender.resolve(),
    };
    match done {
        Ok(text) => Outcome::Done(text),
        Err(outcome) => outcome,
    }
}

/// One action that is being sent.
struct Sender<'a> {
    settings: &'a GithubSection,
    client: RemoteClient,
    outbox: &'a Outbox,
    row: &'a OutboxRow,
    payload: &'a ActionInput,
    now: f64,
}

impl From<OutboxError> for Outcome {
    fn from(error: OutboxError) -> Self {
        Self::Retry(error.to_string())
    }
}

impl Sender<'_> {
    /// Opens an issue, or comments the one that is open.
    fn fire(&self) -> Result<String, Outcome> {
        let known = self.outbox.issue(&self.row.lane)?.filter(|it| it.is_open);
        let (issue, opened_by_this) = match known {
            Some(issue) => (issue, false),
            None => match self.search()? {
                Some((issue, opened_by_this)) => {
                    self.remember(issue)?;
                    (issue, opened_by_this)
                }
                None => return self.open(),
            },
        };
        if opened_by_this {
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
            Err(Gone::Issue) => self.open(),
            Err(Gone::No(outcome)) => Err(outcome),
        }
    }

    /// Comments and closes the issue that is open.
    fn resolve(&self) -> Result<String, Outcome> {
        let known = self.outbox.issue(&self.row.lane)?;
        let issue = match known {
            Some(issue) if !issue.is_open => return Ok(format!("issue {} is closed", issue.number)),
            Some(issue) => issue,
            None => match self.search()? {
                Some((issue, _)) => issue,
                None => return Ok("no issue is open".into()),
            },
        };
        let issue = match self.comment(issue) {
            Ok(issue) => issue,
            Err(Gone::Issue) => KnownIssue { is_open: false, ..issue },
            Err(Gone::No(outcome)) => return Err(outcome),
        };
        if issue.is_open {
            let change = json!({"state": "closed", "state_reason": "completed"});
            self.ask("PATCH", &format!("/issues/{}", issue.number), Some(&change))?;
        }
        self.remember(KnownIssue { is_open: false, ..issue })?;
        Ok(format!("issue {} closed", issue.number))
    }

    fn open(&self) -> Result<String, Outcome> {
        let new = json!({
            "title": title(&self.payload.alert),
            "body": body(self.payload, &marker(&self.row.lane), &marker(&self.row.key)),
            "labels": self.settings.labels,
            "assignees": self.settings.assignees,
        });
        let opened = self.ask("POST", "/issues", Some(&new))?;
        let Some(number) = number_of(&opened) else {
            return Err(Outcome::Retry("the response to a new issue has no number".into()));
        };
        self.remember(KnownIssue { number, comments: 0, is_open: true })?;
        Ok(format!("issue {number} opened"))
    }

    /// The open issue of this alert, and whether this very action opened it.
    fn search(&self) -> Result<Option<(KnownIssue, bool)>, Outcome> {
        let (lane, key) = (marker(&self.row.lane), marker(&self.row.key));
        let label = self.settings.labels.first().map(|it| {
            let encoded = percent_encoding::utf8_percent_encode(it, percent_encoding::NON_ALPHANUMERIC);
            format!("&labels={encoded}")
        });
        let label = label.unwrap_or_default();
        for page in 1..=PAGES_MAX {
            let path =
                format!("/issues?state=open&sort=created&direction=desc&per_page={PAGE}&page={page}{label}");
            let issues = self.ask("GET", &path, None)?;
            let issues = issues.as_array().map(Vec::as_slice).unwrap_or_default();
            let found = issues.iter().find_map(|issue| {
                let text = issue["body"].as_str()?;
                let number = number_of(issue).filter(|_| text.contains(&lane))?;
                let comments = issue["comments"].as_u64().and_then(|it| u32::try_from(it).ok()).unwrap_or(0);
                Some((KnownIssue { number, comments, is_open: true }, text.contains(&key)))
            });
            if found.is_some() || issues.len() < PAGE {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Comments an issue, unless an earlier attempt did.
    fn comment(&self, issue: KnownIssue) -> Result<KnownIssue, Gone> {
        let (path, marker) = (format!("/issues/{}/comments", issue.number), marker(&self.row.key));
        if self.row.attempts > 0 && self.is_commented(&path, &marker)? {
            return Ok(issue);
        }
        let text = json!({"body": comment(&self.payload.alert, &marker)});
        let response = self.request("POST", &path, Some(&text))?;
        match response.status {
            404 | 410 => Err(Gone::Issue),
            _ if response.is_success() => {
                Ok(KnownIssue { comments: issue.comments.saturating_add(1), ..issue })
            }
            _ => Err(Gone::No(self.refusal(&response))),
        }
    }

    fn is_commented(&self, path: &str, marker: &str) -> Result<bool, Outcome> {
        for page in 1..=PAGES_MAX {
            let comments = self.ask("GET", &format!("{path}?per_page={PAGE}&page={page}"), None)?;
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
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Outcome> {
        let response = self.request(method, path, body)?;
        if !response.is_success() {
            return Err(self.refusal(&response));
        }
        serde_json::from_slice(&response.body)
            .map_err(|error| Outcome::Retry(format!("GitHub's response is not JSON: {error}")))
    }

    fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<RemoteResponse, Outcome> {
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
        sent.map_err(|error| Outcome::of_error(&error, "GitHub was not reached"))
    }

    /// Tells GitHub's rate limits, which come as 403 too, from a missing permission.
    fn refusal(&self, response: &RemoteResponse) -> Outcome {
        let outcome = Outcome::of_refusal(response, "GitHub refused");
        let Outcome::Retry(reason) = outcome else { return outcome };
        if response.status != 403 {
            return Outcome::Retry(reason);
        }
        let number = |name| response.header(name).trim().parse::<f64>().ok();
        if number("x-ratelimit-remaining") == Some(0.0) {
            let wait = number("x-ratelimit-reset").map_or(60.0, |reset| (reset - self.now).max(0.0));
            return Outcome::wait(reason, Duration::try_from_secs_f64(wait).unwrap_or(SECONDARY_WAIT));
        }
        match reason.to_lowercase().contains("rate limit") {
            true => Outcome::wait(reason, SECONDARY_WAIT),
            false => Outcome::Retry(reason),
        }
    }

    fn remember(&self, issue: KnownIssue) -> Result<(), Outcome> {
        Ok(self.outbox.remember_issue(&self.row.lane, issue, self.now)?)
    }
}

/// Why a comment was not written.
enum Gone {
    /// The issue is not there any more.
    Issue,
    /// Another reason.
    No(Outcome),
}

impl From<Outcome> for Gone {
    fn from(outcome: Outcome) -> Self {
        Self::No(outcome)
    }
}

/// The number of an issue.
fn number_of(issue: &Value) -> Option<u32> {
    u32::try_from(issue["number"].as_u64()?).ok()
}

/// A marker for a lane or a key.
fn marker_word(text: &str) -> String {
    format!("{:016x}", hash(text))
}
