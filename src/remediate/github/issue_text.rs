//! The words of issues and comments, in Markdown. What alerts say is quoted so that it cannot mention people or close issues.

use std::fmt::Write as _;

use super::super::notification::{Alert, AlertStatus};
use super::super::plan::ActionInput;
use super::hash;

/// Longest title, in characters; GitHub takes 256.
const TITLE_CHARS_MAX: usize = 200;
/// Longest text, in bytes; GitHub takes 65,536 characters.
const TEXT_BYTES_MAX: usize = 30_000;
/// Longest value in a table, in characters.
const CELL_CHARS_MAX: usize = 300;

/// What is around the hash of a hidden marker.
const MARKER: (&str, &str) = ("<!-- hostnorm:", " -->");

/// A hidden marker that names a lane or a key.
pub(super) fn marker(text: &str) -> String {
    let (start, end) = MARKER;
    format!("{start}{:016x}{end}", hash(text))
}

/// The hashes of the lane and the key that the first two markers of a text name.
pub(super) fn marked(text: &str) -> Option<[u64; 2]> {
    let (start, end) = MARKER;
    let mut hashes = text.split(start).skip(1).filter_map(|it| {
        let word = it.split(end).next()?;
        u64::from_str_radix(word, 16).ok().filter(|_| word.len() == 16)
    });
    Some([hashes.next()?, hashes.next()?])
}

/// The title of an issue: the alert and its sentence.
pub(super) fn title(alert: &Alert) -> String {
    let name = alert.label("alertname");
    let summary = match alert.annotation("summary") {
        "" => alert.sentence(),
        summary => summary,
    };
    let title = if name.is_empty() { summary.to_owned() } else { format!("{name}: {summary}") };
    plain(&title, TITLE_CHARS_MAX)
}

/// The body of an issue: sentence, causes, culprit, links, labels, and both markers.
pub(super) fn body(payload: &ActionInput, lane: &str, key: &str) -> String {
    let alert = &payload.alert;
    let mut text = format!("{}\n\n", plain(alert.sentence(), TEXT_BYTES_MAX / 4));
    for (name, heading) in [("causes", "Causes"), ("culprit", "Culprit"), ("severity", "Severity")] {
        let value = [alert.annotation(name), alert.label(name)].into_iter().find(|it| !it.is_empty());
        if let Some(value) = value {
            let _ = writeln!(text, "- **{heading}:** {}", plain(value, CELL_CHARS_MAX));
        }
    }
    let _ = writeln!(text, "- **Since:** {}", plain(&alert.starts_at, CELL_CHARS_MAX));
    let links = [
        ("Dashboard", alert.annotation("dashboard_url")),
        ("Runbook", alert.annotation("runbook_url")),
        ("Expression", &alert.generator_url),
        ("Alertmanager", &payload.alertmanager_url),
    ];
    for (name, url) in links {
        if is_link(url) {
            let _ = writeln!(text, "- [{name}](<{url}>)");
        }
    }
    text.push_str("\n| label | value |\n|---|---|\n");
    for (name, value) in &alert.labels {
        let row = format!("| {} | {} |\n", plain(name, CELL_CHARS_MAX), plain(value, CELL_CHARS_MAX));
        if text.len() + row.len() > TEXT_BYTES_MAX {
            break;
        }
        text.push_str(&row);
    }
    let rule = plain(&payload.rule, CELL_CHARS_MAX);
    let _ = write!(
        text,
        "\nhostnorm opened this issue by its rule {rule} and closes it when the alert is over.\n\n{lane}\n{key}\n"
    );
    text
}

/// A comment about a new state of an alert.
pub(super) fn comment(alert: &Alert, marker: &str) -> String {
    let sentence = plain(alert.sentence(), TEXT_BYTES_MAX / 4);
    match alert.status {
        AlertStatus::Firing => {
            let since = plain(&alert.starts_at, CELL_CHARS_MAX);
            format!("Firing since {since}: {sentence}\n\n{marker}\n")
        }
        AlertStatus::Resolved => {
            let until = plain(&alert.ends_at, CELL_CHARS_MAX);
            format!("Resolved at {until}. It was: {sentence}\n\n{marker}\n")
        }
    }
}

/// One line in which no character has a meaning in Markdown, and no name is a mention.
fn plain(text: &str, chars_max: usize) -> String {
    let mut line = String::new();
    for (idx, character) in text.trim().chars().enumerate() {
        if idx == chars_max {
            line.push('…');
            break;
        }
        match character {
            '<' => line.push_str("&lt;"),
            '>' => line.push_str("&gt;"),
            '&' => line.push_str("&amp;"),
            // An invisible character keeps these from being a mention or a reference.
            '@' | '#' => line.extend([character, '\u{200b}']),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '~' => line.extend(['\\', character]),
            other if other.is_control() => line.push(' '),
            other => line.push(other),
        }
    }
    line
}

fn is_link(url: &str) -> bool {
    (url.starts_with("https://") || url.starts_with("http://"))
        && !url.chars().any(|it| it.is_whitespace() || it.is_control() || matches!(it, '<' | '>'))
}

#[cfg(test)]
mod tests {
    use super::super::super::matcher::tests::alert;
    use super::*;
    use proptest::prelude::*;

    fn payload(labels: &[(&str, &str)]) -> ActionInput {
        ActionInput {
            rule: "tickets".into(),
            alertmanager_url: "http://am:9093".into(),
            alert: alert(labels),
        }
    }

    #[test]
    fn a_body_has_what_one_needs() {
        let body =
            body(&payload(&[("alertname", "HostAnomalous"), ("culprit", "a|b")]), &marker("l"), &marker("k"));
        for part in [
            "memory used 91 %\n",
            "- **Culprit:** a\\|b\n",
            "- **Since:** 2026-01-02T03:04:05Z\n",
            "- [Expression](<http://prometheus/graph>)\n",
            "- [Alertmanager](<http://am:9093>)\n",
            "| alertname | HostAnomalous |\n",
        ] {
            assert!(body.contains(part), "{part} in {body}");
        }
        assert_eq!(marked(&body), Some([hash("l"), hash("k")]));
    }

    #[test]
    fn markers_are_read_back() {
        let check = |text: &str, expect: Option<[u64; 2]>| assert_eq!(marked(text), expect, "{text}");
        check("<!-- hostnorm:000000000000000a -->x<!-- hostnorm:ffffffffffffffff -->", Some([10, u64::MAX]));
        check(
            "<!-- hostnorm:a --><!-- hostnorm:0000000000000001 --> <!-- hostnorm:0000000000000002 -->",
            Some([1, 2]),
        );
        check("<!-- hostnorm:0000000000000001 -->", None);
        check("<!-- hostnorm:", None);
        check("", None);
    }

    #[test]
    fn nobody_is_mentioned() {
        assert_eq!(plain("@all #1 <b>", 99), "@\u{200b}all #\u{200b}1 &lt;b&gt;");
        assert_eq!(plain("aé", 1), "a…");
    }

    proptest! {
        #[test]
        fn an_alert_cannot_forge_a_marker(value in "\\PC{0,60}") {
            let odd = format!("{value}{}", marker("other"));
            let payload = payload(&[("alertname", &odd), ("x", &odd)]);
            let body = body(&payload, &marker("l"), &marker("k"));
            prop_assert!(!body.contains(&marker("other")));
            prop_assert!(!title(&payload.alert).contains('\n'));
        }

        #[test]
        fn texts_are_bounded(value in "[@<|]{3000}") {
            let labels: Vec<(String, String)> = (0..100).map(|it| (format!("l{it}"), value.clone())).collect();
            let labels: Vec<_> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let body = body(&payload(&labels), &marker("l"), &marker("k"));
            prop_assert!(body.chars().count() < 65_536, "{}", body.len());
        }
    }
}
