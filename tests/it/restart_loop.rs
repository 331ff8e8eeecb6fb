//! A service that is started again and again has an anomaly, as has one whose processes are killed for lack of memory; one
//! that is started anew once, as by an update, has none.

use crate::cgroup::{CgroupHost, Version};

use hostnorm::detect::seeded_rng::SeededRng;
use hostnorm::engine::{Engine, EngineSettings};
use hostnorm::reading::{Subject, Timestamp};
use hostnorm::sources::{self, CgroupSettings, Sources};

/// Seconds of learning before anything happens.
const LEARNED: usize = 1_800;
/// Its control group.
const GROUP: &str = "system.slice/web.service";

/// A host with one service, read once a second.
struct Node {
    host: CgroupHost,
    sources: Sources,
    engine: Engine,
    random: SeededRng,
    is_running: bool,
    cpu: f64,
    at: usize,
}

impl Node {
    fn new() -> Self {
        let host = CgroupHost::new(Version::V2);
        host.add(GROUP);
        let settings = EngineSettings { warmup: 120.0, ..EngineSettings::default() };
        Self {
            sources: host.open(CgroupSettings::default()),
            engine: Engine::new(sources::signals(|it| it == "cgroup"), &settings),
            random: SeededRng::new(1),
            host,
            is_running: true,
            cpu: 0.0,
            at: 0,
        }
    }

    fn stop(&mut self) {
        self.host.remove(GROUP);
        self.is_running = false;
    }

    fn start(&mut self) {
        self.host.add(GROUP);
        (self.is_running, self.cpu) = (true, 0.0);
    }
}

impl Node {
    /// Takes readings for this many seconds; returns the time of the first in an episode of the service.
    fn run(&mut self, seconds: usize) -> Option<usize> {
        let subject = Subject::Service("web.service".into());
        let mut found = None;
        for _ in 0..seconds {
            self.at += 1;
            if self.is_running {
                self.cpu += 0.1 + 0.02 * f64::from(self.random.normals()[0]);
                let text = format!("usage_usec {:.0}\nuser_usec 0\nsystem_usec 0\n", self.cpu * 1e6);
                self.host.write(&format!("sys/fs/cgroup/{GROUP}/cpu.stat"), &text);
            }
            let report = self.engine.step(self.sources.read_all(Timestamp(1e9 + self.at as f64)));
            let is_anomalous = report.assessments.get(&subject).is_some_and(|it| it.episode.is_some());
            found = found.or(is_anomalous.then_some(self.at));
        }
        found
    }
}

/// Starts the service anew after each of these pauses, in seconds, and lets it run as long. Returns the seconds from the
/// first end to an episode.
fn seconds_to_episode(pauses: &[usize], run: usize) -> Option<usize> {
    let mut node = Node::new();
    assert_eq!(node.run(LEARNED), None, "while it learns");
    let began = node.at;
    let mut found = None;
    for pause in pauses {
        node.stop();
        found = found.or(node.run(*pause));
        node.start();
        found = found.or(node.run(run));
    }
    found.map(|it| it - began)
}

#[test]
#[ignore = "takes ten seconds or more; ./check runs it"]
fn a_loop_of_restarts_is_an_anomaly_and_an_update_is_not() {
    let mut wrong = Vec::new();
    // The pauses double from ten seconds to five minutes.
    let of_kubernetes = [1, 10, 20, 40, 80, 160, 300, 300];
    for (what, pauses, run, is_anomaly) in [
        ("a crash after 6 s", &of_kubernetes[..], 6, true),
        ("a crash after half a minute", &of_kubernetes[..], 30, true),
        ("a crash each 12 s", &[6; 20][..], 6, true),
        ("an update within a second", &[1][..], 900, false),
        ("an update of half a minute", &[30][..], 900, false),
        ("two updates in ten minutes", &[8, 8][..], 600, false),
    ] {
        let found = seconds_to_episode(pauses, run);
        let is_right = if is_anomaly { found.is_some_and(|it| it < 120) } else { found.is_none() };
        if !is_right {
            wrong.push(format!("{what}: {found:?}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn kills_for_lack_of_memory_are_an_anomaly_of_the_service() {
    let mut node = Node::new();
    let events = |kills: usize| format!("low 0\nhigh 0\nmax {kills}\noom {kills}\noom_kill {kills}\n");
    let write = |node: &Node, kills| {
        node.host.write(&format!("sys/fs/cgroup/{GROUP}/memory.events"), &events(kills));
    };
    write(&node, 0);
    assert_eq!(node.run(LEARNED), None, "while it learns");
    let began = node.at;
    let mut found = None;
    for kills in 1..=12 {
        write(&node, kills);
        found = found.or(node.run(5));
    }
    assert!(found.is_some_and(|it| it - began < 60), "{found:?}");
}
