//! The description of an episode, from the engine to every place that shows it: created once, renewed rarely, gone at
//! the end, bounded.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hostnorm::engine::{Engine, EngineSettings};
use hostnorm::episode_text::DESCRIPTION_MAX;
use hostnorm::http::{ExpositionOptions, MetricsFormat, RenderedReport};
use hostnorm::metric::Metric;
use hostnorm::reading::{Reading, Subject, SubjectKind, Timestamp};
use hostnorm::report::{Assessment, Episode, Report};
use hostnorm::signal::{Signal, SignalUnit};
use hostnorm::store::{StoreReader, TimeRange};
use hostnorm::telemetry::EventLogger;

const START: f64 = 1_795_255_200.0;
const ONSET: f64 = 1_000.0;
const END: f64 = 2_500.0;

static BUSY: Metric = Metric::gauge("busy_ratio", "Share of time busy");
static USED: Metric = Metric::gauge("used_ratio", "Share of memory used");

const fn ratio(
    name: &'static str,
    title: &'static str,
    of: fn(&hostnorm::signal::ReadingPair<'_>) -> Option<f64>,
) -> Signal {
    Signal {
        kind: SubjectKind::Host,
        name,
        title,
        help: name,
        unit: SignalUnit::Ratio,
        floor: 0.05,
        device: None,
        formula: of,
    }
}

static SIGNALS: [Signal; 2] = [
    ratio("busy_ratio", "CPU usage", |it| it.level(&BUSY)),
    ratio("used_ratio", "memory used", |it| it.level(&USED)),
];

/// A host whose CPU usage jumps and then rises slowly, so that each description differs.
fn reading(t: f64) -> Reading {
    let mut reading = Reading::new(Timestamp(START + t));
    let noise = (t * 0.7).sin() * 0.02;
    let fault = if (ONSET..END).contains(&t) { 0.5 + (t - ONSET) / 10_000.0 } else { 0.0 };
    reading.host().set(&BUSY, 0.1 + noise + fault);
    reading.host().set(&USED, 0.4 + noise / 2.0);
    reading
}

/// The labels `episode` and `description` of each series of `anomaly_episode_info` on the page of a report.
fn exposed(report: &Arc<Report>) -> Vec<(String, String)> {
    let page = RenderedReport::new(Arc::clone(report), Arc::default(), Arc::default());
    let text = String::from_utf8(page.body(MetricsFormat::Text, false).to_vec()).unwrap();
    let label = |line: &str, name: &str| {
        let (_, rest) = line.split_once(&format!("{name}=\"")).unwrap();
        rest.split('"').next().unwrap().to_owned()
    };
    let series = text.lines().filter(|it| it.starts_with("anomaly_episode_info{"));
    series.map(|it| (label(it, "episode"), label(it, "description"))).collect()
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The logged descriptions.
    fn descriptions(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().filter_map(|it| it.find("Anomaly on ").map(|from| &it[from..]));
        lines.map(|it| it.split(" kind=").next().unwrap().to_owned()).collect()
    }
}

#[test]
fn log_store_and_metrics_show_the_same_description() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = crate::store::open(directory.path());
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    // Each description, with the time of its first appearance.
    let mut shown: Vec<(f64, Vec<(String, String)>)> = vec![(0.0, Vec::new())];
    tracing::subscriber::with_default(subscriber, || {
        let mut engine = Engine::new(&SIGNALS, &EngineSettings::default());
        let mut diary = EventLogger::default();
        for t in 0..2_700 {
            let t = f64::from(t);
            let report = Arc::new(engine.step(reading(t)));
            store.append(&report);
            // Like the loop, which never queues more than fits.
            if t % 100.0 == 0.0 {
                std::thread::sleep(Duration::from_millis(20));
            }
            diary.log(&report);
            let now = exposed(&report);
            if shown.last().unwrap().1 != now {
                shown.push((t, now));
            }
        }
    });
    store.close();
    let [_, (onset, first), rest @ .., (end, none)] = &shown[..] else { panic!("{shown:?}") };
    assert!((ONSET..ONSET + 15.0).contains(onset) && (END..END + 90.0).contains(end) && none.is_empty());
    let renewals: Vec<_> = rest.iter().map(|(at, _)| at - onset).collect();
    assert_eq!(renewals, [60.0, 660.0, 1260.0]);
    let series: Vec<_> = std::iter::once(first).chain(rest.iter().map(|(_, it)| it)).flatten().collect();
    let reader = StoreReader::open(directory.path()).unwrap();
    let episodes = reader.episodes(None, TimeRange::ALL, usize::MAX).unwrap();
    assert!(series.iter().all(|(id, _)| *id == episodes[0].id), "{series:?}");
    let descriptions: Vec<_> = series.into_iter().map(|(_, it)| it.clone()).collect();
    assert!(descriptions[0].starts_with("Anomaly on host: CPU usage "), "{descriptions:?}");
    assert_eq!(log.descriptions(), descriptions);
    assert_eq!(&episodes[0].description, descriptions.last().unwrap());
}

#[test]
fn a_restart_keeps_the_description_and_the_count() {
    let mut engine = Engine::new(&SIGNALS, &EngineSettings::default());
    (0..1_200).for_each(|t| drop(engine.step(reading(f64::from(t)))));
    let mut restarted = Engine::new(&SIGNALS, &EngineSettings::default());
    restarted.restore(&engine.snapshot()).unwrap();
    let [before, after] = [&mut engine, &mut restarted]
        .map(|it| it.step(reading(1_200.0)).assessments.remove(&Subject::Host).unwrap());
    assert!(before.description.is_some() && before.episodes == 1);
    assert_eq!((after.description, after.episodes), (before.description, before.episodes));
}

#[test]
fn the_first_hundred_episodes_are_described_and_the_others_counted() {
    let description: Arc<str> = "x".repeat(DESCRIPTION_MAX).into();
    let judged = |since: u32| {
        let episode = Some(Episode { since: Timestamp(START + f64::from(since)), peak: 2.0, lasted: 0.0 });
        let description = Some(Arc::clone(&description));
        Assessment { ready: true, episode, description, episodes: 1, ..Assessment::default() }
    };
    let subject = |idx: u32| Subject::Container(format!("web-{idx:03}").into());
    // Names are in the opposite order of the start times.
    let assessments = (0..150).map(|idx| (subject(149 - idx), judged(idx))).collect();
    let report = Arc::new(Report { assessments, ..Report::default() });
    let series = exposed(&report);
    assert_eq!(series.len(), 100);
    assert!(series.iter().all(|(id, _)| id.as_str() < "2026-11-21T10:01:40Z"), "{series:?}");
    let options = ExpositionOptions { raw_subjects: true, ..ExpositionOptions::default() };
    let page = RenderedReport::new(Arc::clone(&report), Arc::new(options), Arc::default());
    let text = String::from_utf8(page.body(MetricsFormat::Text, false).to_vec()).unwrap();
    assert!(text.contains("\nanomaly_episode_info_omitted 50\n"));
    assert!(text.contains("\nanomaly_episodes_total{kind=\"container\",subject=\"web-000\"} 1\n"));
}
