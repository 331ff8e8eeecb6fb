//! The description of an anomaly of a log, from its lines to the sentence.

use std::sync::Arc;

use hostnorm::engine::{Engine, EngineSettings};
use hostnorm::episode_text;
use hostnorm::log_stream::LogStream;
use hostnorm::reading::{Subject, Timestamp};
use hostnorm::report::{EpisodeTemplate, EpisodeTransition};
use hostnorm::sources::{self, SourceSettings, Sources};

const START: f64 = 1_795_255_200.0;
const ONSET: u32 = 1_800;

#[test]
fn an_error_burst_is_described_by_its_rate_and_its_template() {
    let stream = LogStream::new("nginx");
    let settings = SourceSettings { logs: vec![Arc::clone(&stream)], ..SourceSettings::default() };
    let is_log = |name: &str| name == "log";
    let mut sources = Sources::open(&settings, is_log);
    let mut engine = Engine::new(sources::signals(is_log), &EngineSettings::default());
    let log = Subject::Log("nginx".into());
    for t in 0..ONSET + 120 {
        let at = Timestamp(START + f64::from(t));
        for idx in 0..5 + t % 3 {
            let line =
                format!("level=info msg=\"served\" path=/items/{} bytes={}", t * 7 + idx, 300 + t % 90);
            stream.line(line.as_bytes(), None, at);
        }
        for idx in 0..if t >= ONSET { 12 } else { 0 } {
            let line = format!("level=error msg=\"upstream 10.0.0.{idx} timed out after {t} ms\"");
            stream.line(line.as_bytes(), None, at);
        }
        let report = engine.step(sources.read_all(at));
        let Some(assessment) = report.assessments.get(&log) else { continue };
        if assessment.transition != Some(EpisodeTransition::Started) {
            continue;
        }
        assert!((ONSET..ONSET + 30).contains(&t), "anomaly at {t}: {:?}", assessment.description);
        let notable = stream.notable_templates();
        let templates: Vec<_> =
            notable.iter().filter_map(|it| EpisodeTemplate::new(&it.text, it.is_new)).collect();
        let plain = assessment.description.as_deref().unwrap();
        let text = episode_text::with_templates(plain, &templates);
        assert!(text.starts_with("Anomaly on log nginx: ") && text.contains("errors "), "{text}");
        assert!(text.contains("; new template `") && text.contains("timed out after <*>"), "{text}");
        assert!(!text.contains("10.0.0."), "{text}");
        return;
    }
    panic!("no anomaly");
}
