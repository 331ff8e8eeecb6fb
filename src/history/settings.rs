//! What the settings say of a past from elsewhere.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Access, HOURS_MAX, Origin};

/// Where the past is at the first start, and how it is asked for. Of secrets only the files are named.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where it is; empty for nowhere.
    pub from: String,
    /// How long it is, in hours.
    pub hours: u64,
    /// Which host of the server; empty where there is but one.
    pub host: String,
    /// More to choose series by.
    #[serde(rename = "match")]
    pub matching: String,
    /// A file with the names that the server has; empty for those that hostnorm brings along.
    pub mapping: PathBuf,
    /// Name of the user; empty for none.
    pub user: String,
    /// File with the password.
    pub password_file: PathBuf,
    /// File with a token.
    pub token_file: PathBuf,
    /// More headers, `Name: value`.
    pub headers: Vec<String>,
    /// Certificates of authorities to trust beside those of the host.
    pub ca_file: PathBuf,
    /// Our certificate.
    pub cert_file: PathBuf,
    /// The key of our certificate.
    pub key_file: PathBuf,
    /// Whether any certificate will do.
    pub insecure: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            from: String::new(),
            hours: 24,
            host: String::new(),
            matching: String::new(),
            mapping: PathBuf::new(),
            user: String::new(),
            password_file: PathBuf::new(),
            token_file: PathBuf::new(),
            headers: Vec::new(),
            ca_file: PathBuf::new(),
            cert_file: PathBuf::new(),
            key_file: PathBuf::new(),
            insecure: false,
        }
    }
}

impl Settings {
    /// How the server is asked.
    pub fn access(&self) -> Access {
        Access {
            user: self.user.clone(),
            password_file: self.password_file.clone(),
            token_file: self.token_file.clone(),
            headers: self.headers.clone(),
            ca_file: self.ca_file.clone(),
            cert_file: self.cert_file.clone(),
            key_file: self.key_file.clone(),
            insecure: self.insecure,
        }
    }

    /// What cannot be, with the key that it stands under.
    pub fn wrong(&self) -> Option<(&'static str, String)> {
        if self.from.is_empty() {
            return None;
        }
        match self.from.parse::<Origin>() {
            // The text may have a password in it.
            Err(error) => Some(("bootstrap.from", error.to_string())),
            Ok(_) if !(1..=HOURS_MAX).contains(&self.hours) => {
                Some(("bootstrap.hours", format!("{} is not within 1 and {HOURS_MAX}", self.hours)))
            }
            Ok(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_looked_at_before_it_is_needed() {
        let check = |from: &str, hours: u64, expect: Option<&str>| {
            let settings = Settings { from: from.into(), hours, ..Settings::default() };
            assert_eq!(settings.wrong().map(|(key, _)| key), expect, "{from} {hours}");
        };
        check("", 0, None);
        check("prometheus:http://localhost:9090", 24, None);
        check("localhost:9090", 24, Some("bootstrap.from"));
        check("csv:h.csv", 0, Some("bootstrap.hours"));
        check("csv:h.csv", HOURS_MAX + 1, Some("bootstrap.hours"));
    }
}
