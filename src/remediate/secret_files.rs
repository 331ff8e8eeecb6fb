//! Secrets of webhooks, in the first lines of files.

use std::collections::BTreeMap;
use std::path::Path;

use super::rules_file::WebhookSection;
use crate::remote::{is_http_url, secret_of};

/// The URL and the secrets, from their files.
pub(super) fn read_secrets(settings: &WebhookSection) -> Result<(String, BTreeMap<String, String>), String> {
    let secret = |path: &Path| secret_of(path).map_err(|error| error.to_string());
    let secrets = settings.secrets.iter().map(|(name, path)| Ok((name.clone(), secret(path)?)));
    let secrets = secrets.collect::<Result<BTreeMap<_, _>, String>>()?;
    if settings.url_file.as_os_str().is_empty() {
        return Ok((settings.url.clone(), secrets));
    }
    let url = secret(&settings.url_file)?;
    match is_http_url(&url) {
        true => Ok((url, secrets)),
        false => Err(format!(
            "{} contains no URL; expected http://HOST or https://HOST",
            settings.url_file.display()
        )),
    }
}
