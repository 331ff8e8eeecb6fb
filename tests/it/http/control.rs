//! The control socket from outside: the commands, who may send them, and the file.

use std::fs::Permissions;
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;

use hostnorm::control_command::{CommandRefusal, CommandResult, ControlCommand, ControlReply};
use hostnorm::duration::HumanDuration;
use hostnorm::engine::{Engine, EngineSettings};
use hostnorm::episode_pattern::OperatorVerdict;
use hostnorm::episode_text;
use hostnorm::http::{
    self, BODY_BYTES_MAX, CONTROL_CONNECTIONS_MAX, ControlClientError, ControlSocket, ControlSocketError,
};
use hostnorm::reading::{MetricLabels, Reading, Subject, SubjectKind, Timestamp};
use hostnorm::report::{Assessment, Report};
use hostnorm::sources;

use super::api::{Api, POINTS, at};
use super::client::{Answer, Client};
use super::server::{Server, Start};
use super::{PLAIN, PROBLEM, TEXT, check, until};

const TRAIN: ControlCommand = ControlCommand::Train { kind: SubjectKind::Host, hours: None };

/// Each command, and the request that stands for it.
fn commands() -> [(ControlCommand, &'static str, &'static str, &'static str); 14] {
    let (from, to) = (Timestamp(1_795_255_200.25), Timestamp(1_795_258_800.0));
    [
        (ControlCommand::Job { id: 7 }, "GET", "/api/v1/jobs/7", ""),
        (ControlCommand::Status, "GET", "/api/v1/status", ""),
        (ControlCommand::Learn { on: false }, "POST", "/api/v1/learn", r#"{"on": false}"#),
        (ControlCommand::Accept, "POST", "/api/v1/accept", ""),
        (ControlCommand::Maintenance, "GET", "/api/v1/maintenance", ""),
        (
            ControlCommand::StartMaintenance { name: "kernel".into(), duration: HumanDuration::minutes(120) },
            "POST",
            "/api/v1/maintenance/start",
            r#"{"for": "2h", "name": "kernel"}"#,
        ),
        (
            ControlCommand::SetVerdict {
                subject: Subject::Host,
                second: Timestamp(1_795_255_200.0),
                verdict: OperatorVerdict::Rejected,
            },
            "POST",
            "/api/v1/episodes/2026-11-21T10%3A00%3A00Z/reject",
            "",
        ),
        (
            ControlCommand::SetVerdict {
                subject: Subject::Container("a/b".into()),
                second: Timestamp(1_795_255_200.0),
                verdict: OperatorVerdict::Confirmed,
            },
            "POST",
            "/api/v1/episodes/2026-11-21T10%3A00%3A00Z%2Fcontainer%2Fa%2Fb/confirm",
            "",
        ),
        (ControlCommand::StopMaintenance, "POST", "/api/v1/maintenance/stop", " {} "),
        (
            ControlCommand::Forget { from, to },
            "POST",
            "/api/v1/forget",
            r#"{"from": 1795255200.25, "to": 1795258800}"#,
        ),
        (TRAIN, "POST", "/api/v1/train", "{}"),
        (ControlCommand::Promote { model: "20261128".into() }, "POST", "/api/v1/models/20261128/promote", ""),
        (
            ControlCommand::Promote { model: "a/ü ?".into() },
            "POST",
            "/api/v1/models/a%2F%C3%BC%20%3F/promote",
            "",
        ),
        (ControlCommand::Rollback, "POST", "/api/v1/models/rollback", ""),
    ]
}

fn problem(answer: &Answer) -> (u16, String) {
    assert_eq!(answer.header("content-type"), Some(PROBLEM), "{}", answer.text());
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["status"], answer.status);
    (answer.status, body["detail"].as_str().unwrap().to_owned())
}

fn ask(server: &Server, method: &str, path: &str, body: &str) -> Answer {
    let mut client = Client::at(&server.socket());
    if method == "POST" { client.post(path, body) } else { client.ask(method, path, "") }
}

#[test]
fn commands_arrive_and_their_outcomes_come_back() {
    let server = Server::with_page(1);
    let done = ControlReply { message: "done".into(), data: serde_json::json!({"points": [1, 2.5]}) };
    let outcomes: [CommandResult; 4] = [
        Ok(done),
        Err(CommandRefusal::NotFound("no model 7; see hostnorm models".into())),
        Err(CommandRefusal::Conflict("a training is under way; wait for its end".into())),
        Err(CommandRefusal::Unavailable("the loop has ended".into())),
    ];
    for (command, method, path, body) in commands() {
        for outcome in &outcomes {
            *server.outcome.lock().unwrap() = Some(outcome.clone());
            assert_eq!(http::send(&server.socket(), &command).unwrap(), *outcome);
            let answer = ask(&server, method, path, body);
            let accepted = if command == TRAIN { 202 } else { 200 };
            match outcome {
                Ok(reply) => {
                    assert_eq!(answer.status, accepted, "{path}");
                    assert_eq!(serde_json::from_slice::<ControlReply>(&answer.body).unwrap(), *reply);
                }
                Err(CommandRefusal::NotFound(reason)) => assert_eq!(problem(&answer), (404, reason.clone())),
                Err(CommandRefusal::Conflict(reason)) => assert_eq!(problem(&answer), (409, reason.clone())),
                Err(CommandRefusal::Unavailable(reason)) => {
                    assert_eq!(problem(&answer), (503, reason.clone()));
                }
            }
            let arrived = std::mem::take(&mut *server.commands.lock().unwrap());
            assert_eq!(arrived, [command.clone(), command.clone()]);
        }
    }
    server.stop();
}

#[test]
fn the_network_may_not_send_commands() {
    let server = Server::with_page(1);
    for (_, method, path, body) in commands().into_iter().filter(|it| it.1 == "POST") {
        let mut client = server.client();
        let answer = if method == "POST" { client.post(path, body) } else { client.ask(method, path, "") };
        let (status, detail) = problem(&answer);
        assert!(status == 403 && detail.contains("web.control_socket"), "{path}: {status} {detail}");
    }
    assert!(server.commands.lock().unwrap().is_empty());
    server.stop();
}

#[test]
fn a_training_takes_a_metric_and_hours_or_nothing() {
    let server = Server::with_page(1);
    *server.outcome.lock().unwrap() = Some(Ok(ControlReply::sentence("training started")));
    let check = |body: &str, expected: ControlCommand| {
        assert_eq!(ask(&server, "POST", "/api/v1/train", body).status, 202, "{body}");
        assert_eq!(server.commands.lock().unwrap().drain(..).collect::<Vec<_>>(), [expected], "{body}");
    };
    check("", TRAIN);
    let hours = Some(24.0);
    check(
        r#"{"metric": "cpu.total_usage", "hours": 24}"#,
        ControlCommand::Train { kind: SubjectKind::Host, hours },
    );
    let refused = ask(&server, "POST", "/api/v1/train", r#"{"metric": "nonsense"}"#);
    assert!(problem(&refused).1.contains("/api/v1/signals"));
    server.stop();
}

#[test]
fn a_training_takes_the_subject_whose_model_is_meant() {
    let server = Server::with_page(1);
    let assessed = [Subject::Host, Subject::Service("web".into())].map(|it| (it, Assessment::default()));
    let report = Report { assessments: assessed.into(), ..Report::default() };
    server.reports.send_replace(Some(Arc::new(report)));
    *server.outcome.lock().unwrap() = Some(Ok(ControlReply::sentence("training started")));
    for (body, kind) in [
        (r#"{"subject": "host", "metric": "cpu"}"#, SubjectKind::Host),
        (r#"{"subject": "web"}"#, SubjectKind::Service),
        (r#"{"subject": "web", "kind": "service"}"#, SubjectKind::Service),
        (r#"{"kind": "pod"}"#, SubjectKind::Pod),
    ] {
        assert_eq!(ask(&server, "POST", "/api/v1/train", body).status, 202, "{body}");
        let arrived: Vec<_> = server.commands.lock().unwrap().drain(..).collect();
        assert_eq!(arrived, [ControlCommand::Train { kind, hours: None }], "{body}");
    }
    for (body, status, says) in [
        (
            r#"{"subject": "nosuch"}"#,
            404,
            "no subject is named \"nosuch\"; /api/v1/status lists the subjects",
        ),
        (r#"{"subject": "web", "kind": "pod"}"#, 404, "no pod is named \"web\""),
        (r#"{"kind": "disk"}"#, 400, "expected host, container, log, pod or service"),
    ] {
        let (found, detail) = problem(&ask(&server, "POST", "/api/v1/train", body));
        assert!(found == status && detail.contains(says), "{body}: {found} {detail}");
    }
    assert!(server.commands.lock().unwrap().is_empty());
    server.stop();
}

#[test]
fn a_training_with_too_little_data_says_when_to_train() {
    let server = Server::with_page(1);
    let mut engine = Engine::new(sources::signals(|_| true), &EngineSettings::default());
    let mut ready_at = Timestamp::default();
    for second in 0..40 {
        let mut reading = Reading::new(Timestamp(1_795_255_200.0 + f64::from(second)));
        for metric in sources::metrics() {
            reading.host().set_by(metric, &MetricLabels::new(metric.labels.iter().copied()), 1.0);
        }
        let report = engine.step(reading);
        ready_at = report.assessments[&Subject::Host].ready_at;
    }
    let reason = engine.requested_training(SubjectKind::Host, None).unwrap_err();
    *server.outcome.lock().unwrap() = Some(Err(CommandRefusal::Conflict(reason)));
    let (status, detail) = problem(&ask(&server, "POST", "/api/v1/train", ""));
    let at = episode_text::instant(Timestamp(ready_at.0.ceil())).replace(".000Z", "Z");
    let says = format!("too little data: the warm-up is not over; the first score comes at {at}, train then");
    assert_eq!((status, detail), (409, says));
    assert!(ready_at > Timestamp(1_795_255_240.0), "{ready_at:?}");
    server.stop();
}

#[test]
fn a_time_to_forget_is_written_as_in_a_query() {
    let server = Server::with_page(1);
    *server.outcome.lock().unwrap() = Some(Ok(ControlReply::sentence("forgotten")));
    for (body, from, to) in [
        (r#"{"from": "-10s", "to": "now"}"#, 1_795_262_390.5, 1_795_262_400.5),
        (r#"{"from": "2026-11-21T10:00:00Z", "to": 1795258800}"#, 1_795_255_200.0, 1_795_258_800.0),
    ] {
        assert_eq!(ask(&server, "POST", "/api/v1/forget", body).status, 200, "{body}");
        let arrived: Vec<_> = server.commands.lock().unwrap().drain(..).collect();
        assert_eq!(arrived, [ControlCommand::Forget { from: Timestamp(from), to: Timestamp(to) }], "{body}");
    }
    server.stop();
}

#[test]
fn a_range_without_a_point_is_not_forgotten() {
    let api = Api::start();
    *api.server.outcome.lock().unwrap() = Some(Ok(ControlReply::sentence("forgotten")));
    for (from, to, status, says) in [
        (
            at(0) - 900.0,
            at(0) - 600.0,
            409,
            "no point is stored from 2026-11-21T09:45:00Z to 2026-11-21T09:50:00Z",
        ),
        (at(10) + 1.0, at(11) - 1.0, 409, "there is nothing to forget"),
        (at(POINTS), at(POINTS + 1), 400, "is in the future; nothing was learned there"),
    ] {
        let body = format!(r#"{{"from": {from}, "to": {to}}}"#);
        let (found, detail) = problem(&ask(&api.server, "POST", "/api/v1/forget", &body));
        assert!(found == status && detail.contains(says), "{body}: {found} {detail}");
    }
    // Points may be learned that are not stored yet.
    for (from, to) in [(at(10), at(10)), (at(POINTS - 1) - 1.0, at(POINTS + 9))] {
        let body = format!(r#"{{"from": {from}, "to": {to}}}"#);
        assert_eq!(ask(&api.server, "POST", "/api/v1/forget", &body).status, 200, "{body}");
    }
    assert_eq!(api.server.commands.lock().unwrap().len(), 2);
    api.server.stop();
}

#[test]
fn requests_that_are_not_commands_are_refused() {
    let server = Server::with_page(1);
    let long = format!("{{\"on\": true{}}}", " ".repeat(BODY_BYTES_MAX));
    for (path, body, status, says) in [
        ("/api/v1/learn", "", 400, r#"such as {"on": true}"#),
        ("/api/v1/learn", "{\"on\": 1}", 400, r#"such as {"on": true}"#),
        ("/api/v1/learn", "{\"on\": true, \"off\": true}", 400, "unknown field"),
        ("/api/v1/learn", r#"{"on": true, "on": false}"#, 400, "duplicate field `on`"),
        ("/api/v1/learn", " [true]", 400, "it is a list, not an object"),
        ("/api/v1/forget", "[1, 2]", 400, "it is a list, not an object"),
        ("/api/v1/forget", "\u{feff}[1, 2]", 400, "it is a list, not an object"),
        ("/api/v1/train", r#"["host"]"#, 400, "it is a list, not an object"),
        ("/api/v1/learn", &long, 413, "65536 bytes"),
        ("/api/v1/accept", &long, 413, "65536 bytes"),
        ("/api/v1/forget", r#"{"from": 1795255200}"#, 400, "missing field `to`"),
        ("/api/v1/forget", r#"{"from": 1795258800, "to": 1795255200}"#, 400, "swap"),
        ("/api/v1/forget", r#"{"from": 20261201, "to": "now"}"#, 400, "write 2026-12-01"),
        ("/api/v1/forget", r#"{"from": "now", "to": "-1h"}"#, 400, "swap"),
        ("/api/v1/forget", r#"{"from": -1e300, "to": 1e300}"#, 400, "not a time in the years 2000 to 5138"),
        ("/api/v1/forget", r#"{"from": "yesterday", "to": "now"}"#, 400, "expected -2h for two hours ago"),
        ("/api/v1/forget", r#"{"from": true, "to": "now"}"#, 400, "a number of Unix seconds or a text"),
        ("/api/v1/forget", r#"{"from": "2030-01-01", "to": "2030-01-02"}"#, 400, "is in the future"),
        ("/api/v1/accept", "garbage", 400, "expected JSON such as {}, or no body"),
        ("/api/v1/models/rollback", r#"{"model": "x"}"#, 400, "unknown field `model`"),
        ("/api/v1/models/20261128/promote", "[]", 400, "it is a list, not an object"),
        ("/api/v1/maintenance/stop", r#"{"name": "x"}"#, 400, "unknown field `name`"),
        ("/api/v1/episodes/2026-11-21T10:00:00Z/reject", "1", 400, "the body is malformed"),
        ("/api/v1/maintenance/start", r#"{"for": "2 hours"}"#, 400, r#"such as {"for": "2h""#),
        ("/api/v1/maintenance/start", r#"{"for": "8d"}"#, 400, "expected 1m to 7d"),
        ("/api/v1/maintenance/start", r#"{"for": "1h", "name": ""}"#, 400, "not a valid name for a window"),
        ("/api/v1/episodes/yesterday/reject", "", 400, "such as 2026-11-28T19:04:05Z"),
        ("/api/v1/models//promote", "", 404, "/api/v1/openapi.json describes the API"),
        ("/api/v1/models/%ff/promote", "", 404, "/api/v1/openapi.json describes the API"),
        ("/api/v2/status", "", 404, "/api/v1/openapi.json describes the API"),
        ("/nothing", "", 404, "metrics are at /metrics, and /api/v1/openapi.json describes the API"),
        ("/api/v1/status", "", 405, "GET, HEAD"),
        ("/-/reload", "", 403, "web.enable_lifecycle"),
    ] {
        let (found, detail) = problem(&ask(&server, "POST", path, body));
        assert!(found == status && detail.contains(says), "{path} {body:.40}: {found} {detail}");
    }
    let refusal = ask(&server, "GET", "/api/v1/learn", "");
    assert_eq!((refusal.status, refusal.header("allow")), (405, Some("POST")));
    assert!(server.commands.lock().unwrap().is_empty());
    server.stop();
}

#[test]
fn the_socket_serves_what_the_network_is_served() {
    let server = Server::with_page(1);
    let mut client = Client::at(&server.socket());
    check(&mut client, ("GET", "/metrics", ""), 200, TEXT);
    check(&mut client, ("GET", "/-/healthy", ""), 200, PLAIN);
    check(&mut client, ("HEAD", "/-/ready", ""), 200, PLAIN);
    let open: Vec<_> = (0..2 * CONTROL_CONNECTIONS_MAX).map(|_| Client::at(&server.socket())).collect();
    check(&mut Client::at(&server.socket()), ("GET", "/-/healthy", ""), 200, PLAIN);
    drop(open);
    server.stop();
}

#[test]
fn a_command_under_way_is_not_cut_off_by_newcomers() {
    let server = Server::with_page(1);
    let (socket, commands) = (server.socket(), Arc::clone(&server.commands));
    let mut waiting = Client::at(&socket);
    waiting.send("POST /api/v1/train HTTP/1.1\r\nHost: here\r\n\r\n");
    until("the command arrives", || !commands.lock().unwrap().is_empty());
    let mut open: Vec<_> = (0..2 * CONTROL_CONNECTIONS_MAX).map(|_| Client::at(&socket)).collect();
    for client in &mut open[CONTROL_CONNECTIONS_MAX + 1..] {
        check(client, ("GET", "/-/healthy", ""), 200, PLAIN);
    }
    assert!(open[0].is_closed());
    waiting.stream.set_nonblocking(true).unwrap();
    let pending = waiting.stream.read(&mut [0; 1]).unwrap_err();
    assert_eq!(pending.kind(), ErrorKind::WouldBlock, "still open");
    drop(waiting);
    server.stop();
}

fn bind(path: &Path) -> Result<ControlSocket, ControlSocketError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(ControlSocket::bind(path))
}

#[test]
fn the_file_of_the_socket() {
    let server = Server::with_page(1);
    let path = server.socket();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let refusal = bind(&path).unwrap_err().to_string();
    assert!(refusal.contains("another hostnorm listens there"), "{refusal}");
    ask(&server, "GET", "/-/healthy", "");

    let directory = tempfile::tempdir().unwrap();
    let stale = directory.path().join("deep/er/stale.sock");
    drop(bind(&stale).unwrap());
    assert!(!stale.exists(), "removed at the end");
    drop(UnixListener::bind(&stale).unwrap());
    assert!(stale.exists() && UnixStream::connect(&stale).is_err());
    let socket = bind(&stale).unwrap();
    assert!(UnixStream::connect(&stale).is_ok(), "the socket of a dead process is replaced");
    std::fs::remove_file(&stale).unwrap();
    std::fs::write(&stale, "mine").unwrap();
    drop(socket);
    assert_eq!(std::fs::read(&stale).unwrap(), b"mine", "only our own file is removed");
    let refusal = bind(&stale).unwrap_err().to_string();
    assert!(refusal.contains("not a socket"), "{refusal}");
    let refusal = bind(&directory.path().join("x".repeat(200))).unwrap_err().to_string();
    assert!(refusal.contains("web.control_socket"), "{refusal}");
    drop(server.stop);
    until("the socket goes with the server", || !path.exists());
    server.thread.join().unwrap();
}

#[test]
fn a_removed_socket_is_made_again() {
    let server = Server::start(Start { hasty: true, ..Start::default() });
    let path = server.socket();
    let directory = path.parent().unwrap().to_owned();
    for _ in 0..2 {
        std::fs::remove_dir_all(&directory).unwrap();
        until("clients find it again", || UnixStream::connect(&path).is_ok());
    }
    server.stop();
}

#[test]
fn the_client_tells_why_nobody_answers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nobody.sock");
    assert!(matches!(http::send(&path, &ControlCommand::Status), Err(ControlClientError::NotRunning(_))));
    let listener = UnixListener::bind(&path).unwrap();
    let silent = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let failed = http::send(&path, &ControlCommand::Status).unwrap_err();
    assert!(matches!(failed, ControlClientError::Failed { .. }), "{failed}");
    silent.join().unwrap();
    let locked = directory.path().join("locked.sock");
    let _listener = UnixListener::bind(&locked).unwrap();
    std::fs::set_permissions(&locked, Permissions::from_mode(0o000)).unwrap();
    // Root can connect nevertheless, and would wait for the response.
    if UnixStream::connect(&locked).is_err() {
        let denied = http::send(&locked, &ControlCommand::Status).unwrap_err();
        assert!(matches!(denied, ControlClientError::PermissionDenied(_)), "{denied}");
    }
    let stale = http::send(&path, &ControlCommand::Status).unwrap_err();
    assert!(
        matches!(stale, ControlClientError::NotRunning(_)) && stale.to_string().contains("nobody.sock"),
        "{stale}"
    );
}
