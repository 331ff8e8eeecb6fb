//! At the first start: the past of this host from where the settings say, beside the loop.

use std::path::Path;

use crate::clock;
use crate::commands::past::{self, Order};
use crate::config::Config;
use crate::history::{Note, Origin, Settings, TooLittle};
use crate::reading::Subject;
use crate::sampler::Sampler;
use crate::signal::Signal;
use crate::sources;
use crate::span::Span;
use crate::store::{Archive, Bygone};

/// Asks for the past if the settings say where it is and nothing is known of this host yet.
pub(super) fn begin(config: &Config, sampler: &Sampler) {
    let settings = config.bootstrap.clone();
    if settings.from.is_empty() {
        return;
    }
    if sampler.store.directory().is_some_and(knows) {
        tracing::debug!("points of this host are stored, so none are asked for elsewhere");
        return;
    }
    let signals: Vec<_> = sources::signals(|source| config.collects(source)).collect();
    let step = config.detection.interval.times(config.detection.window);
    sampler.bootstrap(Box::new(move || ask(&settings, signals, step)));
}

fn knows(directory: &Path) -> bool {
    let newest = Archive::open(directory).and_then(|it| it.newest_point(&Subject::Host));
    newest.is_ok_and(|it| it.is_some())
}

/// A text that is given, as settings have none otherwise.
fn given(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn ask(settings: &Settings, signals: Vec<&'static Signal>, step: Span) -> Result<Bygone, String> {
    let origin: Origin = settings.from.parse().map_err(|error| format!("bootstrap.from {error}"))?;
    let order = Order {
        origin: &origin,
        hours: Some(settings.hours),
        host: given(&settings.host),
        matching: given(&settings.matching),
        mapping: (!settings.mapping.as_os_str().is_empty()).then_some(&*settings.mapping),
        access: &settings.access(),
        only: &[],
        signals: &signals,
        step,
        now: clock::now(),
    };
    let mut tell = |note: Note<'_>| {
        if let Note::Wait(why) = note {
            tracing::info!(why, "the past of this host is not there yet");
        }
    };
    let past = past::read(&order, &mut tell).map_err(|exit| exit.text)?;
    TooLittle::check(past.points.len(), past.every, true).map_err(|error| error.to_string())?;
    let found = past::told(&past, &signals);
    tracing::info!(found = found.trim_end().replace('\n', "; "), "the past of this host was found elsewhere");
    Ok(Bygone { subject: Subject::Host, signals, points: past.points })
}
