//! A host that was learned, read once a second: nothing that kernels, drivers and clocks do with counters is an anomaly.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hostnorm::detect::seeded_rng::SeededRng;
use hostnorm::engine::{Engine, EngineSettings};
use hostnorm::metric::{Metric, MetricType};
use hostnorm::reading::{CLOCK_STEP, Reading, Subject, SubjectKind, Timestamp};
use hostnorm::report::Report;
use hostnorm::sources::{self, SourceSettings, Sources};
use hostnorm::training;
use tempfile::TempDir;

use crate::captured_tree;

/// Those whose files change here.
fn on(source: &str) -> bool {
    ["context", "cpu", "memory", "pressure", "disk", "network", "tcp", "stat", "cgroup"].contains(&source)
}

/// Whether steps of the clock are known, as they are by default.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Timing {
    /// The source `timing` reads both clocks. Here the test sets its values, because the source reads those of the machine that
    /// runs the test.
    On,
    /// Without that source, the seconds between two readings are those of the wall clock.
    Off,
}

/// Seconds of learning before anything happens.
const LEARNED: usize = 420;
/// Seconds after it.
const AFTER: usize = 90;

/// The files of a service.
const GROUP: &str = "sys/fs/cgroup/system.slice/ssh.service";

/// A file, and what becomes of its text.
type FileEdit = (&'static str, fn(&str) -> String);

/// What the files show.
#[derive(Debug, Clone)]
struct Shown {
    /// Bytes received by each interface.
    bytes: [(&'static str, u64); 2],
    /// Ticks of CPU time: user, idle, waiting for I/O.
    cpu: [u64; 3],
    cpus: usize,
    connections: u64,
    sectors: u64,
    /// Of a service: CPU time and throttled time in microseconds, periods with a limit, bytes written.
    group: [u64; 4],
    /// Page faults, those that read from disk, and pages read from swap.
    faults: [u64; 3],
    /// Microseconds in which a task waited for CPU, memory and I/O.
    waits: [u64; 3],
    /// Interrupts, context switches and tasks started.
    events: [u64; 3],
    /// Changes of the text of files.
    edits: Vec<FileEdit>,
    /// Seconds by which the wall clock is ahead, since boot, and of suspension since boot.
    clock: f64,
    uptime: f64,
    suspended: f64,
    /// Seconds by which this reading is late.
    late: f64,
}

struct LearnedHost {
    tree: TempDir,
    sources: Sources,
    engine: Engine,
    random: SeededRng,
    shown: Shown,
    timing: Timing,
    /// The wall clock and the monotonic clock at the last reading.
    clocks: Option<[f64; 2]>,
}

/// A metric of a source.
fn metric(name: &str) -> &'static Metric {
    sources::metrics().find(|it| it.name == name).unwrap()
}

impl LearnedHost {
    fn new(timing: Timing) -> Self {
        let (tree, roots) = captured_tree::copied();
        let root = |name: &str| tree.path().join(name);
        for name in ["eth0", "eth1"] {
            fs::create_dir_all(root("sys/class/net").join(name).join("device")).unwrap();
        }
        let settings = EngineSettings { warmup: 300.0, ..EngineSettings::default() };
        let sources = Sources::open(&SourceSettings { roots, ..SourceSettings::default() }, on);
        let signals = sources::signals(|it| on(it) || timing == Timing::On && it == "timing");
        let engine = Engine::new(signals, &settings).with_grace_triggers(sources::grace_triggers(on));
        let shown = Shown {
            bytes: [("eth0", 155_000_000_000), ("eth1", 9_000_000_000)],
            cpu: [212_000, 363_299, 174_706],
            cpus: 2,
            connections: 40,
            sectors: 1_734_521,
            group: [9_000_000, 50_000, 700, 40_000_000],
            faults: [74_267_179, 11_714, 20_123],
            waits: [665_965_353, 12_599_314, 88_400_000],
            events: [2_177_716, 3_617_338, 58_774],
            edits: Vec::new(),
            clock: 0.0,
            uptime: 350_000.0,
            suspended: 0.0,
            late: 0.0,
        };
        Self { tree, sources, engine, random: SeededRng::new(3), shown, timing, clocks: None }
    }

    fn put(&self, file: &str, text: &str) {
        fs::write(self.tree.path().join(file), text).unwrap();
    }

    /// One second of ordinary life.
    fn live(&mut self) {
        let some = |random: &mut SeededRng, of: f32| (of * (0.9 + 0.2 * random.uniform())) as u64;
        for (_, bytes) in &mut self.shown.bytes {
            *bytes += some(&mut self.random, 20_000.0);
        }
        let busy = some(&mut self.random, 20.0);
        let ticks = [busy, 200 - busy - 1, 1];
        self.shown.cpu.iter_mut().zip(ticks).for_each(|(total, gained)| *total += gained);
        self.shown.sectors += some(&mut self.random, 200.0);
        let group = [some(&mut self.random, 100_000.0), some(&mut self.random, 900.0), 10, 40_960];
        self.shown.group.iter_mut().zip(group).for_each(|(total, gained)| *total += gained);
        self.shown.connections = 35 + some(&mut self.random, 10.0);
        let gained = [
            (&mut self.shown.faults, [5_000.0, 5.0, 0.0]),
            (&mut self.shown.waits, [20_000.0, 50.0, 3_000.0]),
            (&mut self.shown.events, [2_000.0, 4_000.0, 10.0]),
        ];
        for (totals, gains) in gained {
            totals.iter_mut().zip(gains).for_each(|(total, gain)| *total += some(&mut self.random, gain));
        }
        self.shown.late = 0.002 * f64::from(self.random.uniform());
        self.shown.uptime += 1.0;
    }

    fn write(&self, shown: &Shown) {
        let row = |name: &str, bytes: u64| {
            let packets = bytes / 1000;
            format!("{name}: {bytes} {packets} 0 0 0 0 0 0 {bytes} {packets} 0 0 0 0 0 0\n")
        };
        let rows: String = shown.bytes.iter().map(|(name, bytes)| row(name, *bytes)).collect();
        self.put("proc/1/net/dev", &format!("a | b\na | b\n{rows}"));
        let [user, idle, waiting] = shown.cpu;
        let cpus: String = (0..shown.cpus).map(|it| format!("cpu{it} 1 1 1 1 1 1 1 1\n")).collect();
        let [interrupts, switches, forks] = shown.events;
        self.put(
            "proc/stat",
            &format!(
                "cpu  {user} 0 9 {idle} {waiting} 0 0 0 0 0\n{cpus}intr {interrupts} 0\nctxt {switches}\n\
                 processes {forks}\nprocs_running 2\nprocs_blocked 0\n"
            ),
        );
        let [faults, major_faults, swapped] = shown.faults;
        self.put(
            "proc/vmstat",
            &format!(
                "pgfault {faults}\npgmajfault {major_faults}\npswpin {swapped}\npswpout {swapped}\noom_kill 0\n"
            ),
        );
        for (name, total) in ["cpu", "memory", "io"].into_iter().zip(shown.waits) {
            let averages = "avg10=0.00 avg60=0.00 avg300=0.00";
            let text = format!("some {averages} total={total}\nfull {averages} total=0\n");
            self.put(&format!("proc/pressure/{name}"), &text);
        }
        let sectors = shown.sectors;
        let operations = sectors / 8;
        self.put(
            "proc/diskstats",
            &format!("8 0 sda {operations} 0 {sectors} 9 {operations} 0 {sectors} 9 0 {operations} 9\n"),
        );
        let names = "RtoAlgorithm CurrEstab InSegs OutSegs RetransSegs";
        self.put("proc/1/net/snmp", &format!("Tcp: {names}\nTcp: 1 {} 5 5 5\n", shown.connections));
        let [used, throttled, periods, written] = shown.group;
        self.put(
            &format!("{GROUP}/cpu.stat"),
            &format!(
                "usage_usec {used}\nnr_periods {periods}\nnr_throttled {}\nthrottled_usec {throttled}\n",
                periods / 10
            ),
        );
        self.put(&format!("{GROUP}/io.stat"), &format!("8:0 rbytes={written} wbytes={written}\n"));
        self.put("proc/uptime", &format!("{:.2} 1.00\n", shown.uptime));
        for (file, edit) in &shown.edits {
            let text = fs::read_to_string(self.tree.path().join(file)).unwrap();
            self.put(file, &edit(&text));
        }
    }

    /// Sets what sources read from the clocks of the machine, which a test cannot set.
    fn set_clocks(&mut self, reading: &mut Reading, shown: &Shown, monotonic: f64) {
        let now = [reading.at.0, monotonic];
        let host = reading.host();
        let suspended = metric("hostnorm_suspended_seconds_total");
        host.keep(0, |_, it| it.metric != suspended);
        host.set(suspended, shown.suspended);
        let before = self.clocks.replace(now).filter(|_| self.timing == Timing::On);
        if let Some(before) = before {
            let [by_wall, passed] = [now[0] - before[0], now[1] - before[1]];
            host.set(metric("hostnorm_reading_delay_seconds"), (passed - 1.0).max(0.0));
            host.set(&CLOCK_STEP, by_wall - passed);
        }
    }

    /// Reads what is shown; no counter may fall.
    fn step(&mut self, second: usize, shown: &Shown, before: Option<&Report>) -> Report {
        self.write(shown);
        let monotonic = second as f64 + shown.late;
        let mut reading = self.sources.read_all(Timestamp(1_790_000_000.0 + monotonic + shown.clock));
        self.set_clocks(&mut reading, shown, monotonic);
        let report = self.engine.step(reading);
        for kind in [SubjectKind::Host, SubjectKind::Service] {
            if let Some(set) = self.engine.due(kind) {
                let trained = training::train(&set, &training::TrainingSettings::default(), 1).unwrap();
                self.engine.install(kind, &trained.eif);
            }
        }
        for (subject, now) in &report.reading.subjects {
            let Some(before) = before.and_then(|it| it.reading.subjects.get(subject)) else { continue };
            for sample in now.iter().filter(|it| it.metric.ty == MetricType::Counter) {
                let old = before.get_by(sample.metric, &sample.labels);
                assert!(old.is_none_or(|it| it <= sample.value), "{sample:?} was {old:?} at {second}");
            }
        }
        report
    }
}

/// Learns a host, then shows what `change` makes of each second, counted from the end of learning. There must be no anomaly,
/// and the score must be that of an ordinary host.
fn check(change: impl FnMut(usize, &mut Shown, &Path)) {
    check_learned(LEARNED, Timing::On, change);
}

/// The same after so many seconds of learning; returns the reasons for grace that were seen after them.
fn check_learned(
    learned: usize,
    timing: Timing,
    mut change: impl FnMut(usize, &mut Shown, &Path),
) -> BTreeSet<&'static str> {
    let mut host = LearnedHost::new(timing);
    let (mut before, mut reasons) = (None, BTreeSet::new());
    for second in 0..learned + AFTER {
        host.live();
        let mut shown = host.shown.clone();
        if let Some(after) = second.checked_sub(learned) {
            change(after, &mut shown, host.tree.path());
        }
        let report = host.step(second, &shown, before.as_ref());
        if second >= learned {
            let active = report.grace.iter().flat_map(|it| it.rows()).filter(|it| it.1);
            reasons.extend(active.map(|(reason, _)| reason.name()));
        }
        for (subject, assessment) in &report.assessments {
            assert_eq!(assessment.transition, None, "{subject:?} at {second}: {:?}", assessment.details);
            if let Some(details) = assessment.details.as_ref().filter(|_| second > learned) {
                let (score, causes) = (details.instant_score, &details.causes);
                assert!(score < 0.7, "{subject:?} at {second}: {score} by {causes:?}");
            }
        }
        before = Some(report);
    }
    let report = before.unwrap();
    for subject in [Subject::Host, Subject::Service("ssh.service".into())] {
        assert!(report.assessments[&subject].ready, "{subject:?}");
    }
    reasons
}

#[test]
fn one_reading_of_zeros_is_no_anomaly() {
    check(|after, shown, _| {
        if after % 20 == 5 {
            shown.bytes[0].1 = 0;
            shown.sectors = 0;
        }
    });
}

#[test]
fn a_reset_is_no_anomaly() {
    let mut reset = None;
    check(|after, shown, _| {
        if after >= 10 {
            let reset = *reset.get_or_insert((shown.bytes[0].1, shown.sectors));
            shown.bytes[0].1 -= reset.0;
            shown.sectors -= reset.1;
        }
    });
}

#[test]
fn a_cpu_that_comes_or_goes_is_no_anomaly() {
    check(|after, shown, _| {
        if (10..50).contains(&after) {
            shown.cpus = 1;
            shown.cpu[1] -= 300_000;
            shown.cpu[2] -= 100_000;
        }
    });
    check(|after, shown, _| {
        if after >= 10 {
            shown.cpus = 4;
            shown.cpu[1] += 90_000_000;
        }
    });
}

#[test]
fn waiting_time_that_steps_back_is_no_anomaly() {
    check(|after, shown, _| shown.cpu[2] -= (after % 7) as u64 / 3 * 2);
}

/// The monotonic clock stands still meanwhile, and what was due is late.
#[test]
fn a_suspend_is_no_anomaly() {
    for timing in [Timing::On, Timing::Off] {
        let reasons = check_learned(LEARNED, timing, |after, shown, _| {
            if after >= 10 {
                shown.clock = 7200.0;
                shown.uptime += 7200.0;
                shown.suspended = 7200.0;
            }
            if after == 10 {
                shown.late = 0.3;
            }
        });
        assert!(reasons.contains("resume"), "{timing:?}: {reasons:?}");
    }
}

#[test]
#[ignore = "takes half a minute; ./check runs it"]
fn a_clock_step_is_no_anomaly() {
    for timing in [Timing::On, Timing::Off] {
        for seconds in [-3600.0, -5.0, -0.4, 2.0, 8.0, 3600.0_f64] {
            let reasons = check_learned(LEARNED, timing, |after, shown, _| {
                if after >= 10 {
                    shown.clock = seconds;
                }
            });
            // A smaller step is not told from a late reading.
            let is_reason = seconds.abs() > 2.5;
            assert!(!is_reason || reasons.contains("clock_step"), "{timing:?} {seconds}: {reasons:?}");
        }
    }
}

/// On a host that is no longer new, thresholds are lower, and a small step is no reason for grace.
#[test]
#[ignore = "takes half a minute; ./check runs it"]
fn clock_steps_of_a_host_learned_for_an_hour_are_no_anomaly() {
    for seconds in [-0.4, 3600.0] {
        check_learned(3_600, Timing::On, |after, shown, _| {
            if after >= 10 {
                shown.clock = seconds;
            }
        });
    }
}

#[test]
fn a_replaced_interface_is_no_anomaly() {
    for bytes in [0, 7_000_000_000_000] {
        let mut replaced = None;
        check(|after, shown, tree| {
            if after >= 10 {
                let base = *replaced.get_or_insert_with(|| {
                    let device = tree.join("sys/class/net/eth0");
                    fs::rename(&device, tree.join("old")).unwrap();
                    fs::create_dir_all(device.join("device")).unwrap();
                    shown.bytes[0].1
                });
                shown.bytes[0].1 = shown.bytes[0].1 - base + bytes;
            }
        });
    }
}

#[test]
fn an_interface_that_is_gone_for_a_while_is_no_anomaly() {
    check(|after, shown, _| {
        if (10..40).contains(&after) {
            shown.bytes[1] = ("eth7", 1_000);
        }
    });
}

#[test]
fn impossible_counts_are_no_anomaly() {
    check(|after, shown, _| {
        if after % 10 == 3 {
            shown.connections = u64::MAX - 5;
            shown.bytes[1].1 = u64::MAX - 7;
        }
    });
}

/// Each of the counters of a group, by what no group can gain: 1,000 CPU seconds, as much throttled, a million periods, 5 TB.
const LEAPS: [u64; 4] = [1_000_000_000, 1_000_000_000, 1_000_000, 5_000_000_000_000];

#[test]
#[ignore = "takes ten seconds or more; ./check runs it"]
fn counters_of_a_group_that_leap_or_are_zero_once_are_no_anomaly() {
    for (place, leap) in LEAPS.into_iter().enumerate() {
        check(|after, shown, _| {
            if after >= 10 {
                shown.group[place] += leap;
            }
        });
        check(|after, shown, _| {
            if after == 10 {
                shown.group[place] += leap;
            }
        });
    }
    check(|after, shown, _| {
        if after % 20 == 5 {
            shown.group = [0; 4];
        }
    });
}

const NET: &str = "proc/1/net/dev";
const STAT: &str = "proc/stat";
const DISKS: &str = "proc/diskstats";

/// A text in which a number of a row is another one.
fn with_column(text: &str, row: &str, column: usize, change: impl Fn(u64) -> u64) -> String {
    let changed = |line: &str| {
        let mut words: Vec<String> = line.split_ascii_whitespace().map(str::to_owned).collect();
        if words.iter().any(|it| it == row) {
            words[column] = change(words[column].parse().unwrap()).to_string();
        }
        words.join(" ") + "\n"
    };
    text.lines().map(changed).collect()
}

/// A single number is wrong, the others are right.
#[test]
fn a_single_counter_that_falls_or_leaps_is_no_anomaly() {
    let edits: [FileEdit; 9] = [
        (STAT, |it| with_column(it, "cpu", 1, |it| it - 5_000)),
        (NET, |it| with_column(it, "eth0:", 1, |_| 0)),
        (NET, |it| with_column(it, "eth0:", 2, |it| it + 70_000_000)),
        (NET, |it| with_column(it, "eth0:", 3, |_| 4_294_967_295)),
        (STAT, |it| with_column(it, "cpu", 4, |_| u64::MAX - 9)),
        (STAT, |it| with_column(it, "cpu", 8, |_| 5_000_000)),
        (DISKS, |it| with_column(it, "sda", 5, |_| 0)),
        (DISKS, |it| with_column(it, "sda", 11, |_| u64::MAX)),
        (DISKS, |it| with_column(it, "sda", 12, |it| it + 4_294_967)),
    ];
    // One after the other, for one reading each.
    check(|after, shown, _| {
        if after % 9 == 5 {
            shown.edits.extend(edits.get(after / 9));
        }
    });
    // For some time, one of each file.
    for place in 0..edits.len() / 3 {
        check(|after, shown, _| {
            if (5..30).contains(&after) {
                shown.edits.extend(edits.iter().skip(place).step_by(3));
            }
        });
    }
}

/// As of a virtual machine that was stopped, or a file that a hypervisor copies now and then.
#[test]
fn counters_that_stand_still_and_catch_up_are_no_anomaly() {
    let mut held = None;
    check(|after, shown, _| {
        if (10..40).contains(&after) {
            let now = (shown.bytes, shown.cpu, shown.sectors);
            (shown.bytes, shown.cpu, shown.sectors) = *held.get_or_insert(now);
        }
    });
}

/// Without a battery, a clock starts in 1970, and some start years ahead.
#[test]
fn a_clock_that_is_years_wrong_for_a_while_is_no_anomaly() {
    for timing in [Timing::On, Timing::Off] {
        for seconds in [-1.789e9, 3.15e8] {
            check_learned(LEARNED, timing, |after, shown, _| {
                if (10..40).contains(&after) {
                    shown.clock = seconds;
                }
            });
        }
    }
}

/// What the counters of one file are if they were 0 at an earlier time.
type FileReset = fn(&mut Shown, &Shown);

/// Of `/proc/vmstat`, `/proc/pressure` and `/proc/stat`.
const FILE_RESETS: [FileReset; 3] = [
    |now, then| now.faults = gains(now.faults, then.faults),
    |now, then| now.waits = gains(now.waits, then.waits),
    |now, then| now.events = gains(now.events, then.events),
];

fn gains(now: [u64; 3], then: [u64; 3]) -> [u64; 3] {
    std::array::from_fn(|place| now[place] - then[place])
}

#[test]
#[ignore = "takes ten seconds or more; ./check runs it"]
fn resets_and_zeros_of_memory_pressure_and_tasks_are_no_anomaly() {
    for reset in FILE_RESETS {
        let mut then: Option<Shown> = None;
        check(|after, shown, _| {
            if after >= 10 {
                let then = then.get_or_insert_with(|| shown.clone());
                reset(shown, then);
            }
        });
        check(|after, shown, _| {
            if after % 20 == 5 {
                let now = shown.clone();
                reset(shown, &now);
            }
        });
    }
}

/// As of a virtual machine that is moved: the counters of the other host go on from higher values, or from lower ones.
#[test]
fn counters_of_memory_pressure_and_tasks_that_leap_are_no_anomaly() {
    for times in [0, 3] {
        check(|after, shown, _| {
            if after >= 10 {
                for totals in [&mut shown.faults, &mut shown.waits, &mut shown.events] {
                    totals.iter_mut().for_each(|it| *it = *it / 2 + times * (*it / 2));
                }
            }
        });
    }
}
