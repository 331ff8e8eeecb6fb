//! Asks Alertmanager for the silences of this host, and never changes anything there.
//!
//! One request a minute, on a thread of its own; an answer reaches the loop as an event.

use std::collections::BTreeSet;
use std::fmt;

use crate::duration::HumanDuration;
use crate::host_name::host_name;
use crate::remote::{RemoteClient, RemoteClientOptions, RemoteError, RemoteResponse, quoted};
use crate::silence::{SILENCES_MAX, Silence, SilenceApplicability, TargetLabels};

mod response;
mod settings;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;

pub use settings::AlertmanagerSettings;

/// Path of the list of silences, below the URL of the settings.
const SILENCES: &str = "/api/v2/silences";
/// Longest time of a request.
const TIMEOUT: HumanDuration = HumanDuration::seconds(20);
/// Largest uncompressed response; a silence has about 500 bytes.
const BODY_BYTES_MAX: u64 = 8 << 20;
/// Largest number of messages that are remembered, so that each is said once.
const NOTES_MAX: usize = 64;

/// Why there are no silences.
#[derive(Debug, Clone, PartialEq)]
pub enum AlertmanagerError {
    /// The credentials or certificates of the settings cannot be used.
    Settings(String),
    /// There is no complete response.
    Remote(RemoteError),
    /// The server wants credentials; whether some were sent.
    Unauthorized(bool),
    /// Another status than 200, with the server's text.
    Status(u16, String),
    /// The response is not a list of silences.
    Malformed(String),
}

impl fmt::Display for AlertmanagerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(reason) => f.write_str(reason),
            Self::Remote(error) => error.fmt(f),
            Self::Unauthorized(true) => f.write_str(
                "401, the credentials are wrong; check alertmanager.user and the files with secrets",
            ),
            Self::Unauthorized(false) => f.write_str(
                "401, the server wants credentials; set alertmanager.user and password_file, or token_file",
            ),
            Self::Status(404, _) => {
                f.write_str("404, there is no API; check the path of alertmanager.url, such as /alertmanager")
            }
            Self::Status(status, text) if text.is_empty() => write!(f, "status {status}"),
            Self::Status(status, text) => write!(f, "status {status}: {text}"),
            Self::Malformed(reason) => write!(f, "the response is not a list of silences: {reason}"),
        }
    }
}

impl std::error::Error for AlertmanagerError {}

/// Reads the silences of this host from the server.
#[derive(Debug)]
pub struct AlertmanagerClient {
    client: RemoteClient,
    url: String,
    target: TargetLabels,
    /// What was said, so that it is said once.
    said: BTreeSet<String>,
}

impl AlertmanagerSettings {
    /// The labels of this host's alerts, as far as the settings and this host know them.
    pub fn target(&self) -> TargetLabels {
        let name = host_name().unwrap_or_default();
        // The settings were checked.
        TargetLabels::new(&self.alert_labels, &name).unwrap_or_default()
    }
}

impl AlertmanagerClient {
    /// A reader for the server of these settings.
    ///
    /// # Errors
    /// If a file with secrets or certificates cannot be used.
    pub fn new(settings: &AlertmanagerSettings) -> Result<Self, AlertmanagerError> {
        let options = RemoteClientOptions {
            timeout: TIMEOUT,
            body_bytes_max: BODY_BYTES_MAX,
            ..RemoteClientOptions::default()
        };
        let client = RemoteClient::new(&settings.connection, options);
        let client = client.map_err(|error| AlertmanagerError::Settings(error.to_string()))?;
        let url = format!("{}{SILENCES}", settings.api_base_url());
        Ok(Self { client, url, target: settings.target(), said: BTreeSet::new() })
    }

    /// The silences that can match an alert of this host, current and to come; at most [`SILENCES_MAX`].
    ///
    /// # Errors
    /// If the server does not answer with a list.
    pub fn read(&mut self) -> Result<Vec<Silence>, AlertmanagerError> {
        let response = self.client.get(&self.url, &[]).map_err(AlertmanagerError::Remote)?;
        let parsed = response::parse(&self.body(response)?)?;
        for reason in parsed.refused {
            self.say(reason, |reason| {
                tracing::warn!(
                    reason,
                    "a silence cannot be read and is ignored; hostnorm acts as if it did not exist"
                );
            });
        }
        let mut silences = Vec::new();
        for silence in parsed.silences {
            match silence.fit(&self.target) {
                SilenceApplicability::Matches => silences.push(silence),
                SilenceApplicability::Differs => {}
                SilenceApplicability::Unknown(label) => self.say(label, |label| {
                    tracing::info!(
                        label,
                        "silences with this label are ignored, because its value for this host is unknown; set alertmanager.alert_labels"
                    );
                }),
            }
        }
        let ignored = silences.len().saturating_sub(SILENCES_MAX);
        if ignored > 0 {
            self.say("too many".to_owned(), |_| {
                tracing::warn!(
                    ignored,
                    maximum = SILENCES_MAX,
                    "too many silences match this host; the last to end count"
                );
            });
            silences.sort_by(|one, other| other.ends.0.total_cmp(&one.ends.0));
            silences.truncate(SILENCES_MAX);
        }
        Ok(silences)
    }

    fn body(&self, response: RemoteResponse) -> Result<Vec<u8>, AlertmanagerError> {
        match response.status {
            200 => Ok(response.body),
            401 => Err(AlertmanagerError::Unauthorized(self.client.has_credentials())),
            300..=399 => Err(AlertmanagerError::Status(
                response.status,
                format!(
                    "a redirect to {}, which is not followed; change alertmanager.url",
                    response.redirect()
                ),
            )),
            status => Err(AlertmanagerError::Status(status, response.excerpt())),
        }
    }

    fn say(&mut self, what: String, log: impl FnOnce(&str)) {
        if self.said.len() < NOTES_MAX && !self.said.contains(&what) {
            log(&quoted(&what));
            self.said.insert(what);
        }
    }
}
