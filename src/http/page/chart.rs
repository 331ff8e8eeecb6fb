//! Charts as SVG: a line over time with a range, a threshold and episodes.
//!
//! The plot is stretched to the width of the page, its labels are not: they are placed by percentages outside of it.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::subject_history::{BucketedSeries, ChartBucket};
use super::time_text;
use crate::store::TimeRange;

/// Width of a plot in its own units.
const WIDTH: f64 = 1_000.0;
/// Room below a plot for the labels of the time, in pixels.
const LABELS_HEIGHT: f64 = 18.0;
/// The narrowest mark of an episode, so that a short one is seen within a week.
const EPISODE_WIDTH_MIN: f64 = 3.0;
/// A line is interrupted where values lie further apart than this share of the range.
const GAP_SHARE: f64 = 1.0 / 30.0;
/// A line is not interrupted where values lie no further apart than this many times their usual distance.
const GAP_DISTANCES: f64 = 3.0;
/// A range longer than this has labels with the day, …
const DAYS_SECONDS: f64 = 129_600.0;
/// … and one shorter than this with the second.
const MINUTES_SECONDS: f64 = 1_800.0;

/// What a chart shows.
pub(super) struct Chart<'a> {
    /// Identifier of the element, unique in the page.
    pub(super) id: &'a str,
    /// What it shows, for those who do not see it.
    pub(super) title: String,
    /// What can be seen in it.
    pub(super) description: String,
    /// The time from left to right.
    pub(super) range: TimeRange,
    /// Height of the plot, in pixels.
    pub(super) height: f64,
    /// The values.
    pub(super) series: &'a BucketedSeries,
    /// Whether the line goes through the largest value of each bucket, instead of the mean.
    pub(super) peaks: bool,
    /// The lower and upper end of the normal range; an open end is absent.
    pub(super) normal: Option<[Option<f64>; 2]>,
    /// A value from which on something is anomalous.
    pub(super) threshold: Option<f64>,
    /// Start and end of each episode.
    pub(super) episodes: Vec<[f64; 2]>,
    /// The least that the vertical axis shows.
    pub(super) top_min: f64,
    /// The most that the values can be; infinity if there is no such value.
    pub(super) most: f64,
    /// A value of the vertical axis in words.
    pub(super) label: Box<dyn Fn(f64) -> String + 'a>,
}

impl Chart<'_> {
    /// The chart as an image with title and description.
    pub(super) fn markup(&self) -> Markup {
        let axis = self.axis();
        let (id, height) = (self.id, self.height);
        let x = |at: f64| self.x(at);
        let y = |value: f64| axis.y(value, height);
        html! {
            svg.chart role="img" aria-labelledby={ (id) "-title" } aria-describedby={ (id) "-desc" }
                width="100%" height=(height + LABELS_HEIGHT) {
                title id={ (id) "-title" } { (self.title) }
                desc id={ (id) "-desc" } { (self.description) }
                svg.plot viewBox={ "0 0 " (WIDTH) " " (height) } preserveAspectRatio="none" width="100%" height=(height) {
                    @for [began, ended] in &self.episodes {
                        @let left = x(*began);
                        rect.episode x=(number(left)) y="0" height=(height)
                            width=(number((x(*ended) - left).max(EPISODE_WIDTH_MIN))) {}
                    }
                    @if let Some([lower, upper]) = self.normal {
                        @let (top, bottom) = (upper.map_or(0.0, y), lower.map_or(height, y));
                        rect.normal x="0" width=(WIDTH) y=(number(top)) height=(number((bottom - top).max(1.0))) {}
                    }
                    line.axis x1="0" x2=(WIDTH) y1=(height - 0.5) y2=(height - 0.5) {}
                    @if !self.peaks { path.extent d=(self.extent(&axis)) {} }
                    path.line d=(self.line(&axis)) {}
                    @if let Some(threshold) = self.threshold {
                        line.threshold x1="0" x2=(WIDTH) y1=(number(y(threshold))) y2=(number(y(threshold))) {}
                    }
                }
                text.label x="0" y="11" { ((self.label)(axis.top)) }
                @if let Some(threshold) = self.threshold {
                    text.label.of-threshold x="100%" y=(number(y(threshold) - 4.0)) text-anchor="end" { "unusual level " ((self.label)(threshold)) }
                }
                @for (share, anchor) in [(0, "start"), (25, "middle"), (50, "middle"), (75, "middle"), (100, "end")] {
                    text.label x={ (share) "%" } y=(height + LABELS_HEIGHT - 4.0) text-anchor=(anchor) { (self.time_label(share)) }
                }
            }
        }
    }

    fn x(&self, at: f64) -> f64 {
        let TimeRange { from, to } = self.range;
        ((at - from.0) / (to.0 - from.0) * WIDTH).clamp(0.0, WIDTH)
    }

    fn axis(&self) -> Axis {
        let shown = self.series.0.iter().flat_map(|it| [it.min, it.max]);
        let marks = self.normal.into_iter().flatten().flatten().chain(self.threshold);
        let (mut bottom, mut top) = (0.0_f64, self.top_min);
        for value in shown.chain(marks) {
            (bottom, top) = (bottom.min(value), top.max(value));
        }
        let room = bottom + (top - bottom) * 1.08;
        let top = if top <= self.most { room.min(self.most) } else { room };
        Axis { bottom, top: if top > bottom { top } else { bottom + 1.0 } }
    }

    fn line(&self, axis: &Axis) -> String {
        let value = |it: &ChartBucket| if self.peaks { it.max } else { it.mean };
        let mut path = String::new();
        for run in self.runs() {
            for (index, it) in run.iter().enumerate() {
                let command = if index == 0 { 'M' } else { 'L' };
                let (x, y) = (number(self.x(it.at)), number(axis.y(value(it), self.height)));
                // Writing into a string cannot fail. A single value is a line without length, which round caps show.
                let _ = write!(path, "{command}{x} {y}");
                if run.len() == 1 {
                    path.push_str("h0");
                }
            }
        }
        path
    }

    /// The area between the smallest and largest value of each bucket.
    fn extent(&self, axis: &Axis) -> String {
        let mut path = String::new();
        for run in self.runs().filter(|it| it.len() > 1) {
            let upper = run.iter().map(|it| (it.at, it.max));
            let lower = run.iter().rev().map(|it| (it.at, it.min));
            for (index, (at, value)) in upper.chain(lower).enumerate() {
                let command = if index == 0 { 'M' } else { 'L' };
                let (x, y) = (number(self.x(at)), number(axis.y(value, self.height)));
                let _ = write!(path, "{command}{x} {y}");
            }
            path.push('Z');
        }
        path
    }

    /// The buckets between which there is no gap.
    fn runs(&self) -> impl Iterator<Item = &[ChartBucket]> {
        let mut distances: Vec<f64> = self.series.0.windows(2).map(|it| it[1].at - it[0].at).collect();
        distances.sort_by(f64::total_cmp);
        let usual = distances.get(distances.len() / 2).copied().unwrap_or_default();
        let gap = ((self.range.to.0 - self.range.from.0) * GAP_SHARE).max(usual * GAP_DISTANCES);
        self.series.0.chunk_by(move |one, next| next.at - one.at <= gap)
    }

    fn time_label(&self, share: u32) -> String {
        let TimeRange { from, to } = self.range;
        let length = to.0 - from.0;
        let at = from.0 + length * f64::from(share) / 100.0;
        match length {
            ..MINUTES_SECONDS => time_text::clock(at),
            ..DAYS_SECONDS => time_text::minute(at),
            _ => time_text::day(at),
        }
    }
}

/// A vertical axis.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Axis {
    bottom: f64,
    top: f64,
}

impl Axis {
    fn y(self, value: f64, height: f64) -> f64 {
        ((self.top - value) / (self.top - self.bottom) * height).clamp(0.0, height)
    }
}

/// A coordinate, short.
fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reading::Timestamp;

    fn series(values: &[(f64, f64)]) -> BucketedSeries {
        let mut series = BucketedSeries::default();
        values.iter().for_each(|(at, value)| series.add(1.0, *at, *value));
        series
    }

    fn chart(series: &BucketedSeries) -> Chart<'_> {
        Chart {
            id: "score",
            title: "Score".into(),
            description: "Highest 3".into(),
            range: TimeRange { from: Timestamp(0.0), to: Timestamp(300.0) },
            height: 100.0,
            series,
            peaks: true,
            normal: None,
            threshold: Some(1.0),
            episodes: vec![[30.0, 60.0], [299.9, 1e9]],
            top_min: 1.5,
            most: f64::INFINITY,
            label: Box::new(|it| format!("{it:.1}")),
        }
    }

    #[test]
    fn a_line_is_interrupted_at_a_gap() {
        let values = series(&[(0.0, 0.0), (10.0, 1.0), (20.0, 0.0), (150.0, 0.0)]);
        let chart = Chart { threshold: None, top_min: 1.0, ..chart(&values) };
        assert_eq!(chart.line(&Axis { bottom: 0.0, top: 1.0 }), "M0 100L33.3 0L66.7 100M500 100h0");
    }

    #[test]
    fn episodes_are_marked_and_short_ones_can_be_seen() {
        let values = series(&[(0.0, 0.5)]);
        let markup = chart(&values).markup().into_string();
        assert!(
            markup.contains(r#"<rect class="episode" x="100" y="0" height="100" width="100">"#),
            "{markup}"
        );
        assert!(markup.contains(r#"x="999.7" y="0" height="100" width="3">"#), "{markup}");
        assert!(markup.contains(r#"<title id="score-title">Score</title>"#), "{markup}");
        assert!(!markup.contains("style="), "{markup}");
    }

    #[test]
    fn an_axis_without_values_has_a_length() {
        let empty = BucketedSeries::default();
        let chart = Chart { threshold: None, top_min: 0.0, ..chart(&empty) };
        assert_eq!(chart.axis(), Axis { bottom: 0.0, top: 1.0 });
        let shares = series(&[(0.0, 0.99)]);
        let chart = Chart { threshold: None, top_min: 0.0, most: 1.0, ..self::chart(&shares) };
        assert_eq!(chart.axis(), Axis { bottom: 0.0, top: 1.0 });
    }
}
