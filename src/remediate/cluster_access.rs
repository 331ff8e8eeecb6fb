//! What may be done to a cluster, and how its API server is reached.

use std::path::PathBuf;

use super::rules_file::KubernetesSection;
use crate::remote::ServerConnection;

/// Where a pod finds its service account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// What the command line allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AllowedActions {
    /// Whether nodes may be cordoned.
    pub cordon: bool,
    /// Whether pods may be deleted.
    pub delete_pod: bool,
}

impl AllowedActions {
    /// Whether these settings may be used.
    ///
    /// # Errors
    /// The flag that is missing.
    pub(super) fn check(self, settings: &KubernetesSection) -> Result<(), String> {
        let (is_allowed, flag) = match settings.cordon_node {
            true => (self.cordon, "--kubernetes.allow-cordon"),
            false => (self.delete_pod, "--kubernetes.allow-delete-pod"),
        };
        match is_allowed || settings.dry_run {
            true => Ok(()),
            false => Err(format!(
                "kubernetes.dry_run is false, which needs the flag {flag}; add it, or remove dry_run"
            )),
        }
    }
}

/// How a pod reaches the API server, from its environment.
#[derive(Debug, Clone, Default)]
pub struct ClusterAddress {
    url: Option<String>,
}

impl ClusterAddress {
    /// From the variables of the environment.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let host = variable("KUBERNETES_SERVICE_HOST").filter(|it| !it.is_empty());
        let port = variable("KUBERNETES_SERVICE_PORT").unwrap_or_else(|| "443".into());
        let url = host.map(|host| match host.contains(':') {
            true => format!("https://[{host}]:{port}"),
            false => format!("https://{host}:{port}"),
        });
        Self { url }
    }

    /// The URL of the API server and the credentials.
    ///
    /// # Errors
    /// Outside of a pod, if the settings name no server.
    pub(super) fn connection(
        &self,
        settings: &KubernetesSection,
    ) -> Result<(String, ServerConnection), String> {
        let mut connection = settings.connection.clone();
        if !settings.api_url.is_empty() {
            return Ok((settings.api_url.trim_end_matches('/').to_owned(), connection));
        }
        let Some(url) = &self.url else {
            return Err("KUBERNETES_SERVICE_HOST is not set; run in a pod, or set kubernetes.api_url".into());
        };
        if connection == ServerConnection::default() {
            connection.token_file = PathBuf::from(ACCOUNT).join("token");
            connection.ca_file = PathBuf::from(ACCOUNT).join("ca.crt");
        }
        Ok((url.clone(), connection))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(yaml: &str) -> KubernetesSection {
        yaml_serde::from_str(yaml).unwrap()
    }

    #[test]
    fn what_is_real_needs_its_flag() {
        let check = |yaml, allowed: AllowedActions, expect: bool| {
            assert_eq!(allowed.check(&settings(yaml)).is_ok(), expect, "{yaml} {allowed:?}");
        };
        let none = AllowedActions::default();
        let cordon = AllowedActions { cordon: true, delete_pod: false };
        check("{cordon_node: true}", none, true);
        check("{cordon_node: true, dry_run: false}", none, false);
        check("{cordon_node: true, dry_run: false}", cordon, true);
        check("{delete_pod: true, dry_run: false}", cordon, false);
    }

    #[test]
    fn a_pod_finds_its_server() {
        let of = |host: &'static str| {
            ClusterAddress::of(move |name| (name == "KUBERNETES_SERVICE_HOST").then(|| host.to_owned()))
        };
        let url =
            |address: ClusterAddress| address.connection(&settings("{cordon_node: true}")).map(|it| it.0);
        assert_eq!(url(of("10.0.0.1")).as_deref(), Ok("https://10.0.0.1:443"));
        assert_eq!(url(of("fd00::1")).as_deref(), Ok("https://[fd00::1]:443"));
        assert!(url(of("")).unwrap_err().contains("kubernetes.api_url"));
    }
}
