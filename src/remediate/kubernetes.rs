//! Cordons a node or deletes a pod by the API of Kubernetes. Nothing else is ever asked of it.
//!
//! Each is behind a flag of the command line, is a dry run unless the rules say otherwise, and has a limit an hour that a
//! restart does not reset. Pods of the system are never touched. What was done is told by an event.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::action_outcome::ActionOutcome;
use super::cluster_access::ClusterAddress;
use super::outbox::{ClaimedAction, Outbox};
use super::plan::{ActionInput, hash};
use super::rules_file::KubernetesSection;
use super::webhook::client_options;
use crate::reading::Timestamp;
use crate::remote::{RemoteClient, RemoteResponse};

/// Namespaces whose pods are never deleted.
const PROTECTED: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];
/// Seconds after which an action is not done any more: the cluster has changed since then.
const AGE_SECONDS_MAX: f64 = 15.0 * 60.0;
/// Longest name of an object.
const NAME_BYTES_MAX: usize = 253;
/// Longest text of an event; Kubernetes takes 1,024 bytes.
const EVENT_BYTES_MAX: usize = 900;

/// Does an action, or finds out whether the API server would.
pub(super) fn send(
    (action, settings): (&str, &KubernetesSection),
    cluster: &ClusterAddress,
    outbox: &Outbox,
    row: &ClaimedAction,
    payload: &ActionInput,
    now: Timestamp,
) -> ActionOutcome {
    let target = match KubernetesTarget::of(settings, &payload.alert.labels) {
        Ok(target) => target,
        Err(reason) => return ActionOutcome::Drop(reason),
    };
    if now.0 - row.created_at > AGE_SECONDS_MAX {
        return ActionOutcome::Drop(format!("{target} was asked for more than 15 minutes ago"));
    }
    match outbox.take_permit(action, &row.key, settings.per_hour, now.0) {
        Ok(true) => {}
        Ok(false) => {
            let most = settings.per_hour;
            return ActionOutcome::Drop(format!("{target} would exceed the limit of {most} an hour"));
        }
        Err(error) => return ActionOutcome::Retry(error.to_string()),
    }
    let connected = cluster.connection(settings).and_then(|(url, connection)| {
        RemoteClient::new(&connection, client_options())
            .map(|client| (url, client))
            .map_err(|it| it.to_string())
    });
    let (url, client) = match connected {
        Ok(connected) => connected,
        Err(reason) => return ActionOutcome::Retry(reason),
    };
    let api = ClusterApi { url, client, is_dry: settings.dry_run };
    match target.act(&api, outbox, row, payload, now) {
        Ok(text) => ActionOutcome::Done(text),
        Err(outcome) => outcome,
    }
}

/// What an action is about. Its names are those of Kubernetes, so that they can stand in a path.
#[derive(Debug, PartialEq, Eq)]
enum KubernetesTarget {
    Node(String),
    Pod { namespace: String, name: String },
}

impl std::fmt::Display for KubernetesTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Node(name) => write!(f, "cordoning node {name}"),
            Self::Pod { namespace, name } => write!(f, "deleting pod {namespace}/{name}"),
        }
    }
}

impl KubernetesTarget {
    fn of(settings: &KubernetesSection, labels: &BTreeMap<String, String>) -> Result<Self, String> {
        let named = |label: &str| match labels.get(label) {
            Some(value) if is_name(value) => Ok(value.clone()),
            Some(_) => Err(format!("the label {label} is not a name of Kubernetes")),
            None => Err(format!("the alert has no label {label}")),
        };
        if settings.cordon_node {
            return named(&settings.node_label).map(Self::Node);
        }
        let (namespace, name) = (named("namespace")?, named("pod")?);
        if PROTECTED.contains(&namespace.as_str()) {
            return Err(format!("pods of {namespace} are never deleted"));
        }
        if !settings.namespaces.is_empty() && !settings.namespaces.contains(&namespace) {
            return Err(format!("the namespace {namespace} is not in kubernetes.namespaces"));
        }
        Ok(Self::Pod { namespace, name })
    }

    fn act(
        &self,
        api: &ClusterApi,
        outbox: &Outbox,
        row: &ClaimedAction,
        payload: &ActionInput,
        now: Timestamp,
    ) -> Result<String, ActionOutcome> {
        let uid = match self {
            Self::Node(name) => {
                let change = json!({"spec": {"unschedulable": true}});
                let node = api.ask("PATCH", &format!("/api/v1/nodes/{name}"), Some(&change))?;
                node["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
            }
            Self::Pod { namespace, name } => {
                let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
                match self.delete(api, &path, outbox, row, payload)? {
                    Some(uid) => uid,
                    None => return Ok(format!("{self}: it was replaced already")),
                }
            }
        };
        let event = self.event(&uid, row, payload, now, api.is_dry);
        let namespace = match self {
            Self::Node(_) => "default",
            Self::Pod { namespace, .. } => namespace,
        };
        let path = format!("/api/v1/namespaces/{namespace}/events");
        let told = api.request("POST", &path, Some(&event))?;
        // An earlier attempt may have told it already.
        if !told.is_success() && told.status != 409 {
            tracing::warn!(
                status = told.status,
                reason = told.excerpt(),
                "an event of Kubernetes was not written"
            );
        }
        Ok(if api.is_dry { format!("dry run: {self}") } else { self.to_string() })
    }

    /// Deletes a pod; `None` if it is gone, or another one of this name has taken its place.
    fn delete(
        &self,
        api: &ClusterApi,
        path: &str,
        outbox: &Outbox,
        row: &ClaimedAction,
        payload: &ActionInput,
    ) -> Result<Option<String>, ActionOutcome> {
        let found = api.request("GET", path, None)?;
        if found.status == 404 {
            return Ok(None);
        }
        let pod = api.read(&found)?;
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let created_at = pod["metadata"]["creationTimestamp"].as_str().unwrap_or_default();
        let is_other = !row.memo.is_empty() && row.memo != uid;
        if uid.is_empty() || is_other || is_later(created_at, &payload.alert.starts_at) {
            return Ok(None);
        }
        outbox.set_memo(row.id, &uid)?;
        let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}});
        if api.is_dry {
            // With a body, the API server ignores the query, and would delete the pod.
            options["dryRun"] = json!(["All"]);
        }
        let deleted = api.request("DELETE", path, Some(&options))?;
        match deleted.status {
            // It is gone, or was replaced meanwhile.
            404 | 409 => Ok(None),
            _ => api.read(&deleted).map(|_| Some(uid)),
        }
    }

    fn event(
        &self,
        uid: &str,
        row: &ClaimedAction,
        payload: &ActionInput,
        now: Timestamp,
        is_dry: bool,
    ) -> Value {
        let (kind, reason, namespace, name) = match self {
            Self::Node(name) => ("Node", "HostnormCordon", "", name),
            Self::Pod { namespace, name } => ("Pod", "HostnormDeletePod", namespace.as_str(), name),
        };
        let time = jiff::Timestamp::from_second(now.0 as i64).map(|it| it.to_string()).unwrap_or_default();
        let mut message = format!(
            "{}{self} by rule {}, because of {}",
            if is_dry { "dry run: " } else { "" },
            payload.rule,
            payload.alert.sentence()
        );
        message.truncate(message.floor_char_boundary(EVENT_BYTES_MAX));
        let involved =
            json!({"apiVersion": "v1", "kind": kind, "name": name, "namespace": namespace, "uid": uid});
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": format!("hostnorm.{:016x}", hash(&row.key)),
                "namespace": if namespace.is_empty() { "default" } else { namespace },
            },
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "type": "Warning",
            "count": 1,
            "firstTimestamp": time,
            "lastTimestamp": time,
            "source": {"component": "hostnorm-remediate"},
        })
    }
}

/// Whether one time in RFC 3339 is after another; if either is malformed, it is not.
fn is_later(time: &str, than: &str) -> bool {
    let parse = |it: &str| it.parse::<jiff::Timestamp>().ok();
    parse(time).zip(parse(than)).is_some_and(|(time, than)| time > than)
}

/// Whether this is a name of Kubernetes, a subdomain of RFC 1123.
fn is_name(name: &str) -> bool {
    let is_inner = |it: u8| it.is_ascii_lowercase() || it.is_ascii_digit();
    let part =
        |it: &str| it.bytes().next().is_some_and(is_inner) && it.bytes().next_back().is_some_and(is_inner);
    name.len() <= NAME_BYTES_MAX
        && name.split('.').all(part)
        && name.bytes().all(|it| is_inner(it) || matches!(it, b'-' | b'.'))
}

/// Requests to the API server.
struct ClusterApi {
    url: String,
    client: RemoteClient,
    is_dry: bool,
}

impl ClusterApi {
    fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Result<RemoteResponse, ActionOutcome> {
        let dry = if self.is_dry && method != "GET" { "?dryRun=All" } else { "" };
        let url = format!("{}{path}{dry}", self.url);
        let content_type = match method {
            "PATCH" => "application/strategic-merge-patch+json",
            _ => "application/json",
        };
        let headers = [("accept", "application/json"), ("content-type", content_type)];
        let body = body.map(Value::to_string).unwrap_or_default();
        self.client
            .send(method, &url, &headers, body.as_bytes())
            .map_err(|error| ActionOutcome::of_error(&error, "the API server was not reached"))
    }

    fn read(&self, response: &RemoteResponse) -> Result<Value, ActionOutcome> {
        if response.status == 404 {
            return Err(ActionOutcome::Drop("the API server does not know the object".into()));
        }
        if !response.is_success() {
            return Err(ActionOutcome::of_refusal(response, "the API server refused"));
        }
        serde_json::from_slice(&response.body).map_err(|error| {
            ActionOutcome::Retry(format!("the response of the API server is not JSON: {error}"))
        })
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, ActionOutcome> {
        self.read(&self.request(method, path, body)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn settings(yaml: &str) -> KubernetesSection {
        yaml_serde::from_str(yaml).unwrap()
    }

    fn target(yaml: &str, labels: &[(&str, &str)]) -> Result<KubernetesTarget, String> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        KubernetesTarget::of(&settings(yaml), &labels)
    }

    #[test]
    fn pods_of_the_system_are_never_touched() {
        for namespace in PROTECTED {
            let found = target("{delete_pod: true}", &[("namespace", namespace), ("pod", "p")]);
            assert_eq!(found, Err(format!("pods of {namespace} are never deleted")));
            // Not even if the rules name it.
            let yaml = format!("{{delete_pod: true, namespaces: [{namespace}]}}");
            assert!(target(&yaml, &[("namespace", namespace), ("pod", "p")]).is_err());
        }
    }

    #[test]
    fn labels_name_the_target() {
        let check = |yaml, labels: &[(&str, &str)], expect: &str| {
            let found = match target(yaml, labels) {
                Ok(target) => target.to_string(),
                Err(reason) => reason,
            };
            assert_eq!(found, expect);
        };
        let pod = "{delete_pod: true, namespaces: [shop]}";
        check(pod, &[("namespace", "shop"), ("pod", "web-0")], "deleting pod shop/web-0");
        check(
            pod,
            &[("namespace", "other"), ("pod", "web-0")],
            "the namespace other is not in kubernetes.namespaces",
        );
        check(pod, &[("namespace", "shop")], "the alert has no label pod");
        check(pod, &[("namespace", "shop"), ("pod", "../x")], "the label pod is not a name of Kubernetes");
        check("{cordon_node: true}", &[("node", "n1.example")], "cordoning node n1.example");
        check("{cordon_node: true, node_label: instance}", &[("instance", "n1")], "cordoning node n1");
    }

    #[test]
    fn times_are_compared() {
        assert!(is_later("2026-01-02T03:04:06Z", "2026-01-02T03:04:05.9Z"));
        assert!(!is_later("2026-01-02T03:04:05Z", "2026-01-02T05:04:06+02:00"));
        assert!(is_later("2026-01-02T03:04:05Z", "2026-01-02T05:04:04+02:00"));
        assert!(!is_later("", "2026-01-02T03:04:05Z"));
    }

    proptest! {
        #[test]
        fn a_name_stays_in_its_segment(name in "[a-z0-9./%?# A-Z-]{0,12}") {
            if is_name(&name) {
                let is_plain = name.bytes().all(|it| it.is_ascii_alphanumeric() || b"-.".contains(&it));
                prop_assert!(is_plain && !name.contains("..") && !name.starts_with('.'));
            }
        }
    }
}
