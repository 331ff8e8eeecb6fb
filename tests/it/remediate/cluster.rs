//! Actions on a loopback server that answers as the API server of Kubernetes does.

use serde_json::json;

use super::program::{Program, alert, alert_with, notification};
use super::rendered_alerts;
use super::server::{Answer, Request, Server};

const POD: &str = r#"{"metadata":{"name":"web-0","uid":"u-1","creationTimestamp":"2026-01-01T00:00:00Z"}}"#;

fn start(folder: &std::path::Path, server: &Server, options: &str, flags: &[&str]) -> Program {
    let rules = format!(
        "retry: {{initial: 10ms, max: 10ms}}\nrules:\n- name: cluster\n  actions:\n  - kubernetes: {{api_url: '{}', {options}}}\n",
        server.url
    );
    Program::start(folder, &rules, flags)
}

fn answer(request: &Request) -> Answer {
    match request.first.split(' ').next().unwrap() {
        "POST" => Answer::json(201, "{}"),
        "PATCH" => Answer::json(200, r#"{"metadata":{"uid":"n-1"}}"#),
        _ => Answer::json(200, POD),
    }
}

fn done(program: &Program, what: &str, count: f64) {
    let name = format!("hostnorm_remediate_actions_{what}_total{{action=\"kubernetes\"}}");
    program.until(what, |it| it.metric(&name) == Some(count));
}

#[test]
fn a_dry_run_asks_the_server_without_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::scripted(answer);
    let program = start(folder.path(), &server, "cordon_node: true", &["--kubernetes.allow-cordon"]);
    program.post(&notification(&[alert("c0ffee", "firing")]));
    done(&program, "sent", 1.0);
    let asked = server.all();
    let firsts: Vec<_> = asked.iter().map(|it| it.first.as_str()).collect();
    let expect =
        ["PATCH /api/v1/nodes/node-1?dryRun=All", "POST /api/v1/namespaces/default/events?dryRun=All"];
    assert_eq!(firsts, expect);
    assert_eq!(asked[0].json(), json!({"spec": {"unschedulable": true}}));
    assert!(program.stop().contains("dry run: cordoning node node-1"));
}

#[test]
fn a_node_is_cordoned_with_an_event() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::scripted(answer);
    let options = "cordon_node: true, dry_run: false";
    let program = start(folder.path(), &server, options, &["--kubernetes.allow-cordon"]);
    program.post(&notification(&[alert("c0ffee", "firing"), alert("beef", "resolved")]));
    done(&program, "sent", 1.0);
    let asked = server.all();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert_eq!(asked[0].first, "PATCH /api/v1/nodes/node-1");
    let event = asked[1].json();
    assert_eq!(event["involvedObject"]["uid"], "n-1");
    assert_eq!(event["reason"], "HostnormCordon");
    assert!(event["message"].as_str().unwrap().contains("because of memory used 91 %"), "{event}");
}

#[test]
fn a_pod_is_deleted_by_its_identity() {
    let folder = tempfile::tempdir().unwrap();
    // The response to the first deletion is lost; then another pod has the name.
    let mut deleted = false;
    let server = Server::scripted(move |request| match request.first.split(' ').next().unwrap() {
        "DELETE" => {
            deleted = true;
            Answer::Lost
        }
        "GET" if deleted => Answer::json(200, POD.replace("u-1", "u-2")),
        _ => answer(request),
    });
    let options = "delete_pod: true, dry_run: false";
    let program = start(folder.path(), &server, options, &["--kubernetes.allow-delete-pod"]);
    program.post(&notification(&[alert("c0ffee", "firing")]));
    done(&program, "sent", 1.0);
    let asked = server.all();
    let deletions: Vec<_> = asked.iter().filter(|it| it.first.starts_with("DELETE")).collect();
    assert_eq!(deletions.len(), 1);
    assert_eq!(deletions[0].first, "DELETE /api/v1/namespaces/shop/pods/web-0");
    assert_eq!(deletions[0].json()["preconditions"]["uid"], "u-1");
}

#[test]
fn the_alert_of_the_example_names_its_pod() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::scripted(answer);
    let options = "delete_pod: true, dry_run: false, namespaces: [shop]";
    let program = start(folder.path(), &server, options, &["--kubernetes.allow-delete-pod"]);
    program.post(&notification(&rendered_alerts("examples.yml", "PodAnomalousAndFailing")));
    done(&program, "sent", 1.0);
    let asked = server.all();
    let deletions: Vec<_> = asked.iter().map(|it| &it.first).filter(|it| it.starts_with("DELETE")).collect();
    assert_eq!(deletions, ["DELETE /api/v1/namespaces/shop/pods/web-0"]);
}

#[test]
fn a_dry_run_deletes_no_pod() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::scripted(answer);
    let program = start(folder.path(), &server, "delete_pod: true", &[]);
    program.post(&notification(&[alert("c0ffee", "firing")]));
    done(&program, "sent", 1.0);
    let asked = server.all();
    let deletion = asked.iter().find(|it| it.first.starts_with("DELETE")).unwrap();
    // The API server reads the options from the body, and then ignores the query.
    assert_eq!(deletion.json()["dryRun"], json!(["All"]));
    assert!(deletion.first.ends_with("?dryRun=All"), "{}", deletion.first);
}

#[test]
fn a_pod_that_is_younger_than_the_alert_stays() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::scripted(|_| Answer::json(200, POD.replace("2026-01-01", "2026-01-03")));
    let options = "delete_pod: true, dry_run: false";
    let program = start(folder.path(), &server, options, &["--kubernetes.allow-delete-pod"]);
    program.post(&notification(&[alert("c0ffee", "firing")]));
    done(&program, "sent", 1.0);
    assert!(server.all().iter().all(|it| it.first.starts_with("GET")));
}

#[test]
fn pods_of_the_system_are_never_touched() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::scripted(answer);
    let options = "delete_pod: true, dry_run: false, namespaces: [kube-system]";
    let program = start(folder.path(), &server, options, &["--kubernetes.allow-delete-pod"]);
    let labels = r#""namespace":"kube-system","pod":"web-0""#;
    program.post(&notification(&[alert_with("c0ffee", "firing", labels, "x")]));
    done(&program, "dropped", 1.0);
    assert!(!server.has_more());
    assert!(program.stop().contains("pods of kube-system are never deleted"));
}

#[test]
fn the_limit_an_hour_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::scripted(answer);
    let options = "cordon_node: true, dry_run: false, per_hour: 2";
    let flags = ["--kubernetes.allow-cordon"];
    let program = start(folder.path(), &server, options, &flags);
    program.post(&notification(&["a", "b", "c"].map(|it| alert(it, "firing"))));
    done(&program, "sent", 2.0);
    done(&program, "dropped", 1.0);
    program.kill();
    let program = start(folder.path(), &server, options, &flags);
    program.post(&notification(&[alert("d", "firing")]));
    done(&program, "dropped", 1.0);
    let patches = server.all().iter().filter(|it| it.first.starts_with("PATCH")).count();
    assert_eq!(patches, 2);
}
