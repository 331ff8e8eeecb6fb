//! The signals to look at first, each with its chart.

use maud::{Markup, html};

use super::chart::Chart;
use super::signal_text;
use super::subject_history::{BucketedSeries, SubjectHistory};
use crate::report::{Assessment, SignalState};
use crate::store::TimeRange;

/// Most signals with a chart.
const CHARTS_MAX: usize = 6;
/// Height of a chart, in pixels.
pub(super) const HEIGHT: f64 = 64.0;

/// The signals to show: those that cause an anomaly, then those that are nearest to the end of their normal range.
pub(super) fn chosen(assessment: &Assessment) -> Vec<&SignalState> {
    let is_anomaly = assessment.episode.is_some();
    let causes = assessment.details.iter().flat_map(|it| &it.causes);
    let causes: Vec<&str> =
        causes.filter(|it| is_anomaly && it.value > 0.0).map(|it| it.signal.name).collect();
    let rank =
        |it: &SignalState| causes.iter().position(|name| *name == it.signal.name).unwrap_or(usize::MAX);
    let mut chosen: Vec<&SignalState> =
        assessment.signals.iter().filter(|it| it.expected.is_some()).collect();
    chosen.sort_by(|one, other| {
        rank(one).cmp(&rank(other)).then_with(|| deviation(other).total_cmp(&deviation(one)))
    });
    chosen.truncate(CHARTS_MAX);
    chosen
}

/// The distance from the expected value, where 1 is the end of the normal range; 0 where it is open or not known.
fn deviation(state: &SignalState) -> f64 {
    let Some(expected) = state.expected else { return 0.0 };
    let distance = state.value - expected.value;
    let end = if distance > 0.0 { expected.upper } else { expected.lower };
    let reach = (end - expected.value).abs();
    if reach.is_finite() && reach > 0.0 { distance.abs() / reach } else { 0.0 }
}

/// Where a value is, compared with its normal range.
pub(super) fn position(state: &SignalState) -> Option<&'static str> {
    let expected = state.expected?;
    Some(match state.value {
        value if value > expected.upper => "above",
        value if value < expected.lower => "below",
        _ => "in range",
    })
}

/// A card for each signal.
pub(super) fn signal_cards(
    signals: &[&SignalState],
    history: Option<&SubjectHistory>,
    range: TimeRange,
    title: &str,
) -> Markup {
    html! {
        ul.cards {
            @for (index, state) in signals.iter().enumerate() {
                li.card { (card(state, history.and_then(|it| it.signals.get(index)), range, title)) }
            }
        }
    }
}

fn card(state: &SignalState, series: Option<&BucketedSeries>, range: TimeRange, title: &str) -> Markup {
    let (signal, unit) = (state.signal, Some(state.signal.unit));
    let position = position(state).unwrap_or("no range yet");
    let bounds = state.expected.map(signal_text::bounds);
    let range_text = bounds.map(|[lower, upper]| signal_text::range(unit, lower, upper));
    html! {
        h3 { (signal.title) }
        p.figure {
            span.value { (signal_text::value(unit, state.value)) } " "
            span.position data-position=(position) { (position) }
        }
        @if let (Some(expected), Some(text)) = (state.expected, &range_text) {
            p.note { "expected " (signal_text::value(unit, expected.value)) ", normal " (text) }
        }
        @if let Some(series) = series.filter(|it| !it.0.is_empty()) {
            (Chart {
                id: signal.name,
                title: format!("{}, last {title}", signal.title),
                description: format!(
                    "Now {}; normal range {}",
                    signal_text::value(unit, state.value),
                    range_text.unwrap_or_else(|| "not known".into()),
                ),
                range,
                height: HEIGHT,
                series,
                peaks: false,
                normal: bounds,
                threshold: None,
                episodes: Vec::new(),
                top_min: 0.0,
                most: signal.max(),
                label: Box::new(move |it| signal_text::value(unit, it)),
            }.markup())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Timestamp;
    use crate::report::{Contribution, DeviationDirection, Episode, ExpectedValue, ScoreDetails};

    fn state(name: &str, value: f64) -> SignalState {
        let expected = Some(ExpectedValue { value: 0.5, lower: 0.0, upper: 1.0 });
        SignalState {
            signal: crate::sources::signal(name).unwrap(),
            value,
            expected,
            expected_by_detector: Default::default(),
            drift: None,
        }
    }

    #[test]
    fn causes_come_first_and_then_what_is_nearest_to_its_range() {
        let names = ["memory_used_ratio", "cpu_busy_ratio", "disk_busy_ratio"];
        let signals = vec![state(names[0], 0.9), state(names[1], 0.6), state(names[2], 1.5)];
        let causes =
            vec![Contribution { signal: signals[1].signal, direction: DeviationDirection::High, value: 1.0 }];
        let details = Some(ScoreDetails { causes, ..ScoreDetails::default() });
        let quiet = Assessment { signals, details, ..Assessment::default() };
        let shown = |it: &Assessment| chosen(it).iter().map(|it| it.signal.name).collect::<Vec<_>>();
        assert_eq!(shown(&quiet), [names[2], names[0], names[1]]);
        let episode = Some(Episode { since: Timestamp(0.0), peak: 1.0, lasted: 0.0 });
        assert_eq!(shown(&Assessment { episode, ..quiet }), [names[1], names[2], names[0]]);
    }

    #[test]
    fn a_value_is_in_its_range_or_beside_it() {
        assert_eq!(
            [0.5, 1.5, -0.5].map(|it| position(&state("cpu_busy_ratio", it)).unwrap()),
            ["in range", "above", "below"]
        );
    }
}
