//! `hostnorm remediate`: receives notifications and acts on them until it is stopped.

use std::ffi::OsString;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use super::run::unix_signals::{UnixSignalRequest, UnixSignals};
use crate::cli::{CommandExit, RemediateArgs};
use crate::http::{self, AccessSettings, ReceiverApp, WebSecurity};
use crate::remediate::{
    ActionThreads, BODY_BYTES_MAX, ClusterAddress, Outbox, OutboxLimits, PATH, RemediationReceiver,
    RemediationRules,
};
use crate::{clock, telemetry, whole_file};

/// Longest file with a token.
const TOKEN_BYTES_MAX: u64 = 64 << 10;

/// Runs until SIGTERM or SIGINT. Exit code 0; 64 for invalid rules; 1 for a failure.
pub fn run(
    options: &RemediateArgs,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> CommandExit {
    let environment: Vec<_> = environment.into_iter().collect();
    let cluster = ClusterAddress::of(|name| {
        let found = environment.iter().find(|(key, _)| key == name);
        found.and_then(|(_, value)| value.to_str()).map(str::to_owned)
    });
    let rules = match RemediationRules::read(&options.file, options.allowed, &cluster) {
        Ok(rules) => rules,
        Err(error) => return CommandExit::usage(error.to_string()),
    };
    if let Some(file) = &options.token_file {
        match whole_file::text(file, TOKEN_BYTES_MAX) {
            Ok(text) if text.lines().next().unwrap_or_default().trim().is_empty() => {
                return CommandExit::usage(format!("{} contains no token in its first line", file.display()));
            }
            Ok(_) => {}
            Err(reason) => return CommandExit::usage(format!("{} {reason}", file.display())),
        }
    }
    let access = AccessSettings {
        config_file: options.web_config.clone(),
        enable_admin_api: false,
        health_auth_exempt: true,
    };
    let security = match WebSecurity::open(access) {
        Ok(security) => Arc::new(security),
        Err(error) => return CommandExit::usage(error.to_string()),
    };
    if options.check {
        return CommandExit::success(format!("{} is valid", options.file.display()));
    }
    let log = match telemetry::init(options.log, None) {
        Ok(log) => log,
        Err(error) => return CommandExit::failure(format!("cannot start logging: {error}")),
    };
    let served = start(options, rules, &cluster, security);
    drop(log);
    match served {
        Ok(()) => CommandExit::success(""),
        Err(reason) => CommandExit::failure(reason),
    }
}

fn start(
    options: &RemediateArgs,
    rules: RemediationRules,
    cluster: &ClusterAddress,
    security: Arc<WebSecurity>,
) -> Result<(), String> {
    let listeners = http::bind(&options.listen_addresses).map_err(|error| error.to_string())?;
    let outbox =
        Outbox::open(&options.storage, OutboxLimits::default()).map_err(|error| error.to_string())?;
    let outbox = Arc::new(outbox);
    let addresses: Vec<String> =
        listeners.iter().filter_map(|it| it.local_addr().ok()).map(|it| it.to_string()).collect();
    let threads = ActionThreads::start(&rules, cluster, &outbox, clock::now)
        .map_err(|error| format!("cannot start: {error}"))?;
    tracing::info!(address = addresses.join(" "), "hostnorm remediate is listening");
    let receiver = Arc::new(RemediationReceiver::new(rules, outbox, clock::now));
    let token_file = options.token_file.clone();
    let site = ReceiverApp::new(security, token_file, (PATH, BODY_BYTES_MAX), receiver, clock::now);
    let served = serve(site, listeners).map_err(|error| error.to_string());
    match threads.stop() {
        true => served,
        false => Err("an action ended unexpectedly; this is a bug in hostnorm".into()),
    }
}

fn serve(site: ReceiverApp, listeners: Vec<TcpListener>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(http::BLOCKING_THREADS_MAX)
        .build()?;
    runtime.block_on(async {
        let mut signals = UnixSignals::new()?;
        let stop = async {
            loop {
                match signals.next().await {
                    UnixSignalRequest::Stop(signal) => {
                        tracing::info!(signal, "stopping");
                        return;
                    }
                    UnixSignalRequest::Reload => {
                        tracing::warn!("rules are not reloaded; restart to use new ones");
                    }
                }
            }
        };
        site.serve(listeners, stop).await
    })
}
