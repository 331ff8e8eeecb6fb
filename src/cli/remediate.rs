//! The command line of `hostnorm remediate`.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, value_parser};

use super::{CommandExit, GlobalOptions, defaulted};
use crate::remediate::AllowedActions;
use crate::telemetry::{LogFormat, LogLevel, LogOutputSettings};

/// The command that acts on alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemediateArgs {
    /// The rules.
    pub file: PathBuf,
    /// Addresses to listen on.
    pub listen_addresses: Vec<String>,
    /// Directory of the outbox.
    pub storage: PathBuf,
    /// The web configuration file, with TLS and users.
    pub web_config: Option<PathBuf>,
    /// File with the bearer token of senders.
    pub token_file: Option<PathBuf>,
    /// What may be done to the cluster.
    pub allowed: AllowedActions,
    /// The log.
    pub log: LogOutputSettings,
    /// Whether the rules are only checked.
    pub check: bool,
}

pub(super) fn command() -> clap::Command {
    let path = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name("FILE").value_parser(value_parser!(PathBuf)).help(help)
    };
    let switch = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    clap::Command::new("remediate")
        .about("Act on alerts: receive Alertmanager's notifications and follow rules")
        .long_about(
            "Act on alerts: receive Alertmanager's notifications (webhook version 4, at /api/v1/alerts) and follow rules. An \
             action is a line in a remediation log, an issue on GitHub, a request to a webhook, or, if allowed, cordoning a node \
             or deleting a pod in Kubernetes. hostnorm remediate runs no commands or scripts.\n\n\
             A notification is acknowledged when its actions are in the outbox, so that no action is lost.",
        )
        .arg(path("config.file", "Rules in YAML").required(true))
        .arg(
            defaulted(
                "web.listen-address",
                "HOST:PORT",
                ":9877",
                "Address to listen on; may be repeated",
            )
            .action(ArgAction::Append),
        )
        .arg(path("web.config.file", "Web configuration file with TLS and users"))
        .arg(path("web.token-file", "File with the bearer token that senders must have"))
        .arg(
            defaulted("storage.path", "DIRECTORY", "/var/lib/hostnorm-remediate", "Directory of the outbox")
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(switch("kubernetes.allow-cordon", "Let rules with dry_run: false cordon nodes"))
        .arg(switch("kubernetes.allow-delete-pod", "Let rules with dry_run: false delete pods"))
        .arg(switch("check", "Check the rules and exit"))
        .arg(
            defaulted("log.level", "LEVEL", "info", "Lowest level that is logged")
                .value_parser(["error", "warn", "info", "debug", "trace"]),
        )
        .arg(
            defaulted("log.format", "FORMAT", "logfmt", "Format of the log").value_parser(["logfmt", "json"]),
        )
}

pub(super) fn options(matches: &ArgMatches, before: &GlobalOptions) -> Result<RemediateArgs, CommandExit> {
    before.none("remediate")?;
    let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
    let word = |name: &str| matches.get_one::<String>(name).map_or("", String::as_str);
    let level = match word("log.level") {
        "error" => LogLevel::Error,
        "warn" => LogLevel::Warn,
        "debug" => LogLevel::Debug,
        "trace" => LogLevel::Trace,
        _ => LogLevel::Info,
    };
    let format = if word("log.format") == "json" { LogFormat::Json } else { LogFormat::Logfmt };
    let Some(file) = path("config.file") else {
        return Err(CommandExit::usage("no rules: set --config.file"));
    };
    Ok(RemediateArgs {
        file,
        listen_addresses: matches
            .get_many::<String>("web.listen-address")
            .into_iter()
            .flatten()
            .cloned()
            .collect(),
        storage: path("storage.path").unwrap_or_default(),
        web_config: path("web.config.file"),
        token_file: path("web.token-file"),
        allowed: AllowedActions {
            cordon: matches.get_flag("kubernetes.allow-cordon"),
            delete_pod: matches.get_flag("kubernetes.allow-delete-pod"),
        },
        log: LogOutputSettings { level, format },
        check: matches.get_flag("check"),
    })
}
