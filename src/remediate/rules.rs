//! Rules: which alerts lead to which actions.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use super::cluster_access::{AllowedActions, ClusterAddress};
use super::matcher::AlertMatcher;
use super::notification::Alert;
use super::rules_file::{
    ActionSection, GithubSection, KubernetesSection, LogSection, RetrySection, RuleSection, RulesFile,
    WebhookSection,
};
use super::secret_files::read_secrets;
use super::template;
use crate::remote::{RemoteClient, RemoteClientOptions, ServerConnection, is_http_url, quoted};
use crate::url_credentials::without_credentials;
use crate::whole_file;
use crate::yaml_text;

/// Largest file of rules.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Most actions of all rules: each has a thread.
pub(super) const ACTIONS_MAX: usize = 32;
/// Longest name of a rule.
const NAME_BYTES_MAX: usize = 64;
/// Most lines of a body or labels of an issue, and highest rates.
const RATE_MAX: u32 = 1000;

/// The rules of a file.
#[derive(Debug, Clone)]
pub struct RemediationRules {
    pub(super) rules: Vec<Rule>,
    pub(super) retry: RetrySection,
    /// Seconds that an action is remembered after it was last asked for.
    pub(super) retention_seconds: f64,
}

/// One rule.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) name: String,
    matchers: Vec<AlertMatcher>,
    pub(super) actions: Vec<RuleAction>,
}

/// One action of a rule.
#[derive(Debug, Clone)]
pub(super) struct RuleAction {
    /// `RULE/POSITION/KIND`, which names it in the outbox.
    pub(super) id: String,
    pub(super) settings: ActionSettings,
}

/// What an action does.
#[derive(Debug, Clone)]
pub(super) enum ActionSettings {
    Log(LogSection),
    GithubIssue(GithubSection),
    Webhook(WebhookSection),
    Kubernetes(KubernetesSection),
}

/// The kinds of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActionKind {
    /// A line in the remediation log.
    Log,
    /// An issue on GitHub.
    GithubIssue,
    /// A request with JSON.
    Webhook,
    /// A request to the API of Kubernetes.
    Kubernetes,
}

impl ActionKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Log, Self::GithubIssue, Self::Webhook, Self::Kubernetes];

    /// The key in the file, which is also the value of the label `action`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::GithubIssue => "github_issue",
            Self::Webhook => "webhook",
            Self::Kubernetes => "kubernetes",
        }
    }
}

/// Why a file of rules cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesError {
    path: PathBuf,
    line: Option<usize>,
    reason: String,
}

impl fmt::Display for RulesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

impl std::error::Error for RulesError {}

impl ActionSettings {
    pub(super) fn kind(&self) -> ActionKind {
        match self {
            Self::Log(_) => ActionKind::Log,
            Self::GithubIssue(_) => ActionKind::GithubIssue,
            Self::Webhook(_) => ActionKind::Webhook,
            Self::Kubernetes(_) => ActionKind::Kubernetes,
        }
    }
}

impl Rule {
    pub(super) fn matches(&self, alert: &Alert) -> bool {
        self.matchers.iter().all(|it| it.matches(alert))
    }
}

impl RemediationRules {
    /// Reads a file. Secrets that it names are read too, so that a missing one is known at the start.
    ///
    /// # Errors
    /// If it cannot be read, is not valid YAML, or has an unknown key or a value that is not allowed.
    pub fn read(path: &Path, allowed: AllowedActions, cluster: &ClusterAddress) -> Result<Self, RulesError> {
        let error = |line, reason| RulesError { path: path.to_owned(), line, reason };
        let text = whole_file::text(path, FILE_BYTES_MAX).map_err(|reason| error(None, reason))?;
        let rules = Self::parse(&text).map_err(|(line, reason)| error(line, reason))?;
        for action in rules.actions() {
            usable(&action.settings, allowed, cluster)
                .map_err(|reason| error(None, format!("action {}: {reason}", action.id)))?;
        }
        Ok(rules)
    }

    /// Checks the text of a file, without the files that it names.
    ///
    /// # Errors
    /// The line, where it is known, and the reason.
    pub fn parse(text: &str) -> Result<Self, (Option<usize>, String)> {
        let file: RulesFile = yaml_serde::from_str(text).map_err(|error| {
            let (line, reason) = yaml_text::problem(text, &error);
            (line, quoted(&without_credentials(&reason)))
        })?;
        Self::of(file).map_err(|reason| (None, reason))
    }

    fn of(file: RulesFile) -> Result<Self, String> {
        let (retry, retention) = (file.retry, file.retention);
        if retry.initial.as_seconds() <= 0.0 || retry.max < retry.initial || retry.max_age < retry.max {
            return Err("retry: expected 0 < initial ≤ max ≤ max_age".into());
        }
        if retention.as_seconds() < 3600.0 {
            return Err("retention: must be at least 1h, or a repeated notification would be new".into());
        }
        if file.rules.is_empty() {
            return Err("rules: expected at least one rule".into());
        }
        let mut names = BTreeSet::new();
        let mut rules = Vec::new();
        for section in file.rules {
            let name = section.name.clone();
            if !is_name(&name) {
                return Err(format!(
                    "rules: the name {name:?} is malformed; expected letters, digits, - and _, at most {NAME_BYTES_MAX}"
                ));
            }
            if !names.insert(name.clone()) {
                return Err(format!("rules: the name {name:?} is used twice; give each rule its own"));
            }
            rules.push(rule(section).map_err(|reason| format!("rule {name}: {reason}"))?);
        }
        let rules = Self { rules, retry, retention_seconds: retention.as_seconds() };
        match rules.actions().count() {
            count if count > ACTIONS_MAX => {
                Err(format!("rules: {count} actions, the maximum is {ACTIONS_MAX}; join rules"))
            }
            _ => Ok(rules),
        }
    }

    /// The actions of all rules.
    pub(super) fn actions(&self) -> impl Iterator<Item = &RuleAction> {
        self.rules.iter().flat_map(|it| &it.actions)
    }
}

fn is_name(name: &str) -> bool {
    let fits = |it: u8| it.is_ascii_alphanumeric() || b"-_".contains(&it);
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(fits)
}

fn rule(section: RuleSection) -> Result<Rule, String> {
    let RuleSection { name, matchers, actions } = section;
    if actions.is_empty() {
        return Err("actions: expected at least one action".into());
    }
    let mut checked = Vec::new();
    for (idx, section) in actions.into_iter().enumerate() {
        let settings = action(section).map_err(|reason| format!("action {idx}: {reason}"))?;
        let id = format!("{name}/{idx}/{}", settings.kind().word());
        checked.push(RuleAction { id, settings });
    }
    Ok(Rule { name, matchers, actions: checked })
}

fn action(section: ActionSection) -> Result<ActionSettings, String> {
    let ActionSection { log, github_issue, webhook, kubernetes } = section;
    let mut chosen: Vec<ActionSettings> = log.map(ActionSettings::Log).into_iter().collect();
    chosen.extend(github_issue.map(ActionSettings::GithubIssue));
    chosen.extend(webhook.map(ActionSettings::Webhook));
    chosen.extend(kubernetes.map(ActionSettings::Kubernetes));
    let (Some(settings), true) = (chosen.pop(), chosen.is_empty()) else {
        return Err("expected exactly one of log, github_issue, webhook and kubernetes".into());
    };
    match &settings {
        ActionSettings::Log(it) => check_log(it),
        ActionSettings::GithubIssue(it) => check_github(it),
        ActionSettings::Webhook(it) => check_webhook(it),
        ActionSettings::Kubernetes(it) => check_kubernetes(it),
    }?;
    Ok(settings)
}

fn check_log(log: &LogSection) -> Result<(), String> {
    const FILES_MAX: u32 = 100;
    if log.path.file_name().is_none() {
        return Err("log.path: expected the path of a file".into());
    }
    if log.max_size.bytes() < 4096 {
        return Err("log.max_size: must be at least 4KiB".into());
    }
    if !(1..=FILES_MAX).contains(&log.files) {
        return Err(format!("log.files: must be between 1 and {FILES_MAX}"));
    }
    Ok(())
}

fn check_github(github: &GithubSection) -> Result<(), String> {
    let part = |it: &str| {
        !it.is_empty()
            && !it.starts_with('.')
            && it.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_.".contains(&it))
    };
    if !github.repository.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name)) {
        return Err(format!("github_issue.repository: {:?} is not OWNER/NAME", github.repository));
    }
    check_url("github_issue.api_url", &github.api_url)?;
    if github.connection.token_file.as_os_str().is_empty() {
        return Err(
            "github_issue.connection.token_file: expected a file with a token that may write issues".into()
        );
    }
    check_rate("github_issue.per_minute", github.per_minute)
}

fn check_webhook(webhook: &WebhookSection) -> Result<(), String> {
    match (webhook.url.is_empty(), webhook.url_file.as_os_str().is_empty()) {
        (true, true) => return Err("webhook: expected url or url_file".into()),
        (false, false) => return Err("webhook: expected only one of url and url_file".into()),
        (false, true) => check_url("webhook.url", &webhook.url)?,
        (true, false) => {}
    }
    template::check(&webhook.body, &webhook.secrets).map_err(|reason| format!("webhook.body: {reason}"))?;
    let resolved = webhook.resolved_body.iter().try_for_each(|it| template::check(it, &webhook.secrets));
    resolved.map_err(|reason| format!("webhook.resolved_body: {reason}"))?;
    check_rate("webhook.per_minute", webhook.per_minute)
}

fn check_kubernetes(kubernetes: &KubernetesSection) -> Result<(), String> {
    if kubernetes.cordon_node == kubernetes.delete_pod {
        return Err("kubernetes: expected exactly one of cordon_node and delete_pod to be true".into());
    }
    if !kubernetes.api_url.is_empty() {
        check_url("kubernetes.api_url", &kubernetes.api_url)?;
    }
    if kubernetes.node_label.is_empty() {
        return Err("kubernetes.node_label: expected the name of a label".into());
    }
    check_rate("kubernetes.per_hour", kubernetes.per_hour)
}

fn check_rate(key: &str, rate: u32) -> Result<(), String> {
    match rate {
        1..=RATE_MAX => Ok(()),
        _ => Err(format!("{key}: must be between 1 and {RATE_MAX}")),
    }
}

/// The URL is not shown: it may be a secret.
fn check_url(key: &str, url: &str) -> Result<(), String> {
    match is_http_url(url) && !url.contains('@') {
        true => Ok(()),
        false => Err(format!(
            "{key}: expected http://HOST or https://HOST without a user; credentials belong into connection"
        )),
    }
}

/// Whether everything that an action needs is there.
fn usable(
    settings: &ActionSettings,
    allowed: AllowedActions,
    cluster: &ClusterAddress,
) -> Result<(), String> {
    let connect = |connection: &ServerConnection| {
        RemoteClient::new(connection, RemoteClientOptions::default()).map(|_| ()).map_err(|it| it.to_string())
    };
    match settings {
        ActionSettings::Log(_) => Ok(()),
        ActionSettings::GithubIssue(github) => connect(&github.connection),
        ActionSettings::Webhook(webhook) => {
            read_secrets(webhook)?;
            connect(&webhook.connection)
        }
        ActionSettings::Kubernetes(kubernetes) => {
            allowed.check(kubernetes)?;
            let (_, connection) = cluster.connection(kubernetes)?;
            connect(&connection)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(actions: &str, expect: &str) {
        let text = format!("rules:\n  - name: a\n    actions: [{actions}]\n");
        match RemediationRules::parse(&text) {
            Ok(_) => assert_eq!(expect, "", "{actions}"),
            Err((_, reason)) => {
                assert!(!expect.is_empty() && reason.contains(expect), "{actions}: {reason}");
            }
        }
    }

    #[test]
    fn actions_are_checked() {
        check("{log: {path: /var/log/r.jsonl}}", "");
        check("{log: {path: /}}", "rule a: action 0: log.path");
        check("{log: {path: /r, max_size: 1KiB}}", "log.max_size: must be at least 4KiB");
        check("{log: {path: /r, files: 0}}", "log.files");
        check("{log: {path: /r, size: 1}}", "unknown field `size`");
        check("{shell: {command: reboot}}", "unknown field `shell`");
        check("{}", "expected exactly one of");
        check("{log: {path: /r}, webhook: {url: 'http://h'}}", "expected exactly one of");
        check("{webhook: {url: 'http://h', body: {a: '{{ sentence }}'}}}", "");
        check("{webhook: {url: 'http://h', body: '{{ x }}'}}", "webhook.body: {{ x }} is unknown");
        check("{webhook: {url: 'http://h', resolved_body: '{{ x }}'}}", "webhook.resolved_body");
        check("{webhook: {url: 'http://u:geheim@h'}}", "webhook.url: expected http://HOST");
        check("{webhook: {}}", "expected url or url_file");
        check("{webhook: {url: 'http://h', url_file: /f}}", "only one of");
        check("{github_issue: {repository: a/b, connection: {token_file: /t}}}", "");
        check("{github_issue: {repository: a/../b, connection: {token_file: /t}}}", "is not OWNER/NAME");
        check("{github_issue: {repository: a/b}}", "token_file");
        check(
            "{github_issue: {repository: a/b, connection: {token_file: /t}, per_minute: 0}}",
            "between 1 and 1000",
        );
        check("{kubernetes: {cordon_node: true}}", "");
        check("{kubernetes: {}}", "exactly one of cordon_node and delete_pod");
        check("{kubernetes: {cordon_node: true, delete_pod: true}}", "exactly one of");
        check("{kubernetes: {cordon_node: true, per_hour: 0}}", "per_hour");
    }

    #[test]
    fn errors_name_the_line() {
        let (line, reason) = RemediationRules::parse("rules:\n  - name: a\n    actoins: []\n").unwrap_err();
        assert_eq!(line, Some(3), "{reason}");
        assert!(reason.contains("unknown field `actoins`"), "{reason}");
    }

    #[test]
    fn names_are_unique_and_plain() {
        let twice =
            "rules:\n- {name: a, actions: [{log: {path: /r}}]}\n- {name: a, actions: [{log: {path: /r}}]}\n";
        assert!(RemediationRules::parse(twice).unwrap_err().1.contains("used twice"));
        let odd = "rules:\n- {name: 'a/b', actions: [{log: {path: /r}}]}\n";
        assert!(RemediationRules::parse(odd).unwrap_err().1.contains("malformed"));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "(rules|name|actions|log|path|a|/|:|,|\\{|\\}|\\[|\\]|-|\n| ){0,40}") {
            let _ = RemediationRules::parse(&text);
        }
    }
}
