//! `hostnorm health`: checks the health of the running hostnorm, for supervisors and probes.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use crate::cli::{CommandExit, GlobalOptions};
use crate::http::{self, HealthError, HealthTransport};

/// Asks at each address of the settings until one answers, or on the control socket where the web configuration asks
/// clients for more than a probe has; exit code 0 then, 1 if none does.
pub fn run(
    options: &GlobalOptions,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> CommandExit {
    let environment: BTreeMap<_, _> = environment.into_iter().collect();
    let config = match options.load(environment.clone()) {
        Ok(loaded) => loaded.config,
        Err(problems) => return CommandExit::usage(problems.to_string()),
    };
    match HealthTransport::of(&config.access()) {
        Err(error) => CommandExit::failure(format!("cannot read the web configuration file: {error}")),
        Ok(HealthTransport::ControlSocket) => {
            let place = config.storage.location(|name| environment.get(OsStr::new(name)).cloned());
            match config.control_socket(&place) {
                Some(socket) => first_healthy(std::iter::once_with(|| http::health_on_socket(&socket))),
                None => CommandExit::failure(
                    "web.config_file asks clients for a certificate or a password, which a health check has not, and \
                     there is no control socket to ask on; set --web.control-socket",
                ),
            }
        }
        Ok(transport) => {
            let https = transport == HealthTransport::Https;
            first_healthy(config.web.listen_address.iter().map(|it| http::health(it, https)))
        }
    }
}

/// The first good answer, else all that was said.
fn first_healthy(answers: impl Iterator<Item = Result<String, HealthError>>) -> CommandExit {
    let mut said = Vec::new();
    for answer in answers {
        match answer {
            Ok(url) => return CommandExit::success(format!("hostnorm is healthy at {url}")),
            Err(error) => said.push(error.to_string()),
        }
    }
    CommandExit::failure(said.join("\n"))
}
