//! The rules as they stand in the file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use super::matcher::AlertMatcher;
use crate::byte_size::ByteSize;
use crate::duration::HumanDuration;
use crate::remote::ServerConnection;
use crate::secret_text::SecretText;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RulesFile {
    pub(super) rules: Vec<RuleSection>,
    #[serde(default)]
    pub(super) retry: RetrySection,
    /// How long an action is remembered after it was last asked for, so that a repeated notification is known.
    #[serde(default = "default_retention")]
    pub(super) retention: HumanDuration,
}

/// When an action that failed is tried again.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RetrySection {
    /// The wait after the first failure; it doubles with each further one.
    pub(super) initial: HumanDuration,
    /// The longest wait.
    pub(super) max: HumanDuration,
    /// An older action is dropped.
    pub(super) max_age: HumanDuration,
}

/// One rule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleSection {
    pub(super) name: String,
    #[serde(default)]
    pub(super) matchers: Vec<AlertMatcher>,
    pub(super) actions: Vec<ActionSection>,
}

/// One action; exactly one key is set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ActionSection {
    pub(super) log: Option<LogSection>,
    pub(super) github_issue: Option<GithubSection>,
    pub(super) webhook: Option<WebhookSection>,
    pub(super) kubernetes: Option<KubernetesSection>,
}

/// Lines of JSON in a file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogSection {
    pub(super) path: PathBuf,
    /// A file that would be larger is rotated before.
    #[serde(default = "default_log_size")]
    pub(super) max_size: ByteSize,
    /// Files after the current one, `PATH.1` being the newest.
    #[serde(default = "default_log_files")]
    pub(super) files: u32,
}

/// An issue for each alert.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GithubSection {
    /// `owner/name`.
    pub(super) repository: String,
    /// `https://HOST/api/v3` for GitHub Enterprise Server.
    #[serde(default = "default_github_url")]
    pub(super) api_url: String,
    #[serde(default)]
    pub(super) connection: ServerConnection,
    #[serde(default)]
    pub(super) labels: Vec<String>,
    #[serde(default)]
    pub(super) assignees: Vec<String>,
    #[serde(default = "default_github_rate")]
    pub(super) per_minute: u32,
}

/// A request with JSON.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookSection {
    /// It may have a token in its path.
    #[serde(default)]
    pub(super) url: SecretText,
    /// A file whose first line is the URL, for a URL that is a secret.
    #[serde(default)]
    pub(super) url_file: PathBuf,
    #[serde(default)]
    pub(super) connection: ServerConnection,
    #[serde(default = "default_body")]
    pub(super) body: Value,
    /// The body when the alert is over; `body` if it is not set.
    pub(super) resolved_body: Option<Value>,
    /// Files whose first line is put in place of `{{ secrets.NAME }}`.
    #[serde(default)]
    pub(super) secrets: BTreeMap<String, PathBuf>,
    #[serde(default = "yes")]
    pub(super) send_resolved: bool,
    #[serde(default = "default_webhook_rate")]
    pub(super) per_minute: u32,
}

/// Requests to the API of Kubernetes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KubernetesSection {
    #[serde(default)]
    pub(super) cordon_node: bool,
    #[serde(default)]
    pub(super) delete_pod: bool,
    #[serde(default = "yes")]
    pub(super) dry_run: bool,
    #[serde(default = "default_cluster_rate")]
    pub(super) per_hour: u32,
    /// The label of the alert with the name of the node.
    #[serde(default = "default_node_label")]
    pub(super) node_label: String,
    /// Namespaces whose pods may be deleted; empty for all but those of the system.
    #[serde(default)]
    pub(super) namespaces: Vec<String>,
    /// The API server; from the environment of the pod if it is empty.
    #[serde(default)]
    pub(super) api_url: String,
    /// Token and authority of the service account if nothing is set.
    #[serde(default)]
    pub(super) connection: ServerConnection,
}

impl Default for RetrySection {
    fn default() -> Self {
        Self {
            initial: HumanDuration::seconds(5),
            max: HumanDuration::minutes(10),
            max_age: HumanDuration::days(3),
        }
    }
}

fn yes() -> bool {
    true
}

fn default_retention() -> HumanDuration {
    HumanDuration::days(7)
}

fn default_log_size() -> ByteSize {
    ByteSize::from_mebibytes(10)
}

fn default_log_files() -> u32 {
    5
}

fn default_github_url() -> String {
    "https://api.github.com".into()
}

fn default_github_rate() -> u32 {
    20
}

fn default_webhook_rate() -> u32 {
    60
}

fn default_cluster_rate() -> u32 {
    3
}

fn default_node_label() -> String {
    "node".into()
}

fn default_body() -> Value {
    let names = [
        "status",
        "sentence",
        "labels",
        "annotations",
        "fingerprint",
        "starts_at",
        "ends_at",
        "generator_url",
        "rule",
        "dedup_key",
    ];
    names.into_iter().map(|it| (it.to_owned(), Value::from(format!("{{{{ {it} }}}}")))).collect()
}
