//! Formats the explanation of a time range as text.

use std::fmt::Write as _;

use super::line_text::{cause, instant, nearby, out_of_range_signal, template};
use super::process_text::{self, culprit};
use crate::explanation::{Explanation, OutOfRangeSignal, SubjectExplanation};

/// The answer in words, then the facts of each unusual subject.
pub(super) fn text(it: &Explanation) -> String {
    let mut text = format!("{} to {} UTC\n{}\n", instant(it.from), instant(it.to), it.message);
    for subject in it.subjects.iter().filter(|it| it.unusual == Some(true) || !out_of_range(it).is_empty()) {
        details(&mut text, subject);
    }
    text
}

fn out_of_range(it: &SubjectExplanation) -> &[OutOfRangeSignal] {
    it.out_of_range.as_deref().unwrap_or_default()
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
        let title = "the host at the start or peak, with the usual use in parentheses";
        section(text, title, &process_text::scene(scene), String::clone);
    }
    section(text, "templates of its lines", &it.templates, template);
    section(text, "at the same time", &it.nearby, nearby);
    section(text, "left their range of the day before", out_of_range(it), out_of_range_signal);
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
