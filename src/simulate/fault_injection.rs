//! Injects one fault into the rows of any table: the simulated host, the last hour of a host, a file.

use super::fault::FaultKind;
use super::signal_groups::{FILLS, SignalGroup, devices, groups};
use super::signal_scale::{SignalScale, SignalScales};
use crate::detect::seeded_rng::SeededRng;

/// Largest number of signals that a fault affects in a table with unknown names.
const AFFECTED_MAX: usize = 3;

/// In such a table, a noisy neighbor affects every third signal, up to this number.
const NEIGHBORED_MAX: usize = 12;

/// In such a table, a device is at most this many adjacent columns.
const DEVICE_MAX: usize = 4;

/// A hanging collector is visible only if its values rarely repeat: at least this share of them varies.
const MOVES_MIN: f64 = 0.9;

/// Relative variation of a fault, because no fault is perfectly constant.
const UNEVEN: f64 = 0.1;

/// A fault with its signals and size.
#[derive(Debug, Clone)]
pub struct FaultInjection {
    fault: FaultKind,
    rows: usize,
    affected_signals: Vec<usize>,
    /// The effect on each of `affected_signals`.
    effects: Vec<FaultEffect>,
}

/// The effect on one signal.
#[derive(Debug, Clone, Copy, PartialEq)]
enum FaultEffect {
    /// It changes by this amount, in the shape of the fault.
    Move(f64),
    /// It changes by this amount, gradually over the whole fault.
    Fill(f64),
    /// It approaches this value.
    Reach(f64),
    /// It keeps its value at the start, once that is known.
    Hold(Option<f64>),
    /// It is 0.
    Stop,
    /// It is missing.
    Vanish,
}

impl FaultInjection {
    /// A fault of `rows` rows for a table with these scales; `None` if none of its signals could show it, for example
    /// if all are constant.
    pub fn new(fault: FaultKind, rows: usize, scales: &SignalScales, random: &mut SeededRng) -> Option<Self> {
        let mut injection =
            Self { fault, rows: rows.max(1), affected_signals: Vec::new(), effects: Vec::new() };
        match fault {
            FaultKind::FlatLine => injection.device(scales, random, FaultEffect::Hold(None)),
            FaultKind::VanishedDevice => injection.device(scales, random, FaultEffect::Vanish),
            FaultKind::StoppedCounter => {
                let counts: Vec<usize> = indices(scales, counts);
                injection.strike(*pick(&counts, random)?, FaultEffect::Stop);
            }
            _ => injection.move_signals(scales, random),
        }
        (!injection.affected_signals.is_empty()).then_some(injection)
    }

    /// The kind of fault.
    pub fn fault(&self) -> FaultKind {
        self.fault
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The affected signals, in the order of the table.
    pub fn affected_signals(&self) -> Vec<usize> {
        let mut affected_signals = self.affected_signals.clone();
        affected_signals.sort_unstable();
        affected_signals
    }

    /// Changes the row that is `step` rows after the start; rows after the end are unchanged. Call it for each row in
    /// turn, because a flat line remembers the first one. Missing cells stay missing.
    pub fn inject(
        &mut self,
        row: &mut [f64],
        missing: &mut [bool],
        step: usize,
        scales: &SignalScales,
        random: &mut SeededRng,
    ) {
        if step >= self.rows {
            return;
        }
        let shape = self.fault.shape(step, self.rows);
        let filled = (step + 1) as f64 / self.rows as f64;
        // One factor for all, because following signals vary with their lead.
        let uneven = 1.0 + UNEVEN * (2.0 * f64::from(random.uniform()) - 1.0);
        for (signal, effect) in self.affected_signals.iter().zip(&mut self.effects) {
            let cells = (row.get_mut(*signal), missing.get_mut(*signal), scales.get(*signal));
            let (Some(value), Some(missing), Some(scale)) = cells else { continue };
            if *missing {
                continue;
            }
            let changed = match effect {
                FaultEffect::Move(by) => *value + *by * shape * uneven,
                FaultEffect::Fill(by) => *value + *by * filled,
                // A trace of the signal's own variation remains: a saturated CPU is 98 % busy, then 99 %.
                FaultEffect::Reach(limit) => {
                    *value + (*limit - *value) * shape * (1.0 - 0.05 * (1.1 - uneven).abs())
                }
                FaultEffect::Hold(held) => *held.get_or_insert(*value),
                FaultEffect::Stop => 0.0,
                FaultEffect::Vanish => {
                    *missing = true;
                    continue;
                }
            };
            if changed.is_finite() {
                *value = changed.max(scale.min).min(scale.max);
            }
        }
    }

    fn strike(&mut self, signal: usize, effect: FaultEffect) {
        if !self.affected_signals.contains(&signal) {
            self.affected_signals.push(signal);
            self.effects.push(effect);
        }
    }

    /// A group by name if the table has one, else random signals.
    fn move_signals(&mut self, scales: &SignalScales, random: &mut SeededRng) {
        let led =
            |group: &&&SignalGroup| scales.find(group.lead).and_then(|it| scales.get(it)).is_some_and(moves);
        let known: Vec<&&SignalGroup> = groups(self.fault).iter().filter(led).collect();
        match pick(&known, random) {
            Some(group) => self.group(group, scales, random),
            None => self.any(scales, random),
        }
    }

    fn group(&mut self, group: &SignalGroup, scales: &SignalScales, random: &mut SeededRng) {
        let Some(lead) = scales.find(group.lead) else { return };
        let Some(scale) = scales.get(lead) else { return };
        let effect = self.effect(scale, random);
        self.strike(lead, effect);
        let by = match effect {
            FaultEffect::Move(by) => by,
            FaultEffect::Reach(limit) => limit - scale.level,
            _ => return,
        };
        for (name, factor) in group.follow {
            if let Some(signal) = scales.find(name) {
                let fills = self.fault == FaultKind::LogBurst && *name == FILLS;
                self.strike(
                    signal,
                    if fills { FaultEffect::Fill(by * factor) } else { FaultEffect::Move(by * factor) },
                );
            }
        }
    }

    fn any(&mut self, scales: &SignalScales, random: &mut SeededRng) {
        let mut able = indices(scales, moves);
        let count = match self.fault {
            FaultKind::NoisyNeighbor => able.len().div_ceil(3).clamp(AFFECTED_MAX, NEIGHBORED_MAX),
            _ => 1 + random.below(AFFECTED_MAX),
        };
        for _ in 0..count.min(able.len()) {
            let signal = able.swap_remove(random.below(able.len()));
            if let Some(scale) = scales.get(signal) {
                let effect = self.effect(scale, random);
                self.strike(signal, effect);
            }
        }
    }

    /// The effect on the leading signal.
    fn effect(&self, scale: &SignalScale, random: &mut SeededRng) -> FaultEffect {
        let [least, most] = self.fault.size();
        let size = (least + (most - least) * f64::from(random.uniform())) * scale.unit();
        if self.fault == FaultKind::Saturation {
            // The maximum is used only if it is far above the usual level; otherwise a plateau.
            let plateau = scale.level + size;
            return FaultEffect::Reach(if scale.max.is_finite() { scale.max } else { plateau });
        }
        // Traffic that stops is as much a fault as traffic that explodes. All other faults increase a signal. Without
        // room above, as with almost full memory, they decrease it.
        let falls = self.fault == FaultKind::LevelShift && random.uniform() < FALLS;
        let (below, above) = (scale.level - scale.min, scale.max - scale.level);
        let down = if falls { below >= size } else { above < size && below > above };
        FaultEffect::Move(if down { -size } else { size })
    }

    /// Signals of one collector: by name if the names are known, else adjacent columns.
    fn device(&mut self, scales: &SignalScales, random: &mut SeededRng, effect: FaultEffect) {
        let able = |scale: &SignalScale| effect == FaultEffect::Vanish || scale.moves >= MOVES_MIN;
        let of = |prefix: &&str| indices(scales, |it| able(it) && it.name.starts_with(*prefix));
        let known: Vec<Vec<usize>> = devices(self.fault).iter().map(of).filter(|it| !it.is_empty()).collect();
        if let Some(signals) = pick(&known, random) {
            signals.iter().for_each(|signal| self.strike(*signal, effect));
            return;
        }
        let able = indices(scales, able);
        let count = (1 + random.below(DEVICE_MAX)).min(able.len());
        let from = random.below((able.len() + 1).saturating_sub(count));
        able.iter().skip(from).take(count).for_each(|signal| self.strike(*signal, effect));
    }
}

/// Share of level shifts that decrease the signal, if there is room.
const FALLS: f32 = 0.3;

/// Whether a fault on this signal can have a size.
fn moves(scale: &SignalScale) -> bool {
    scale.unit() > 0.0 && scale.unit().is_finite() && scale.max > scale.min
}

/// Whether the signal is a counter that never rests, so that 0 is abnormal. For signals of hostnorm, names and units
/// decide: a rate below one per second may rest.
fn counts(scale: &SignalScale) -> bool {
    let own = super::COLUMNS.iter().any(|it| it.name == scale.name);
    let busy = if own { scale.name.ends_with("_per_second") && scale.low >= 1.0 } else { scale.low > 0.0 };
    busy && scale.moves > 0.0
}

fn indices(scales: &SignalScales, of: impl Fn(&SignalScale) -> bool) -> Vec<usize> {
    scales.iter().enumerate().filter(|(_, it)| of(it)).map(|(idx, _)| idx).collect()
}

fn pick<'a, T>(of: &'a [T], random: &mut SeededRng) -> Option<&'a T> {
    of.get(random.below(of.len()))
}
