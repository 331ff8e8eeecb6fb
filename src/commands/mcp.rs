//! `hostnorm mcp`: serves the Model Context Protocol on standard input and output.

use std::ffi::OsString;
use std::io;
use std::sync::Arc;

use serde_json::Value;

use super::daemon_client;
use crate::cli::{CommandExit, GlobalOptions};
use crate::mcp;
use crate::mcp::ApiSource;

/// Serves until the client closes standard input. Exit code 0; 1 if the client breaks the protocol.
pub fn run(
    options: GlobalOptions,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> CommandExit {
    let source = DaemonOrStore(Arc::new((options, environment.into_iter().collect())));
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return CommandExit::failure(format!("cannot start: {error}")),
    };
    let served = runtime.block_on(mcp::serve(source, io::stdin().lock(), io::stdout().lock()));
    match served {
        Ok(()) => CommandExit::success(""),
        Err(error) => {
            CommandExit::failure(format!("the client does not speak the Model Context Protocol: {error}"))
        }
    }
}

/// Asks the running hostnorm through its control socket; without one, the store.
struct DaemonOrStore(Arc<(GlobalOptions, Vec<(OsString, OsString)>)>);

impl ApiSource for DaemonOrStore {
    async fn get(&self, resource: String) -> Result<Value, String> {
        let settings = Arc::clone(&self.0);
        let asked = tokio::task::spawn_blocking(move || {
            let (options, environment) = &*settings;
            daemon_client::get_from_daemon_or_store(options, environment.iter().cloned(), &resource)
        });
        let (mut found, source) =
            asked.await.map_err(|error| error.to_string())?.map_err(|exit| exit.text)?;
        if let Some(source) = source {
            found["source"] = source.into();
        }
        Ok(found)
    }
}
