//! Formats the explanation of a time range as text.

use std::fmt::Write as _;

use super::output::{instant, nearby, template};
use super::process_text::{culprit, process};
use crate::episode_text;
use crate::explanation::{Cause, DayRangeExcursion, Explanation, SubjectExplanation};
use crate::signal::SignalUnit;
use crate::sources;

/// The answer in words, then the facts of each unusual subject.
pub(super) fn text(it: &Explanation) -> String {
    let mut text = format!("{} to {} UTC\n{}\n", instant(it.from), instant(it.to), it.message);
    for subject in it.subjects.iter().filter(|it| it.unusual || !it.left_range.is_empty()) {
        details(&mut text, subject);
    }
    text
}

// Writing to a string cannot fail.
fn details(text: &mut String, it: &SubjectExplanation) {
    let _ = writeln!(text, "\n{} {}", it.kind, it.subject);
    if let Some(highest) = it.highest_score {
        let _ = writeln!(text, "  highest score {:.2} at {} UTC", highest.score, instant(highest.at));
    }
    section(text, "episodes", &it.episodes, |it| format!("{}  {}", it.id, it.sentence()));
    section(text, "causes", &it.causes, cause);
    section(text, "processes whose use grew most", &it.culprits, culprit);
    if let Some(scene) = it.scenes.last() {
        section(text, "processes at the start or peak", &scene.top, process);
    }
    section(text, "templates of its lines", &it.templates, template);
    section(text, "at the same time", &it.nearby, nearby);
    section(text, "left their range of the day before", &it.left_range, excursion);
    section(text, "similar before", &it.similar, |it| {
        format!("{}  {:.0} %  {}", it.id, it.similarity * 100.0, it.description)
    });
}

fn section<T>(text: &mut String, title: &str, rows: &[T], line: impl Fn(&T) -> String) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(text, "  {title}");
    for row in rows {
        let _ = writeln!(text, "    {}", line(row));
    }
}

fn unit(name: &str) -> SignalUnit {
    sources::signal(name).map_or(SignalUnit::Count, |it| it.unit)
}

fn cause(it: &Cause) -> String {
    let title = sources::signal(&it.signal).map_or(it.signal.as_str(), |it| it.title);
    let quantity = |value: f64| episode_text::quantity(unit(&it.signal), value);
    if let (Some(absence), Some(seconds)) = (&it.absence, it.seconds) {
        return format!("{title:<40} {absence} for {seconds:.0} s");
    }
    let value = it.value.map(quantity).unwrap_or_default();
    let expected = it.expected.map(|expected| format!("expected {}", quantity(expected))).unwrap_or_default();
    let share = it.contribution.map(|it| format!("{it:+.2} of the score")).unwrap_or_default();
    format!("{title:<40} {value:>10}  {share}  {expected}")
}

fn excursion(it: &DayRangeExcursion) -> String {
    let quantity = |value: f64| episode_text::quantity(unit(&it.signal), value);
    let (value, lower, upper) = (quantity(it.value), quantity(it.lower), quantity(it.upper));
    format!("{} UTC  {:<40} {value:>10}  range {lower} to {upper}", instant(it.at), it.title)
}
