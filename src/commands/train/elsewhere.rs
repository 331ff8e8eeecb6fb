//! `hostnorm train --from`: takes the past of this host from a file or a server, trains a model on it, keeps both.
#![expect(clippy::disallowed_methods, reason = "writes the points it was asked for")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use crate::cli::{Elsewhere, Exit};
use crate::clock;
use crate::commands::past::{self, Order};
use crate::config::{Config, Loaded};
use crate::history::{Note, Past, TooLittle};
use crate::signal::Signal;
use crate::sources;

/// See [`super::run`].
pub(super) fn run(options: &Elsewhere, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Exit {
    let environment: BTreeMap<OsString, OsString> = environment.into_iter().collect();
    let settings = &options.options;
    let loaded = Loaded::new(settings.file.as_deref(), environment.clone(), settings.flags.clone());
    match loaded {
        Ok(loaded) => train(options, &loaded.config).map_or_else(|exit| exit, Exit::success),
        Err(problems) => Exit::usage(problems.to_string()),
    }
}

fn train(options: &Elsewhere, config: &Config) -> Result<String, Exit> {
    let signals: Vec<_> = sources::signals(|source| config.collects(source)).collect();
    let order = Order {
        origin: &options.origin,
        hours: options.hours,
        host: options.host.as_deref(),
        matching: options.matching.as_deref(),
        mapping: options.mapping.as_deref(),
        access: &options.access,
        only: &options.metrics,
        signals: &signals,
        step: config.detection.interval.times(config.detection.window),
        now: clock::now(),
    };
    let past = past::read(&order, &mut tell)?;
    let mut text = past::told(&past, &signals);
    if let Some(path) = &options.output {
        write(path, &past, &signals)
            .map_err(|error| Exit::failure(format!("cannot write {}: {error}", path.display())))?;
        let _ = writeln!(text, "{} has the points", path.display());
    }
    TooLittle::check(past.points.len(), past.every, true)
        .map_err(|error| Exit::failure(format!("{text}{error}")))?;
    Ok(text)
}

/// Tells whoever waits what happens.
fn tell(note: Note<'_>) {
    match note {
        Note::Done { requests, of } => super::progress(requests, of, "answers"),
        Note::Wait(why) => {
            // A reader that went away is no reason to stop.
            let _ = writeln!(std::io::stderr(), "{why}");
        }
    }
}

/// The points as `hostnorm export points` writes them.
fn write(path: &Path, past: &Past, signals: &[&'static Signal]) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let names: Vec<_> = signals.iter().map(|it| it.name).collect();
    writeln!(file, "timestamp,{}", names.join(","))?;
    for point in &past.points {
        write!(file, "{}", point.at.0)?;
        for (value, missing) in point.values.iter().zip(&point.missing) {
            if *missing { write!(file, ",")? } else { write!(file, ",{value}")? }
        }
        writeln!(file)?;
    }
    file.flush()
}
