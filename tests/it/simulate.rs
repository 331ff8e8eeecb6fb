//! The simulated machine as a whole: it behaves like real machines, its faults have their documented effects, and its
//! files are complete.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use hostnorm::detect::seeded_rng::SeededRng;
use hostnorm::simulate::{
    COLUMNS, FaultInjection, FaultKind, FaultSchedule, FreeRows, ScheduledFaultInjector, SignalScales,
    SignalSpec, SimulatedMachine, SimulatedRow, Simulation, SimulationSettings, WIDTH,
};
use hostnorm::sources;
use proptest::prelude::*;

const MINUTE: f64 = 60.0;
const MINUTES_A_DAY: usize = 1440;

fn settings(seed: u64) -> SimulationSettings {
    SimulationSettings {
        seed,
        start: 1_767_571_200.0,
        every: MINUTE,
        history: 0,
        rows: 14 * MINUTES_A_DAY,
        faults: 10,
        kinds: FaultKind::ALL.to_vec(),
    }
}

fn place(name: &str) -> usize {
    COLUMNS.iter().position(|it| it.name == name).expect(name)
}

/// The values of each signal over this many minutes.
fn series(seed: u64, minutes: usize) -> Vec<Vec<f64>> {
    let mut machine = SimulatedMachine::new(seed, 0.0, MINUTE);
    let mut series = vec![Vec::new(); WIDTH];
    for _ in 0..minutes {
        for (signal, value) in series.iter_mut().zip(machine.step()) {
            signal.push(value);
        }
    }
    series
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let count = a.len().min(b.len()) as f64;
    let (a, b) = (&a[..count as usize], &b[..count as usize]);
    let mean = |of: &[f64]| of.iter().sum::<f64>() / count;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let sum =
        |of: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(a, b)| of(a - mean_a, b - mean_b)).sum::<f64>();
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
}

fn lagged(of: &[f64], lag: usize) -> f64 {
    correlation(&of[..of.len() - lag], &of[lag..])
}

#[test]
fn signals_are_those_of_hosts() {
    // A simulated host has no hostnorm whose readings could be late.
    let own = sources::host_signals(|source| source != "timing");
    let own: Vec<_> = own.map(|it| (it.name, it.floor, 0.0, it.max())).collect();
    let simulated: Vec<_> = COLUMNS.iter().map(|it| (it.name, it.floor, it.min, it.max)).collect();
    if cfg!(target_os = "linux") {
        assert_eq!(simulated, own);
    }
}

#[test]
fn days_and_adjacent_values_are_correlated() {
    for seed in 0..4 {
        let series = series(seed, 14 * MINUTES_A_DAY);
        for name in ["cpu_busy_ratio", "network_sent_bytes_per_second", "tcp_connections_established"] {
            let of = &series[place(name)];
            let (minute, half, day) =
                (lagged(of, 1), lagged(of, MINUTES_A_DAY / 2), lagged(of, MINUTES_A_DAY));
            assert!(minute > 0.75, "{seed} {name}: from minute to minute {minute}");
            assert!(
                (0.4..0.97).contains(&day) && day > half + 0.5,
                "{seed} {name}: {day}, half a day {half}"
            );
        }
        let alone = &series[place("loopback_bytes_per_second")];
        assert!(lagged(alone, MINUTES_A_DAY).abs() < 0.2, "{seed}");
    }
}

#[test]
fn signals_are_correlated_or_independent() {
    for seed in 0..4 {
        let series = series(seed, 7 * MINUTES_A_DAY);
        let of = |a: &str, b: &str| correlation(&series[place(a)], &series[place(b)]);
        let sent = "network_sent_bytes_per_second";
        assert!(of("cpu_busy_ratio", "cpu_user_ratio") > 0.95);
        assert!(of("cpu_busy_ratio", "context_switches_per_second") > 0.7);
        assert!(of("network_received_bytes_per_second", "cpu_user_ratio") > 0.6);
        assert!(of("disk_busy_ratio", "pressure_io_ratio") > 0.8);
        assert!(of("loopback_bytes_per_second", sent).abs() < 0.2);
        assert!(of("cpu_steal_ratio", sent).abs() < 0.1);
        // Half of all pairs are hardly correlated, some strongly, as on published machines.
        let mut all = Vec::new();
        for (idx, a) in series.iter().enumerate() {
            all.extend(series[..idx].iter().map(|b| correlation(a, b).abs()));
        }
        all.sort_by(f64::total_cmp);
        let (half, ninth) = (all[all.len() / 2], all[all.len() * 9 / 10]);
        assert!((0.02..0.4).contains(&half) && (0.6..0.98).contains(&ninth), "{half} {ninth}");
    }
}

#[test]
fn jobs_are_seen_each_day_and_files_grow_until_they_are_rotated() {
    let series = series(5, 10 * MINUTES_A_DAY);
    let reads = &series[place("disk_read_bytes_per_second")];
    for day in reads.chunks(MINUTES_A_DAY) {
        let backup = day.iter().filter(|it| **it > 15e6).count();
        assert!((20..40).contains(&backup), "{backup} minutes of backup");
    }
    let used = &series[place("filesystem_used_ratio")];
    let falls = used.windows(2).filter(|it| it[1] < it[0]).count();
    assert!((9..=11).contains(&falls), "{falls} rotations");
    let swap = &series[place("swap_pages_per_second")];
    assert!(swap.iter().filter(|it| **it > 0.0).count() < swap.len() / 50);
}

/// The rows of a simulation, and the same without faults.
fn both(settings: &SimulationSettings) -> (Vec<SimulatedRow>, Vec<SimulatedRow>) {
    let sound = SimulationSettings { faults: 0, ..settings.clone() };
    (Simulation::new(settings).unwrap().collect(), Simulation::new(&sound).unwrap().collect())
}

#[test]
fn each_fault_changes_only_its_signals() {
    for fault in FaultKind::ALL {
        for seed in 0..3 {
            let settings = SimulationSettings { faults: 4, kinds: vec![fault], ..settings(seed) };
            let (rows, sound) = both(&settings);
            let causes: Vec<_> = rows.iter().filter_map(|it| it.started_fault.clone()).collect();
            assert_eq!(causes.len(), 4, "{fault}");
            for (idx, (row, sound)) in rows.iter().zip(&sound).enumerate() {
                let cause = causes.iter().find(|it| (it.from..it.to).contains(&idx));
                assert_eq!(row.fault, cause.map(|it| it.fault), "{fault} row {idx}");
                for (signal, column) in COLUMNS.iter().enumerate() {
                    if cause.is_none_or(|it| !it.signals.contains(&signal)) {
                        let same = row.values[signal] == sound.values[signal] && !row.missing[signal];
                        assert!(same, "{fault} row {idx}: {} changed", column.name);
                    }
                }
            }
            for cause in &causes {
                check_shape(
                    fault,
                    cause.signals.as_slice(),
                    &rows[cause.from..cause.to],
                    &sound[cause.from..],
                );
            }
        }
    }
}

/// Checks the characteristics of each fault.
fn check_shape(fault: FaultKind, signals: &[usize], rows: &[SimulatedRow], sound: &[SimulatedRow]) {
    let moved = |row: usize, signal: usize| {
        (rows[row].values[signal] - sound[row].values[signal]).abs()
            / (COLUMNS[signal].floor.max(0.1 * sound[row].values[signal].abs()))
    };
    let largest =
        |row: usize| signals.iter().map(|signal| moved(row, *signal)).fold(0.0, |a: f64, b| a.max(b));
    let last = rows.len() - 1;
    match fault {
        FaultKind::VanishedDevice => {
            let gone = |row: &SimulatedRow| signals.iter().all(|it| row.missing[*it]);
            assert!(rows.iter().all(gone));
        }
        FaultKind::FlatLine => {
            assert!(rows.iter().all(|row| signals.iter().all(|it| row.values[*it] == rows[0].values[*it])));
        }
        FaultKind::StoppedCounter => {
            assert!(rows.iter().all(|row| signals.iter().all(|it| row.values[*it] == 0.0)));
            assert!(sound.iter().take(rows.len()).all(|row| signals.iter().all(|it| row.values[*it] > 0.0)));
        }
        FaultKind::Leak => {
            assert!(largest(last) > 3.0 && largest(0) < 0.3 * largest(last), "{}", largest(last));
        }
        FaultKind::Oscillation => {
            let swings = (0..rows.len()).filter(|row| largest(*row) > 1.0).count();
            assert!(swings > rows.len() / 4 && swings < rows.len(), "{swings} of {}", rows.len());
        }
        FaultKind::NoisyNeighbor => {
            assert!(signals.len() >= 7 && largest(last) > 1.0 && largest(last) < 10.0, "{}", largest(last));
        }
        FaultKind::Spike | FaultKind::LevelShift | FaultKind::Saturation | FaultKind::LogBurst => {
            let row = last.min(3);
            assert!(largest(row) > 2.0, "{fault} {signals:?} {}", largest(row));
        }
    }
}

#[test]
fn a_table_of_foreign_names_has_faults_too() {
    let names: Vec<String> = (0..20).map(|it| format!("value{it}")).collect();
    let columns: Vec<_> = names.iter().map(|it| SignalSpec::named(it)).collect();
    let mut machine = SimulatedMachine::new(4, 0.0, 30.0);
    let rows: Vec<_> = (0..120).map(|_| machine.step()).collect();
    let scales = SignalScales::measure(&columns, rows.iter().map(|it| (&it[..20], &[][..])));
    for fault in FaultKind::ALL {
        for seed in 0..20 {
            let mut random = SeededRng::new(seed);
            let mut injection = FaultInjection::new(fault, 20, &scales, &mut random).unwrap();
            let mut changed = [false; 20];
            for (step, row) in rows.iter().take(30).enumerate() {
                let (mut row, before, mut missing) = (row[..20].to_vec(), &row[..20], [false; 20]);
                injection.inject(&mut row, &mut missing, step, &scales, &mut random);
                for idx in 0..20 {
                    changed[idx] |= row[idx] != before[idx] || missing[idx];
                    assert!(step < 20 || !missing[idx] && row[idx] == before[idx], "{fault} after its end");
                    assert!(row[idx] >= 0.0, "{fault}: below what can be");
                }
            }
            let affected_signals = injection.affected_signals();
            assert!(
                !affected_signals.is_empty()
                    && (0..20).all(|it| !changed[it] || affected_signals.contains(&it)),
                "{fault}"
            );
            assert!(affected_signals.iter().any(|it| changed[*it]), "{fault} changed nothing");
        }
    }
    let constant = [[1.0, 2.0]; 9];
    let scales = SignalScales::measure(&columns[..2], constant.iter().map(|it| (&it[..], &[][..])));
    assert!(FaultInjection::new(FaultKind::Spike, 3, &scales, &mut SeededRng::new(1)).is_none());
    assert!(
        FaultInjection::new(FaultKind::Spike, 3, &SignalScales::default(), &mut SeededRng::new(1)).is_none()
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn values_are_finite_and_within_their_limits(
        seed: u64, start in 0_u32.., every in 1.0..10_000.0, rows in 1_usize..600, faults in 0_usize..5,
    ) {
        let settings = SimulationSettings { every, rows, faults, start: f64::from(start), ..settings(seed) };
        // Faults that do not fit are refused; then the fault-free machine is checked.
        let simulation = Simulation::new(&settings)
            .unwrap_or_else(|_| Simulation::new(&SimulationSettings { faults: 0, ..settings.clone() }).unwrap());
        let mut count = 0;
        for row in simulation {
            count += 1;
            for (value, column) in row.values.iter().zip(&COLUMNS) {
                prop_assert!(value.is_finite() && (column.min..=column.max).contains(value), "{}", column.name);
                prop_assert!(*value < 1e10, "{} is {value}", column.name);
            }
        }
        prop_assert_eq!(count, rows);
    }

    #[test]
    fn no_table_breaks_an_injection(
        seed: u64,
        width in 0_usize..12,
        cells in prop::collection::vec(prop_oneof![any::<f64>(), 0.0..1.0, Just(0.0)], 0..300),
    ) {
        let columns = vec![SignalSpec::named("x"); width];
        let rows: Vec<&[f64]> = cells.chunks(width.max(1)).collect();
        let scales = SignalScales::measure(&columns, rows.iter().map(|it| (*it, &[][..])));
        let space = FreeRows { from: 0, rows: 4000, every: 60.0 };
        let schedule = FaultSchedule::new(seed, space, 3, &FaultKind::ALL).unwrap();
        let mut tamper = ScheduledFaultInjector::new(seed, schedule, scales);
        for row in rows.iter().cycle().take(if rows.is_empty() { 0 } else { 4000 }) {
            let (mut row, mut missing) = (row.to_vec(), vec![false; row.len()]);
            let before = row.clone();
            let (_, _) = tamper.apply(&mut row, &mut missing);
            for (value, before) in row.iter().zip(&before) {
                prop_assert!(value.is_finite() || !before.is_finite());
            }
        }
    }
}

fn simulate(dir: &Path, args: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hostnorm"));
    command.env_clear().current_dir(dir).arg("simulate").args(args.split_whitespace()).output().unwrap()
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo).
fn digest(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn files_are_as_asked() {
    let dir = tempfile::tempdir().unwrap();
    let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    let line = "--seed 1 --every 5m --for 8d --faults 12 --output d.csv --labels d.label --causes d.interp \
                --history h.csv --history-for 2d";
    let output = simulate(dir.path(), line);
    assert!(output.status.success(), "{output:?}");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.starts_with("d.csv: 2304 rows of 29 signals, 12 faults\nrows "), "{printed}");
    let (data, labels, causes, history) = (read("d.csv"), read("d.label"), read("d.interp"), read("h.csv"));
    let header = data.lines().next().unwrap();
    assert!(header.starts_with("timestamp,cpu_busy_ratio,cpu_user_ratio,"), "{header}");
    assert_eq!(history.lines().next().unwrap(), header);
    assert_eq!((data.lines().count(), labels.lines().count(), history.lines().count()), (2305, 2304, 577));
    assert!(history.lines().nth(1).unwrap().starts_with("1767571500,"));
    let next = history.lines().last().unwrap().split(',').next().unwrap().parse::<u64>().unwrap() + 300;
    assert!(data.lines().nth(1).unwrap().starts_with(&format!("{next},")));
    assert!(data.contains(",,") && !history.contains(",,"));
    let mut expected = vec!["0"; 2304];
    for cause in causes.lines() {
        let (rows, signals) = cause.split_once(':').unwrap();
        let (from, to) = rows.split_once('-').unwrap();
        expected[from.parse::<usize>().unwrap()..=to.parse().unwrap()].fill("1");
        assert!(signals.split(',').all(|it| (1..=WIDTH).contains(&it.parse().unwrap())), "{cause}");
    }
    assert_eq!(labels.lines().collect::<Vec<_>>(), expected);
    let before = [data, labels, causes, history].map(|it| digest(it.as_bytes()));
    assert!(simulate(dir.path(), line).status.success());
    let after = ["d.csv", "d.label", "d.interp", "h.csv"].map(|it| digest(read(it).as_bytes()));
    assert_eq!(before, after);
    // A change of the simulation changes these; then update them.
    assert_eq!(after, DIGESTS, "{after:#x?}");
    assert!(simulate(dir.path(), &line.replace("--seed 1", "--seed 2")).status.success());
    assert_ne!(digest(read("d.csv").as_bytes()), after[0]);
}

/// Digests of rows, labels, causes and history in `files_are_as_asked`.
const DIGESTS: [u64; 4] =
    [0x7e60_85bb_2508_76db, 0x946c_84e3_9fa4_33b1, 0x12c8_b09f_7023_d8f3, 0x3e1c_fd3d_e1e5_84f4];

#[test]
fn impossible_settings_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let check = |args: &str, code: i32, expect: &str| {
        let output = simulate(dir.path(), args);
        let printed = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args}: {printed}");
        assert!(printed.starts_with(expect), "{args}: {printed}");
    };
    check("--output nowhere/d.csv", 1, "cannot write nowhere/d.csv: No such file");
    check(
        "--output d.csv --fault gremlin",
        64,
        "--fault unknown fault gremlin; expected one of spike, level-shift,",
    );
    check("--output d.csv --for 1d --fault leak", 64, "leak with the quiet around it needs 240 rows");
    check("", 64, "error: the following required arguments were not provided");
    if cfg!(target_os = "linux") {
        check("--output /dev/full", 1, "cannot write /dev/full: No space left");
    }
}
