//! A captured machine, from its kernel files to the page that Prometheus reads, reading by reading.

use crate::captured_tree;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use hostnorm::detect::seeded_rng::SeededRng;
use hostnorm::engine::{Engine, EngineSettings};
use hostnorm::http::{BuildInfo, ExpositionOptions, MetricsFormat, RenderedReport};
use hostnorm::reading::{Subject, SubjectKind, Timestamp};
use hostnorm::report::{EpisodeTransition, Report};
use hostnorm::sources::{self, Sources};
use hostnorm::training;

use captured_tree::fixtures;

/// Left out because they are not reproducible: filesystems are those of the real machine, and so is the process. Control
/// groups have tests of their own.
fn on(source: &str) -> bool {
    !["filesystem", "self", "cgroup", "timing"].contains(&source)
}

/// The captured tree with changing files.
struct Machine {
    tree: tempfile::TempDir,
    sources: Sources,
    engine: Engine,
    random: SeededRng,
    /// Ticks of user, system and idle CPU time, and context switches, since boot.
    counters: [u64; 4],
}

impl Machine {
    fn new(settings: &EngineSettings) -> Self {
        let (tree, roots) = captured_tree::copied();
        let sources =
            Sources::open(&sources::SourceSettings { roots, ..sources::SourceSettings::default() }, on);
        let engine = Engine::new(sources::signals(on), settings);
        Self {
            tree,
            sources,
            engine,
            random: SeededRng::new(7),
            counters: [212_000, 33_296, 363_299, 3_617_338],
        }
    }

    /// One second of two CPUs, with this share busy.
    fn live(&mut self, busy: f32) {
        let stat = self.tree.path().join("proc/stat");
        let ticks = (200.0 * busy.clamp(0.0, 1.0)) as u64;
        let switches = 400 + (100.0 * self.random.uniform()) as u64 + 10 * ticks;
        for (counter, gained) in
            self.counters.iter_mut().zip([ticks - ticks / 4, ticks / 4, 200 - ticks, switches])
        {
            *counter += gained;
        }
        let [user, system, idle, switches] = self.counters;
        let text = fs::read_to_string(fixtures().join("proc/stat")).unwrap();
        let running = if busy > 0.9 { 5 } else { 1 };
        let text = text
            .replace("212000 47072 33296 363299", &format!("{user} 47072 {system} {idle}"))
            .replace("ctxt 3617338", &format!("ctxt {switches}"))
            .replace("procs_running 3", &format!("procs_running {running}"));
        fs::write(stat, text).unwrap();
    }

    fn step(&mut self, at: f64) -> Report {
        fs::write(self.tree.path().join("proc/uptime"), format!("{:.2} 1.00\n", 350_000.0 + at)).unwrap();
        let mut reading = self.sources.read_all(Timestamp(1_790_000_000.0 + at));
        // The duration of a source differs between runs.
        reading.collections.iter_mut().for_each(|it| it.seconds = 0.000_25);
        let report = self.engine.step(reading);
        if let Some(set) = self.engine.due(SubjectKind::Host) {
            let trained = training::train(&set, &training::TrainingSettings::default(), 1).unwrap();
            self.engine.install(SubjectKind::Host, &trained.eif);
        }
        report
    }
}

fn page(report: Report) -> String {
    let options = ExpositionOptions {
        sources: sources::metrics().collect(),
        raw: true,
        raw_subjects: false,
        build: BuildInfo { revision: "", ..BuildInfo::default() },
        series_max: None,
    };
    let page = RenderedReport::new(Arc::new(report), Arc::new(options), Arc::default());
    let text = String::from_utf8(page.body(MetricsFormat::Text, false).to_vec()).unwrap();
    // The suspension of the machine that runs the test.
    let lines = text.lines().filter(|it| !it.contains("hostnorm_suspended_seconds"));
    lines.map(|it| format!("{it}\n")).collect()
}

/// 600 seconds, of which the first 300 are the warm-up, with a busy loop on each CPU from 450 to 510.
fn run() -> Vec<Report> {
    let mut machine = Machine::new(&EngineSettings { warmup: 300.0, ..EngineSettings::default() });
    (0..600)
        .map(|t| {
            let burning = (450..510).contains(&t);
            let busy = if burning { 1.0 } else { 0.1 + 0.1 * machine.random.uniform() };
            machine.live(busy);
            machine.step(f64::from(t))
        })
        .collect()
}

#[test]
fn a_busy_loop_is_detected_named_and_ends() {
    let reports = run();
    let turns: Vec<(usize, EpisodeTransition)> = (reports.iter().enumerate())
        .filter_map(|(t, it)| Some((t, it.assessments[&Subject::Host].transition?)))
        .filter(|(_, turn)| *turn != EpisodeTransition::Changed)
        .collect();
    assert!(
        matches!(
            turns[..],
            [(450..465, EpisodeTransition::Started), (510..600, EpisodeTransition::Ended(_))]
        ),
        "{turns:?}"
    );
    let details = reports[turns[0].0 + 10].assessments[&Subject::Host].details.as_ref().unwrap();
    let cause = details.contributions[0].signal.name;
    assert!(cause.starts_with("cpu") || cause.starts_with("tasks"), "{cause}");
    assert!(reports.iter().all(|it| it.reading.problems.is_empty()));
}

/// timesyncd steps the clock from 0.4 s on: the next reading seems to follow at once, and rates would be huge.
#[test]
fn a_small_clock_step_is_no_anomaly() {
    let mut machine = Machine::new(&EngineSettings { warmup: 300.0, ..EngineSettings::default() });
    let mut step = 0.0;
    for t in 0..500 {
        let busy = 0.1 + 0.1 * machine.random.uniform();
        machine.live(busy);
        if t == 400 {
            step = -0.99;
        }
        let report = machine.step(f64::from(t) + step);
        assert_eq!(report.assessments[&Subject::Host].transition, None, "at {t}");
        let signals = &report.assessments[&Subject::Host].signals;
        let switches = signals.iter().find(|it| it.signal.name == "context_switches_per_second");
        assert!(switches.is_none_or(|it| it.value < 2_000.0), "at {t}: {switches:?}");
    }
}

#[test]
fn equal_readings_give_equal_bytes() {
    let pages = [(); 2].map(|()| run().into_iter().map(page).collect::<String>());
    assert!(pages[0] == pages[1]);
}

/// The last digits of powers and roots differ between systems.
fn rounded(line: &str) -> String {
    match line.rsplit_once(' ').and_then(|(series, value)| Some((series, value.parse::<f64>().ok()?))) {
        Some((series, value)) if !line.starts_with('#') => {
            format!("{series} {}\n", format!("{value:.8e}").parse::<f64>().unwrap())
        }
        _ => format!("{line}\n"),
    }
}

#[test]
fn the_page_of_the_captured_machine() {
    let mut machine = Machine::new(&EngineSettings { window: 3, warmup: 30.0, ..EngineSettings::default() });
    let mut last = Report::default();
    for t in 0..60 {
        machine.live(0.1 + 0.01 * (t % 7) as f32);
        last = machine.step(f64::from(t));
    }
    let found: String =
        page(last).replace(BuildInfo::default().rust_version, "RUSTC").lines().map(rounded).collect();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/machine.txt");
    #[expect(clippy::disallowed_methods, reason = "UPDATE=1 rewrites the golden file")]
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&golden, &found).unwrap();
    }
    assert_eq!(found, fs::read_to_string(&golden).unwrap());
}
