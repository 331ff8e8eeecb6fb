//! A host with many groups: which files are read at a reading, and which subjects are scored.

use crate::cgroup::{Host, Version, value};

use std::collections::BTreeMap;

use hostnorm::engine::{Engine, EngineSettings};
use hostnorm::metric::Metric;
use hostnorm::reading::{Reading, Subject, SubjectKind, Timestamp};
use hostnorm::report::EpisodeTransition;
use hostnorm::sources::{self, CgroupSettings};

/// Each file of a group of version 2, with a metric that shows whether it was read.
const FILES: [(&str, &str, &str); 11] = [
    ("cpu.stat", "usage_usec N000000\n", "cpu_seconds_total"),
    ("memory.current", "N\n", "memory_usage_bytes"),
    ("memory.stat", "inactive_file 0\npgmajfault N\n", "memory_major_faults_total"),
    ("memory.events", "oom_kill N\n", "oom_kills_total"),
    ("io.stat", "8:0 rbytes=N wbytes=0\n", "read_bytes_total"),
    ("pids.current", "N\n", "tasks"),
    (
        "cpu.pressure",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=N000000\n",
        "pressure_cpu_waiting_seconds_total",
    ),
    (
        "memory.pressure",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=N000000\n",
        "pressure_memory_waiting_seconds_total",
    ),
    (
        "io.pressure",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=N000000\n",
        "pressure_io_waiting_seconds_total",
    ),
    ("cpu.max", "N00000 100000\n", "cpu_limit_cores"),
    ("memory.max", "N\n", "memory_limit_bytes"),
];

fn service(number: usize) -> Subject {
    Subject::Service(format!("app-{number:03}.service").into())
}

/// Reads this many groups some times, with other contents each time; returns the number of files read at each reading,
/// and the largest age of a value that is no limit, in readings.
fn files_read(groups: usize, readings: u32) -> (Vec<usize>, u32) {
    let host = Host::new(Version::V2);
    let mut sources = host.open_with_window(CgroupSettings::default(), 30);
    let (mut counts, mut oldest) = (Vec::new(), 0);
    let mut newest: BTreeMap<(usize, &str), u32> = BTreeMap::new();
    for now in 1..=readings {
        for group in 0..groups {
            for (file, text, _) in FILES {
                let path = format!("sys/fs/cgroup/system.slice/{}/{file}", service(group).name());
                host.write(&path, &text.replace('N', &now.to_string()));
            }
        }
        let reading = sources.read_all(Timestamp(f64::from(now)));
        for group in 0..groups {
            for (file, _, metric) in FILES {
                let value = value(&reading, &service(group), &format!("hostnorm_cgroup_{metric}")).unwrap();
                if (value - f64::from(now)).abs() < 1e-9 {
                    newest.insert((group, file), now);
                } else if !file.ends_with(".max") {
                    oldest = oldest.max(now - newest[&(group, file)]);
                }
            }
        }
        counts.push(newest.values().filter(|it| **it == now).count());
    }
    (counts, oldest)
}

#[test]
fn the_files_of_many_groups_are_read_in_turn() {
    let (counts, oldest) = files_read(200, 9);
    assert_eq!(counts[0], 200 * 11, "the first reading is complete");
    // A fifth of the groups at each reading, without their limits.
    assert_eq!(counts[1..], [40 * 9; 8]);
    assert_eq!(oldest, 4);
}

#[test]
fn the_cheap_files_of_few_groups_are_read_at_each_reading() {
    let (counts, oldest) = files_read(40, 9);
    assert_eq!(counts[0], 40 * 11);
    assert_eq!(counts[1..], [40 * 2 + 8 * 7; 8]);
    assert_eq!(oldest, 4);
}

fn metric(name: &str) -> &'static Metric {
    sources::metrics().find(|it| it.name == name).unwrap()
}

/// A host with services of steady usage, as the source `cgroup` reads them.
struct Services {
    engine: Engine,
    count: usize,
    seconds: usize,
    /// CPU seconds of the first service so far.
    cpu: f64,
}

impl Services {
    fn new(count: usize) -> Self {
        let signals = sources::signals(|it| it == "cgroup").filter(|it| it.kind == SubjectKind::Service);
        let settings = EngineSettings { warmup: 300.0, ..EngineSettings::default() };
        Self { engine: Engine::new(signals, &settings), count, seconds: 0, cpu: 0.0 }
    }

    fn step(&mut self) -> hostnorm::report::Report {
        self.seconds += 1;
        let mut reading = Reading::new(Timestamp(1.7e9 + self.seconds as f64));
        for number in 0..self.count {
            // A small rhythm of its own.
            let wave = ((self.seconds * (7 + number % 5)) as f64).sin();
            let values = reading.subjects.entry(service(number)).or_default();
            let cpu = if number == 0 { self.cpu } else { 0.1 * self.seconds as f64 };
            values.set(metric("hostnorm_cgroup_cpu_seconds_total"), cpu);
            values.set(metric("hostnorm_cgroup_tasks"), 20.0 + wave);
            values.set(metric("hostnorm_cgroup_memory_working_set_bytes"), 1e8 + 1e6 * wave);
        }
        let report = self.engine.step(reading);
        self.engine.take_handover().wanted.iter().for_each(|it| self.engine.absent(it));
        report
    }

    /// Runs for some seconds in which the first service uses this much CPU; returns after how many its episode began.
    fn run(&mut self, seconds: usize, cores: f64) -> Option<usize> {
        let mut began = None;
        for second in 1..=seconds {
            self.cpu += cores;
            let report = self.step();
            // In the first step it waits for what is stored of it.
            let first = report.assessments.get(&service(0));
            if first.is_some_and(|it| it.transition == Some(EpisodeTransition::Began)) {
                began = began.or(Some(second));
            }
        }
        began
    }
}

#[test]
fn many_subjects_are_scored_in_turn_and_have_a_point_each_window() {
    for count in [40, 200] {
        let mut services = Services::new(count);
        services.run(600, 0.1);
        let mut points: BTreeMap<Subject, usize> = BTreeMap::new();
        let mut most = 0;
        for _ in 0..300 {
            services.cpu += 0.1;
            let report = services.step();
            assert_eq!(report.assessments.len(), count);
            assert!(report.assessments.values().all(|it| it.details.is_some()));
            let whole = report.assessments.iter().filter(|(_, it)| it.point.is_some());
            let before = points.values().sum::<usize>();
            whole.for_each(|(subject, _)| *points.entry(subject.clone()).or_default() += 1);
            most = most.max(points.values().sum::<usize>() - before);
        }
        assert!(points.len() == count && points.values().all(|it| *it == 10), "{count}: {points:?}");
        // The work is spread over the readings.
        assert!(count == 40 || most <= 60, "{most} points at one reading");
    }
}

#[test]
fn an_anomaly_of_one_of_many_is_found_as_soon_as_it_is_its_turn() {
    let [few, many] = [40, 200].map(|count| {
        let mut services = Services::new(count);
        assert_eq!(services.run(1_200, 0.1), None);
        services.run(60, 4.0).unwrap()
    });
    assert!(few <= many && many <= few + 4, "{few} s among few, {many} s among many");
}
