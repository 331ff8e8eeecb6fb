//! Whether a changed file protects less than the one before without saying so, as a file that is not written whole does.

use super::{ClientAuthType, WebConfig};

/// The protection of `before` that `after` lacks without switching it off, with what to do about it.
pub(in crate::http) fn lost_protection(before: &WebConfig, after: &WebConfig) -> Option<String> {
    let off = after.switched_off;
    let lost = |key: &str, remedy: &str| {
        Some(format!(
            "{key} is missing, as in a file that is not written whole; {remedy}, or restart hostnorm"
        ))
    };
    if before.tls.is_some() && after.tls.is_none() && !off.tls {
        return lost("tls_server_config", "to serve plain HTTP, set it to {}");
    }
    if !before.users.is_empty() && after.users.is_empty() && !off.users {
        return lost("basic_auth_users", "to ask for no passwords, set it to {}");
    }
    let (Some(old), Some(new)) = (&before.tls, &after.tls) else { return None };
    let is_checked = old.client_auth.verifies() || old.client_auth.requires();
    if is_checked && new.client_auth == ClientAuthType::NoClientCert && !off.client_certificates {
        let remedy = "to ask for no client certificates, set it to NoClientCert";
        return lost("tls_server_config: client_auth_type", remedy);
    }
    let names_matter = old.client_allowed_sans.is_some() && new.client_auth != ClientAuthType::NoClientCert;
    if names_matter && new.client_allowed_sans.is_none() {
        return lost("tls_server_config: client_allowed_sans", "write it again");
    }
    None
}
