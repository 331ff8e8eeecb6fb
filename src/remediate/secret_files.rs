//! Secrets of webhooks, in the first lines of files.

use std::collections::BTreeMap;
use std::path::Path;

use super::rules_file::WebhookSection;
use crate::remote::is_http_url;
use crate::whole_file;

/// Largest file with a secret.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// The URL and the secrets, from their files.
pub(super) fn read_secrets(settings: &WebhookSection) -> Result<(String, BTreeMap<String, String>), String> {
    let secrets = settings.secrets.iter().map(|(name, path)| Ok((name.clone(), first_line(path)?)));
    let secrets = secrets.collect::<Result<BTreeMap<_, _>, String>>()?;
    if settings.url_file.as_os_str().is_empty() {
        return Ok((settings.url.clone(), secrets));
    }
    let url = first_line(&settings.url_file)?;
    match is_http_url(&url) {
        true => Ok((url, secrets)),
        false => Err(format!(
            "{} contains no URL; expected http://HOST or https://HOST",
            settings.url_file.display()
        )),
    }
}

fn first_line(path: &Path) -> Result<String, String> {
    let text = whole_file::text(path, SECRET_BYTES_MAX);
    let text = text.map_err(|reason| format!("{} {reason}", path.display()))?;
    let line = text.lines().next().unwrap_or_default().trim();
    if line.is_empty() || line.chars().any(char::is_control) {
        return Err(format!("{} contains no secret in its first line", path.display()));
    }
    Ok(line.to_owned())
}
