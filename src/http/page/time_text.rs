//! Times in words; all are UTC, as in logs and identifiers.

use maud::{Markup, html};

use crate::episode_text;
use crate::reading::Timestamp;

/// `2026-11-28T19:04:05`.
fn iso(at: f64) -> String {
    let mut text = episode_text::instant(Timestamp(at.floor()));
    text.truncate("2026-11-28T19:04:05".len());
    text
}

/// `2026-11-28 19:04:05`.
pub(super) fn second(at: f64) -> String {
    iso(at).replace('T', " ")
}

/// `19:04`.
pub(super) fn minute(at: f64) -> String {
    iso(at)[11..16].to_owned()
}

/// `19:04:05`.
pub(super) fn clock(at: f64) -> String {
    iso(at)[11..].to_owned()
}

/// `11-28`.
pub(super) fn day(at: f64) -> String {
    iso(at)[5..10].to_owned()
}

/// An instant that programs can read too.
pub(super) fn time(at: f64) -> Markup {
    html! { time datetime={ (iso(at)) "Z" } { (second(at)) } }
}

/// A length of time in one unit, never less than a second: `42 s`, `6 min`, `3 h`.
pub(super) fn span(seconds: f64) -> String {
    let seconds = seconds.max(1.0).ceil() as u64;
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_utc_and_lengths_have_one_unit() {
        let at = 1_795_255_200.9;
        assert_eq!(second(at), "2026-11-21 10:00:00");
        assert_eq!([clock(at), minute(at), day(at)], ["10:00:00", "10:00", "11-21"]);
        let markup = r#"<time datetime="2026-11-21T10:00:00Z">2026-11-21 10:00:00</time>"#;
        assert_eq!(time(at).into_string(), markup);
        assert_eq!([0.2, 61.0, 301.0, 7_200.5].map(span), ["1 s", "61 s", "6 min", "3 h"]);
    }
}
