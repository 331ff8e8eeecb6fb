//! What all pages share: head, banner, footer.

use maud::{DOCTYPE, Markup, html};

use crate::host_name::host_name;
use crate::http::message::ProblemDetails;
use crate::version;

/// Seconds until a page reloads itself where scripts are off.
const RELOAD_SECONDS: u32 = 30;

/// Where a page is, as seen from `/`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum PageLocation {
    /// At `/`; it is kept current.
    Overview,
    /// Below it, with the way up to `/`; it stays as it is.
    Below(&'static str),
}

impl PageLocation {
    /// The way to `/`. Links are relative, so that a proxy may serve the pages below a path of its own.
    pub(super) fn root(self) -> &'static str {
        match self {
            Self::Overview => "./",
            Self::Below(root) => root,
        }
    }
}

/// A whole page.
pub(super) fn page(place: PageLocation, title: &str, telemetry_path: &str, content: &Markup) -> Markup {
    let root = place.root();
    let host = host_name();
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) @if let Some(host) = &host { " – " (host) } " – hostnorm" }
                // An icon of its own would be one more file; without one, browsers ask for /favicon.ico.
                link rel="icon" href="data:,";
                link rel="stylesheet" href={ (root) "page.css" };
                @if place == PageLocation::Overview {
                    script src={ (root) "page.js" } defer {}
                    noscript { meta http-equiv="refresh" content=(RELOAD_SECONDS); }
                }
            }
            body {
                a.skip href="#content" { "Skip to content" }
                header.banner {
                    a.brand href=(root) { "hostnorm" }
                    @if let Some(host) = &host { span.host { (host) } }
                }
                main #content tabindex="-1" { (content) }
                footer {
                    p {
                        "hostnorm " (version::VERSION) " · all times are UTC · "
                        a href={ (root) (telemetry_path.trim_start_matches('/')) } { "metrics" } " · "
                        a href={ (root) "api/v1/openapi.json" } { "API" }
                    }
                }
            }
        }
    }
}

/// A page for an error.
pub(super) fn problem(problem: &ProblemDetails, root: &'static str, telemetry_path: &str) -> Markup {
    let title = problem.status.canonical_reason().unwrap_or("Error");
    let content = html! {
        section #status {
            h1 { (title) }
            p.sentence { (problem.detail) }
            p { a href=(root) { "Back to the page of this host" } }
        }
    };
    page(PageLocation::Below(root), title, telemetry_path, &content)
}
