//! Chooses one of several lines of a file that should have one: a damaged or cut copy of it may stand before it.

use super::SourceError;
use super::kernel_file::{KernelFileLine, KernelText, SkippedLines};

/// The line of which most values are known, the first of several such, with these values; NaN for one that is not known. The
/// other lines are skipped. `None` if no line has a known value.
pub(super) fn best_line<'a, const N: usize>(
    lines: impl Iterator<Item = KernelFileLine<'a>>,
    parse: impl Fn(&str) -> [f64; N],
    skipped: &mut SkippedLines,
) -> Option<(KernelFileLine<'a>, [f64; N])> {
    let mut best: Option<(usize, KernelFileLine<'a>, [f64; N])> = None;
    for line in lines {
        let values = parse(line.text);
        let known = values.iter().filter(|it| !it.is_nan()).count();
        if known <= best.as_ref().map_or(0, |it| it.0) {
            skipped.add(line.error());
        } else if let Some((_, worse, _)) = best.replace((known, line, values)) {
            skipped.add(worse.error());
        }
    }
    best.map(|(_, line, values)| (line, values))
}

/// The values of a file of one line, as [`best_line`] chooses it, and what was skipped: other lines, and this one if a value of
/// it is not known.
pub(super) fn best_values<const N: usize>(
    text: KernelText<'_>,
    parse: impl Fn(&str) -> [f64; N],
) -> Result<([f64; N], SkippedLines), SourceError> {
    let mut skipped = SkippedLines::default();
    let Some((line, values)) = best_line(text.filled_lines(), parse, &mut skipped) else {
        return Err(skipped.fail(text.error()));
    };
    if values.iter().any(|it| it.is_nan()) {
        skipped.add(line.error());
    }
    Ok((values, skipped))
}
