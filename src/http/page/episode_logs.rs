//! The parts of an episode's page about logs: the kinds of lines behind it, and what else started at the same time.

use maud::{Markup, html};

use super::{page_tables, time_text};
use crate::duration::HumanDuration;
use crate::explanation::NearbyEpisode;
use crate::report::EpisodeTemplate;

/// The templates of an episode of a log; nothing without any.
pub(super) fn templates(templates: &[EpisodeTemplate]) -> Markup {
    html! {
        @if !templates.is_empty() {
            section aria-labelledby="templates" { h2 #templates { "Lines behind it" } (template_table(templates)) }
        }
    }
}

fn template_table(templates: &[EpisodeTemplate]) -> Markup {
    let table = html! {
        table {
            caption { "Kinds of lines, with <*> in place of everything variable" }
            thead { tr { th scope="col" { "Template" } th scope="col" { "Why" } } }
            tbody {
                @for it in templates {
                    tr {
                        td.wide { code { (it.text) } }
                        td { @if it.is_new { "new" } @else { "more often than usual" } }
                    }
                }
            }
        }
    };
    page_tables::scrollable_table("Lines behind it", &table)
}

/// The episodes that started at the same time; nothing without any.
pub(super) fn nearby(episodes: &[NearbyEpisode]) -> Markup {
    html! {
        @if !episodes.is_empty() {
            section aria-labelledby="nearby" { h2 #nearby { "At the same time" } (nearby_table(episodes)) }
        }
    }
}

fn nearby_table(episodes: &[NearbyEpisode]) -> Markup {
    let table = html! {
        table {
            caption { "Episodes that started within two minutes of this one, the nearest first" }
            thead { tr {
                th scope="col" { "Subject" } th scope="col" { "Start" } th scope="col" { "Description" }
            } }
            tbody {
                @for it in episodes {
                    tr {
                        th scope="row" {
                            a href={ "../" (page_tables::episode_link(&it.id)) } { (it.kind) " " (it.subject) }
                        }
                        td { (time_text::time(it.began)) ", " (offset(it.seconds_later)) }
                        td.wide { (it.description) }
                    }
                }
            }
        }
    };
    page_tables::scrollable_table("At the same time", &table)
}

/// For example "12s later".
fn offset(seconds_later: f64) -> String {
    let away = HumanDuration::nearest(seconds_later.abs().round());
    format!("{away} {}", if seconds_later < 0.0 { "earlier" } else { "later" })
}
