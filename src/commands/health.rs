//! `hostnorm health`: checks the health of the running hostnorm, for supervisors and probes.

use std::ffi::OsString;

use crate::cli::{Exit, GlobalOptions};
use crate::http;

/// Queries the addresses of the settings until one answers. Exit code 0, or 1 if none does.
pub fn run(options: &GlobalOptions, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Exit {
    let config = match options.load(environment) {
        Ok(loaded) => loaded.config,
        Err(problems) => return Exit::usage(problems.to_string()),
    };
    let mut said = Vec::new();
    for address in &config.web.listen_address {
        match http::health(address) {
            Ok(url) => return Exit::success(format!("hostnorm is healthy at {url}")),
            Err(error) => said.push(error.to_string()),
        }
    }
    Exit::failure(said.join("\n"))
}
