//! The head of the page: the state of a subject in a sentence and a few numbers, and what can be done about it.
//!
//! It always has the same elements; those that do not apply are hidden. So the script only changes texts, and shows or hides
//! elements, from the first reading on, and a screen reader announces only changes.

use maud::{Markup, html};

use super::page_query::PageQuery;
use super::{StateSummary, command_buttons, page_tables, time_text};
use crate::episode_text;
use crate::reading::{Subject, Timestamp};

/// What the head of the page shows.
#[derive(Debug)]
pub(super) struct StateSection<'a> {
    pub(super) view: &'a PageQuery,
    /// The state; absent before the first reading, and for a subject that is gone.
    pub(super) summary: Option<&'a StateSummary>,
    /// Whether the subject has no current state because it is gone.
    pub(super) is_past: bool,
    /// The start of the open episode; absent without one.
    pub(super) open_since: Option<Timestamp>,
    /// Whether the past is known, and so the page of the episode.
    pub(super) has_history: bool,
    /// Whether the client may send commands.
    pub(super) is_admin: bool,
}

impl StateSection<'_> {
    pub(super) fn markup(&self) -> Markup {
        let name = episode_text::name(&self.view.subject);
        let (state, sentence) = match self.summary {
            Some(it) => (it.state, it.sentence.clone()),
            None if self.is_past => {
                ("gone", format!("{name} has no current readings; this page shows its past"))
            }
            None => ("learning", format!("There is no reading of {name} yet")),
        };
        html! {
            section #status data-state=(state) data-refresh=(self.view.range.refresh_seconds)
                data-events={ "events?" (self.view.subject_query()) } {
                h1 { span.badge #badge { (state) } " " (name) }
                p.sentence #sentence role="status" aria-live="polite" { (sentence) }
                (self.facts())
                p.note #open hidden[self.open_since.is_none()] {
                    @if let Some(since) = self.open_since { (self.episode(since)) }
                }
                div #actions { @if self.is_admin { (self.buttons()) } }
            }
        }
    }

    fn facts(&self) -> Markup {
        let score = self.summary.and_then(|it| it.score).map(|it| format!("{it:.2}"));
        let confidence = self.summary.and_then(|it| it.confidence).map(|it| format!("{:.0} %", it * 100.0));
        let at = self.summary.map(|it| time_text::second(it.at));
        html! {
            dl.facts {
                div { dt { "Score" } dd #score { (score.as_deref().unwrap_or("–")) } }
                div { dt { "Threshold" } dd { "1" } }
                div hidden[confidence.is_none()] {
                    dt { "Confidence" } dd #confidence { (confidence.as_deref().unwrap_or("–")) }
                }
                div { dt { "Last reading" } dd #at { (at.as_deref().unwrap_or("–")) } }
                div hidden { dt { "Connection" } dd #connection { "lost; trying again" } }
            }
        }
    }

    fn episode(&self, since: Timestamp) -> Markup {
        let id = episode_text::id(&self.view.subject, since);
        html! {
            "Since " (time_text::time(since.0)) ". "
            @if self.has_history { a href={ "./" (page_tables::episode_link(&id)) } { "Explain this episode" } ". " }
            @if !self.is_admin { "If the current state of all subjects is normal from now on, run " code { "hostnorm accept" } " on the host." }
        }
    }

    fn buttons(&self) -> Markup {
        let is_anomaly = self.summary.is_some_and(|it| it.is_anomaly);
        html! {
            div #accept hidden[!is_anomaly] {
                (command_buttons::button("./actions/accept", "Accept", "the current state of all subjects becomes normal"))
            }
            @if self.view.subject == Subject::Host {
                (command_buttons::button("./actions/train", "Train", "a new model starts to learn now"))
            }
        }
    }
}
