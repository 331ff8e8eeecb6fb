//! How much of the work of a container, pod or service waits.
//!
//! Beyond 40 groups, files are read in turn, so the counters of one group grow at each fifth reading. The formulas are
//! therefore proportional to rates and not cut to 1: the mean over readings is then right, and is cut where it is shown.

use super::group_values::{
    CPU_LIMIT, OOM_KILLS, PRESSURE_CPU, PRESSURE_IO, PRESSURE_MEMORY, STALLED_CPU, STALLED_IO,
    STALLED_MEMORY, THROTTLED,
};
use crate::culprit::Resource;
use crate::impact::ImpactFormula;
use crate::metric::Metric;
use crate::reading::SubjectKind;
use crate::signal::ReadingPair;
use crate::sources::memory::OOM_KILL_SECONDS;

/// Each formula for each kind.
macro_rules! of_each_kind {
    ($($resource:ident: $formula:expr),* $(,)?) => {
        &[$(
            impact(SubjectKind::Container, Resource::$resource, $formula),
            impact(SubjectKind::Pod, Resource::$resource, $formula),
            impact(SubjectKind::Service, Resource::$resource, $formula)
        ),*]
    };
}

pub(in crate::sources) static IMPACTS: &[ImpactFormula] = of_each_kind![
    Cpu: throttled,
    Cpu: |it| at_least_half(it, &PRESSURE_CPU, &STALLED_CPU),
    Memory: |it| at_least_half(it, &PRESSURE_MEMORY, &STALLED_MEMORY),
    Memory: |it| Some(it.rate(&OOM_KILLS)? * OOM_KILL_SECONDS),
    Io: |it| at_least_half(it, &PRESSURE_IO, &STALLED_IO),
];

const fn impact(
    kind: SubjectKind,
    resource: Resource,
    formula: fn(&ReadingPair<'_>) -> Option<f64>,
) -> ImpactFormula {
    ImpactFormula { kind, resource, formula }
}

/// Throttled time in relation to the CPU time that the limit allows, at least one CPU: a single task limited to a fifth of a
/// CPU that always wants to run waits for four fifths of the time. Without a limit, nothing waits for it.
fn throttled(change: &ReadingPair<'_>) -> Option<f64> {
    let limit = change.level(&CPU_LIMIT)?;
    Some(change.rate(&THROTTLED)? / limit.max(1.0))
}

/// While some tasks of the group wait, others work, as on the host.
fn at_least_half(change: &ReadingPair<'_>, some: &'static Metric, full: &'static Metric) -> Option<f64> {
    let half = change.rate(some)? / 2.0;
    Some(change.rate(full).map_or(half, |full| full.max(half)))
}
