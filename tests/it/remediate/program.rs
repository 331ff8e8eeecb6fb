//! The program, started with rules; notifications for it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longest wait for what must happen.
const PATIENCE: Duration = Duration::from_secs(60);
/// Time between two looks at the metrics.
const POLL_PAUSE: Duration = Duration::from_millis(20);

pub(super) struct Program {
    child: Child,
    address: String,
    log: Receiver<String>,
}

impl Program {
    /// Starts it, and waits until it listens.
    pub(super) fn start(folder: &Path, rules: &str, flags: &[&str]) -> Self {
        let path = folder.join("rules.yaml");
        std::fs::write(&path, rules).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_hostnorm"))
            .env_clear()
            .arg("remediate")
            .arg(format!("--config.file={}", path.display()))
            .arg(format!("--storage.path={}", folder.join("outbox").display()))
            .arg("--web.listen-address=127.0.0.1:0")
            .args(flags)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (tell, log) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let mut before = String::new();
        let address = loop {
            let line = log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("does not listen: {before}"));
            if let Some((_, address)) = line.split_once("address=").filter(|_| line.contains("is listening"))
            {
                break address.trim_matches('"').to_owned();
            }
            before.push_str(&line);
        };
        Self { child, address, log }
    }

    /// The status of a notification.
    pub(super) fn post(&self, body: &str) -> u16 {
        self.ask("POST", "/api/v1/alerts", "", body).0
    }

    pub(super) fn get(&self, path: &str) -> (u16, String) {
        self.ask("GET", path, "", "")
    }

    /// Status and body of a response.
    pub(super) fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        (status, text.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    /// A sample by its name with labels.
    pub(super) fn metric(&self, name: &str) -> Option<f64> {
        let (_, page) = self.get("/metrics");
        page.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    /// Waits until something is true.
    pub(super) fn until(&self, what: &str, is_true: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_true(self) {
            assert!(start.elapsed() < PATIENCE, "not in time: {what}\n{}", self.log());
            // Each look is a connection: without a pause, tests use up the ports of the loopback device.
            std::thread::sleep(POLL_PAUSE);
        }
    }

    /// Waits until a line of the log has this text.
    pub(super) fn until_logged(&self, text: &str) {
        let mut before = String::new();
        loop {
            let line =
                self.log.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("not logged: {text}\n{before}"));
            if line.contains(text) {
                return;
            }
            before += &(line + "\n");
        }
    }

    /// The log since it was last asked for.
    pub(super) fn log(&self) -> String {
        self.log.try_iter().map(|it| it + "\n").collect()
    }

    /// Ends it as an operator does; returns its log.
    pub(super) fn stop(mut self) -> String {
        let pid = i32::try_from(self.child.id()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
        self.log.iter().map(|it| it + "\n").collect()
    }

    /// Ends it as a crash does.
    pub(super) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An alert as Alertmanager sends it.
pub(super) fn alert(fingerprint: &str, status: &str) -> String {
    alert_with(fingerprint, status, r#""node":"node-1","namespace":"shop","pod":"web-0""#, "memory used 91 %")
}

pub(super) fn alert_with(fingerprint: &str, status: &str, labels: &str, description: &str) -> String {
    format!(
        r#"{{"status":"{status}","labels":{{"alertname":"HostAnomalous","severity":"critical",{labels}}},"annotations":{{"description":"{description}","summary":"Anomaly on db-1","dashboard_url":"https://grafana/d/1"}},"startsAt":"2026-01-02T03:04:05.678Z","endsAt":"2026-01-02T03:14:05Z","generatorURL":"http://prometheus/graph?g0.expr=up","fingerprint":"{fingerprint}"}}"#
    )
}

/// A notification about alerts.
pub(super) fn notification(alerts: &[String]) -> String {
    let alerts = alerts.join(",");
    format!(
        r#"{{"version":"4","groupKey":"{{}}:{{}}","truncatedAlerts":0,"status":"firing","receiver":"remediate","groupLabels":{{}},"commonLabels":{{}},"commonAnnotations":{{}},"externalURL":"http://alertmanager:9093","alerts":[{alerts}]}}"#
    )
}
