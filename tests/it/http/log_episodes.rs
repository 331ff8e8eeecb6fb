//! Episodes of logs from outside: the same description everywhere, their templates, what began at the same time, and
//! nothing of the lines themselves.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use hostnorm::episode_text;
use hostnorm::log_stream::{LogSeverity, LogStream};
use hostnorm::reading::{Reading, Subject, Timestamp};
use hostnorm::report::{
    Assessment, Episode, EpisodeTemplate, EpisodeTransition, Report, ScoreDetails, TEMPLATE_BYTES_MAX,
    TEMPLATES_MAX,
};
use hostnorm::store::StoreReader;
use hostnorm::telemetry::EventLogger;
use serde_json::{Value, json};

use super::server::{Server, Start};

/// 2026-11-21T10:00:00Z.
const START: f64 = 1_795_255_200.0;
/// Seconds by which the log is anomalous after the host.
const LATER: f64 = 30.0;
const HOST: &str = "2026-11-21T10%3A00%3A00Z";
const LOG: &str = "2026-11-21T10%3A00%3A30Z%2Flog%2Fnginx";
const SENTENCE: &str = "Anomaly on log nginx: errors 12/s (expected 0.1/s, range 0–1.3/s)";

fn nginx() -> Subject {
    Subject::Log("nginx".into())
}

/// An assessment in an episode that began at this time, with its first reading.
fn assessment(since: f64, description: &str, templates: &[EpisodeTemplate]) -> Assessment {
    Assessment {
        ready: true,
        details: Some(ScoreDetails { score: 3.0, instant_score: 3.0, ..ScoreDetails::default() }),
        episode: Some(Episode { since: Timestamp(since), peak: 3.0, lasted: 0.0 }),
        transition: Some(EpisodeTransition::Started),
        description: Some(description.into()),
        templates: templates.into(),
        templates_are_new: !templates.is_empty(),
        ..Assessment::default()
    }
}

/// What the loop makes of these templates: the host is anomalous, and half a minute later the log is.
fn incident(templates: &[EpisodeTemplate]) -> [Report; 2] {
    let host = assessment(START, "Anomaly on host: CPU usage 97 %", &[]);
    let sentence = episode_text::with_templates(SENTENCE, templates);
    let log = assessment(START + LATER, &sentence, templates);
    let still = Assessment { transition: None, ..host.clone() };
    let report = |at: f64, assessments| Report {
        reading: Arc::new(Reading::new(Timestamp(at))),
        assessments,
        ..Report::default()
    };
    [
        report(START, [(Subject::Host, host)].into()),
        report(START + LATER, [(Subject::Host, still), (nginx(), log)].into()),
    ]
}

#[derive(Clone, Default)]
struct EpisodeLog(Arc<Mutex<Vec<u8>>>);

impl Write for EpisodeLog {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The incident as everybody sees it.
struct Shown {
    /// Metrics, API, pages and hostnorm's own log, each with its name.
    texts: Vec<(&'static str, String)>,
    /// All files of the store.
    store: Vec<u8>,
}

impl Shown {
    fn of(templates: &[EpisodeTemplate]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut store = crate::store::open(directory.path());
        let reports = incident(templates);
        let log = EpisodeLog::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            let mut event_log = EventLogger::default();
            for report in &reports {
                store.append(report);
                event_log.log(&Arc::new(report.clone()));
            }
        });
        store.close();
        let now = || Timestamp(START + LATER);
        let server =
            Server::start(Start { now, store: Some(directory.path().to_owned()), ..Start::default() });
        let [_, newest] = reports;
        server.reports.send_replace(Some(Arc::new(newest)));
        let ask = |path: &str| {
            let answer = server.client().ask("GET", path, "");
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            answer.text().to_owned()
        };
        let mut texts = vec![
            ("metrics", ask("/metrics")),
            ("detect", ask("/api/v1/detect?kind=log&subject=nginx")),
            ("episodes", ask("/api/v1/episodes")),
            ("episode of the log", ask(&format!("/api/v1/episodes/{LOG}"))),
            ("episode of the host", ask(&format!("/api/v1/episodes/{HOST}"))),
            ("explain", ask("/api/v1/explain")),
            ("page", ask("/?kind=log&subject=nginx")),
            ("page of the log", ask(&format!("/episodes/{LOG}"))),
            ("page of the host", ask(&format!("/episodes/{HOST}"))),
        ];
        server.stop();
        texts.push(("log", String::from_utf8(log.0.lock().unwrap().clone()).unwrap()));
        Self { texts, store: files(directory.path()) }
    }

    fn text(&self, name: &str) -> &str {
        &self.texts.iter().find(|it| it.0 == name).unwrap().1
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_str(self.text(name)).unwrap()
    }
}

fn files(directory: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(directory).unwrap();
    files.flat_map(|it| std::fs::read(it.unwrap().path()).unwrap_or_default()).collect()
}

fn timed_out() -> EpisodeTemplate {
    EpisodeTemplate::new("upstream <*> timed out", true).unwrap()
}

#[test]
fn the_template_is_in_the_sentence_everywhere() {
    let shown = Shown::of(&[timed_out(), EpisodeTemplate::new("GET <*>", false).unwrap()]);
    let sentence = format!("{SENTENCE}; new template `upstream <*> timed out`");
    for (name, text) in &shown.texts {
        let text = text.replace("&lt;", "<").replace("&gt;", ">");
        // A stranger to the episode has only its own.
        assert!(text.contains(&sentence), "{name}: {text}");
    }
    assert_eq!(
        shown.json("episode of the log")["explanation"]["templates"],
        json!([{"text": "upstream <*> timed out", "is_new": true}, {"text": "GET <*>", "is_new": false}])
    );
    assert!(shown.text("page of the log").contains("more often than usual"));
}

#[test]
fn host_and_log_list_each_other() {
    let shown = Shown::of(&[timed_out()]);
    let nearby = |name: &str| {
        let it = &shown.json(name)["explanation"]["nearby"];
        (it[0]["id"].clone(), it[0]["seconds_later"].clone(), it.as_array().unwrap().len())
    };
    let log_id = json!("2026-11-21T10:00:30Z/log/nginx");
    assert_eq!(nearby("episode of the host"), (log_id, json!(LATER), 1));
    assert_eq!(nearby("episode of the log"), (json!("2026-11-21T10:00:00Z"), json!(-LATER), 1));
    let link = |id: &str| format!("href=\"../episodes/{}\"", id.replace('-', "%2D"));
    assert!(shown.text("page of the host").contains(&link(LOG)), "{}", shown.text("page of the host"));
    assert!(shown.text("page of the log").contains(&link(HOST)));
    let explained = shown.json("explain");
    assert_eq!(explained["subjects"].as_array().unwrap().len(), 2, "{explained}");
}

#[test]
fn the_store_keeps_the_templates_of_an_open_episode() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = crate::store::open(directory.path());
    for report in &incident(&[timed_out()]) {
        store.append(report);
    }
    store.close();
    let reader = StoreReader::open(directory.path()).unwrap();
    let open = reader.open_episodes().unwrap();
    let templates: Vec<_> = open.iter().map(|it| (it.subject.as_str(), it.templates.clone())).collect();
    assert_eq!(templates, [("host", Vec::new()), ("nginx", vec![timed_out()])]);
}

/// Secrets, and lines that have them.
const SECRETS: &[(&str, &str)] = &[
    ("hunter2Xy", "login failed for user 'bob' password=hunter2Xy from 203.0.113.77"),
    (
        "eyJhbGciOiJIUzI1NiJ9",
        "refused token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    ),
    ("alice.cooper@example.org", "bounced mail to alice.cooper@example.org after 3 tries"),
    ("203.0.113.77", "connection from 203.0.113.77:51234 reset"),
    ("2001:db8:85a3::8a2e", "connection from 2001:db8:85a3::8a2e:370:7334 reset"),
    ("Margarethe Quux", "no record of \"Margarethe Quux\" in table patients"),
    ("payroll-2031.xlsx", "cannot open /srv/share/hr/payroll-2031.xlsx: permission denied"),
    ("AKIAIOSFODNN7EXAMPLE", "aws_access_key_id=AKIAIOSFODNN7EXAMPLE rejected"),
    ("550e8400-e29b-41d4-a716-446655440000", "session 550e8400-e29b-41d4-a716-446655440000 expired"),
    ("deadbeefcafebabe0123", "digest deadbeefcafebabe0123 differs"),
    ("4111111111111111", "card 4111111111111111 declined"),
    ("s3cr3tBearer99", "Authorization: Bearer s3cr3tBearer99"),
];

/// The templates of a log in which this line suddenly comes often.
fn templates_of(line: &str) -> Vec<EpisodeTemplate> {
    let stream = LogStream::new("nginx");
    let usual = (0..600).map(|_| ("GET /index.html 200", None));
    let burst = (0..20).map(|_| (line, Some(LogSeverity::Error)));
    for (idx, (line, severity)) in usual.chain(burst).enumerate() {
        stream.line(line.as_bytes(), severity, Timestamp(START - 620.0 + idx as f64));
    }
    let notable = stream.notable_templates();
    notable.iter().filter_map(|it| EpisodeTemplate::new(&it.text, it.is_new)).collect()
}

#[test]
fn no_secret_of_a_line_appears_anywhere() {
    let templates: Vec<EpisodeTemplate> = SECRETS.iter().flat_map(|(_, line)| templates_of(line)).collect();
    assert!(templates.iter().all(|it| it.text.len() <= TEMPLATE_BYTES_MAX), "{templates:?}");
    for kept in templates.chunks(TEMPLATES_MAX) {
        let shown = Shown::of(kept);
        for (secret, _) in SECRETS {
            for (name, text) in &shown.texts {
                assert!(!text.contains(secret), "{secret} in {name}: {kept:?}");
            }
            let is_there = shown.store.windows(secret.len()).any(|it| it == secret.as_bytes());
            assert!(!is_there, "{secret} in the store: {kept:?}");
        }
    }
}
