//! A node on which 50 pods are replaced each minute, for an hour of readings: none is lost, nothing grows.

use crate::cgroup::{CgroupHost, Version};

use std::collections::{BTreeMap, BTreeSet};

use hostnorm::engine::{Engine, EngineSettings, SUBJECTS_MAX, SubjectStateHandover};
use hostnorm::reading::{Subject, SubjectKind, Timestamp};
use hostnorm::sources::{self, CgroupSettings};

/// Pods at any time.
const PODS: usize = 60;
/// Seconds from one reading to the next.
const READ_SECONDS: usize = 2;
/// Seconds from one replacement to the next.
const REPLACE_SECONDS: f64 = 60.0 / 50.0;

/// The engine with a store for the states of subjects that are gone.
struct Driver {
    engine: Engine,
    stored: BTreeMap<Subject, Vec<u8>>,
}

impl Driver {
    fn transfer(&mut self) {
        let SubjectStateHandover { evicted, wanted } = self.engine.take_handover();
        self.stored.extend(evicted);
        for subject in wanted {
            match self.stored.get(&subject) {
                Some(bytes) => self.engine.return_state(&subject, bytes).unwrap(),
                None => self.engine.absent(&subject),
            }
        }
    }

    fn live(&self) -> usize {
        self.engine.subject_counts().values().map(|it| it.learning + it.ready + it.gone).sum()
    }
}

/// Name and UID of the newest pod of a workload; each fourth workload is a job with another name each time.
fn pod(workload: usize, generation: usize) -> (String, String) {
    let digits = |it: usize| format!("{it:04}").replace(['0', '1', '2', '3'], "b");
    let suffix = format!("{}x", digits(generation));
    let name = match workload % 4 {
        0 => format!("job-{workload}-{generation}-run"),
        _ => format!("app-{workload}-5dd5756b68-{suffix}"),
    };
    (name, format!("{workload:08x}-0000-4000-8000-{generation:012x}"))
}

#[test]
#[ignore = "takes half a minute; ./check runs it"]
fn fifty_pods_replaced_a_minute_for_an_hour() {
    let host = CgroupHost::new(Version::V2);
    let settings = EngineSettings { warmup: 120.0, evict_after: 300.0, ..EngineSettings::default() };
    let mut driver = Driver {
        engine: Engine::new(sources::signals(|it| it == "cgroup"), &settings),
        stored: BTreeMap::new(),
    };
    let mut groups = host.open(CgroupSettings { subjects_max: 2 * PODS as u64, ..CgroupSettings::default() });
    let mut slices: Vec<String> = (0..PODS).map(|it| start(&host, it, 0)).collect();
    let (mut replaced, mut seen, mut scored) = (0, BTreeSet::new(), BTreeSet::new());
    let (mut early, mut late) = (0, 0);
    for second in (0..3_600).step_by(READ_SECONDS) {
        while (replaced as f64) * REPLACE_SECONDS < f64::from(second) {
            let (workload, generation) = (replaced % PODS, 1 + replaced / PODS);
            host.remove(&slices[workload]);
            slices[workload] = start(&host, workload, generation);
            replaced += 1;
        }
        let reading = groups.read_all(Timestamp(1e9 + f64::from(second)));
        assert_eq!(reading.problems, [], "at {second}");
        seen.extend(reading.subjects.keys().filter(|it| **it != Subject::Host).cloned());
        let values = reading.subjects.values().map(|it| it.iter().count()).sum::<usize>();
        assert!(values <= 2 * PODS * 28 + 8, "at {second}: {values} values");
        let report = driver.engine.step(reading);
        driver.transfer();
        let of_report = report.assessments.iter().filter(|(_, it)| it.details.is_some());
        scored.extend(of_report.map(|(subject, _)| subject.clone()));
        assert!(driver.live() <= SUBJECTS_MAX);
        if second < 1_800 { early = early.max(driver.live()) } else { late = late.max(driver.live()) }
    }
    assert!(replaced >= 2_990, "{replaced}");
    // What lives on under its name is scored.
    let stable = |it: &&Subject| it.name().starts_with("shop/app-") && !it.name().contains('#');
    let lacking: Vec<_> = seen.iter().filter(stable).filter(|it| !scored.contains(it)).collect();
    assert_eq!(lacking, Vec::<&Subject>::new());
    assert!(seen.iter().filter(stable).count() >= PODS * 3 / 4);
    // All others are in the readings, learned for as long as they lived, and were evicted.
    let counts = driver.engine.subject_counts();
    let all: u64 = [SubjectKind::Container, SubjectKind::Pod].iter().map(|it| counts[it].unscored).sum();
    assert_eq!(all, 0);
    assert!(seen.len() > 1_000, "{}", seen.len());
    assert!(late <= early + early / 10, "{early} subjects in the first half hour, {late} in the second");
}

fn start(host: &CgroupHost, workload: usize, generation: usize) -> String {
    let (name, uid) = pod(workload, generation);
    host.add_pod("shop", &name, &uid, workload * 10_000 + generation)
}
