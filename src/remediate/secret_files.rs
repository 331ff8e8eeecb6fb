//! Secrets of webhooks, in the first lines of files.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests write files with secrets"))]

use std::collections::BTreeMap;
use std::path::Path;

use super::rules_file::WebhookSection;
use crate::remote::{is_http_url, secret_of};
use crate::secret_text::SecretText;

/// The URL and the secrets, from their files.
#[derive(Debug)]
pub(super) struct WebhookSecrets {
    /// It may have a token in its path.
    pub(super) url: SecretText,
    /// The secrets by their names in the body.
    pub(super) values: BTreeMap<String, SecretText>,
}

/// Reads the secrets of a webhook.
///
/// # Errors
/// If a file has no secret, or no URL; it is named, and its content is not shown.
pub(super) fn read_secrets(settings: &WebhookSection) -> Result<WebhookSecrets, String> {
    let secret = |path: &Path| secret_of(path).map_err(|error| error.to_string());
    let values = settings.secrets.iter().map(|(name, path)| Ok((name.clone(), secret(path)?)));
    let values = values.collect::<Result<BTreeMap<_, _>, String>>()?;
    if settings.url_file.as_os_str().is_empty() {
        return Ok(WebhookSecrets { url: settings.url.clone(), values });
    }
    let url = secret(&settings.url_file)?;
    match is_http_url(&url) {
        true => Ok(WebhookSecrets { url, values }),
        false => Err(format!(
            "{} contains no URL; expected http://HOST or https://HOST",
            settings.url_file.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let (url, key) = (file("url", "http://h/hooks/s3cret\n"), file("key", "s3cret\n"));
        let settings = |url_file: &str| -> WebhookSection {
            yaml_serde::from_str(&format!("{{url_file: '{url_file}', secrets: {{key: '{key}'}}}}")).unwrap()
        };
        let found = read_secrets(&settings(&url)).unwrap();
        assert_eq!((&*found.url, &*found.values["key"]), ("http://h/hooks/s3cret", "s3cret"));
        assert!(!format!("{found:?}").contains("s3cret"), "{found:?}");
        let error = read_secrets(&settings(&key)).unwrap_err();
        assert!(error.contains("contains no URL") && !error.contains("s3cret"), "{error}");
    }
}
