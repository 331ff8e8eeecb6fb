//! The simulated machine as readings: a host with all of its signals and with faults.

use hostnorm::metric::Metric;
use hostnorm::reading::{MetricLabels, Reading, SubjectKind, Timestamp};
use hostnorm::signal::{ReadingPair, Signal, SignalUnit};
use hostnorm::simulate::{COLUMNS, FaultKind, Simulation, SimulationSettings, WIDTH};

pub(crate) static VALUE: Metric = Metric::gauge("value", "A value").by(&["signal"]);

fn value<const IDX: usize>(change: &ReadingPair<'_>) -> Option<f64> {
    change.current.get_by(&VALUE, &MetricLabels::new([COLUMNS[IDX].name]))
}

const fn signal(idx: usize, of: fn(&ReadingPair<'_>) -> Option<f64>) -> Signal {
    let name = COLUMNS[idx].name;
    let floor = COLUMNS[idx].floor;
    Signal {
        kind: SubjectKind::Host,
        name,
        title: name,
        help: name,
        unit: SignalUnit::Count,
        floor,
        device: None,
        formula: of,
    }
}

macro_rules! signals {
    ($($idx:literal)*) => { [$(signal($idx, value::<$idx>)),*] };
}

/// One for each column of the simulation.
pub(crate) static SIGNALS: [Signal; WIDTH] =
    signals!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28);

/// This many readings, `every` seconds apart, with faults after the first `history` of them.
pub(crate) fn readings(seed: u64, every: f64, history: usize, rows: usize, faults: usize) -> Vec<Reading> {
    let kinds = FaultKind::ALL.to_vec();
    let settings = SimulationSettings { seed, start: 1.7e9, every, history, rows, faults, kinds };
    let simulation = Simulation::new(&settings).unwrap();
    let labels: Vec<MetricLabels> = COLUMNS.iter().map(|it| MetricLabels::new([it.name])).collect();
    let reading = |row: hostnorm::simulate::SimulatedRow| {
        let mut reading = Reading::new(Timestamp(row.at));
        for ((value, missing), labels) in row.values.iter().zip(row.missing).zip(&labels) {
            if !missing {
                reading.host().set_by(&VALUE, labels, *value);
            }
        }
        reading
    };
    simulation.map(reading).collect()
}
