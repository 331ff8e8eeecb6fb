//! All that the engine learned, as bytes: to go on from there after a restart, or to judge the same readings once more.
//!
//! A snapshot is a cache. It fits the version, the signals and the settings that it was made with; for any other the
//! same kind of state is folded anew from stored points. Trained forests are no part of it: they are megabytes, shared,
//! and change once a day.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::subject::Saved;
use super::train::Asked;
use super::{Engine, SUBJECTS_MAX, Settings, State};
use crate::grace::Grace;
use crate::reading::{Kind, Subject};
use crate::seal;
use crate::version::VERSION;

/// In front of each snapshot.
const MARK: [u8; 4] = *b"hnSS";

/// Raised whenever what is written changes its form within a version.
const LAYOUT: u32 = 3;

/// What a snapshot has to have in common with the engine that takes it over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Tag {
    version: String,
    /// Names of the signals by kind, in their order.
    signals: BTreeMap<Kind, Vec<String>>,
    /// Settings that the state was made with, in words.
    settings: Vec<(String, String)>,
}

/// What is behind the tag.
#[derive(Debug, Deserialize)]
struct Body {
    grace: Grace,
    asked: BTreeMap<Kind, Asked>,
    learning: bool,
    states: Vec<(Subject, Saved)>,
}

/// Why a snapshot cannot be taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// It is no snapshot, or not all of it.
    Garbled,
    /// Its form is that of another version.
    Version {
        /// The version that wrote it, as far as that can be told.
        found: String,
    },
    /// Signals were added or left out, by a new version or by a collector that was switched.
    Signals {
        /// How many it has.
        found: usize,
        /// How many there are.
        expected: usize,
    },
    /// A setting that the state depends on was another one.
    Setting {
        /// Which one.
        name: String,
        /// What it was.
        found: String,
        /// What it is.
        expected: String,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Garbled => f.write_str("the snapshot is garbled or cut short"),
            Self::Version { found } => write!(f, "the snapshot is of hostnorm {found}, this is {VERSION}"),
            Self::Signals { found, expected } => write!(
                f,
                "the snapshot is of other signals than are followed now ({found} then, {expected} now); \
                 a collector was switched or hostnorm was changed"
            ),
            Self::Setting { name, found, expected } => {
                write!(f, "the snapshot was made with the setting {name} at {found}, now it is {expected}")
            }
        }
    }
}

impl std::error::Error for Mismatch {}

impl Tag {
    fn new(engine: &Engine) -> Self {
        let names =
            |signals: &Vec<&crate::signal::Signal>| signals.iter().map(|it| it.name.to_owned()).collect();
        Self {
            version: VERSION.to_owned(),
            signals: engine.signals.iter().map(|(kind, signals)| (*kind, names(signals))).collect(),
            settings: shaping(&engine.settings),
        }
    }

    /// What differs from `own`.
    fn mismatch(&self, own: &Self) -> Option<Mismatch> {
        if self.version != own.version {
            return Some(Mismatch::Version { found: self.version.clone() });
        }
        let mut pairs = self.settings.iter().zip(&own.settings);
        if let Some(((name, found), (_, expected))) = pairs.find(|(found, own)| found != own) {
            let [name, found, expected] = [name, found, expected].map(Clone::clone);
            return Some(Mismatch::Setting { name, found, expected });
        }
        let count = |tag: &Self| tag.signals.values().map(Vec::len).sum();
        (self != own).then(|| Mismatch::Signals { found: count(self), expected: count(own) })
    }
}

/// The settings that state depends on; those that only judging depends on may change across a restart.
fn shaping(settings: &Settings) -> Vec<(String, String)> {
    let limit = settings.budget.rate().map(|_| settings.limit.to_string());
    [
        ("interval", settings.interval.to_string()),
        ("window", settings.window.to_string()),
        ("half_life", settings.half_life.to_string()),
        ("budget", settings.budget.to_string()),
        ("limit", limit.unwrap_or_default()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

impl Engine {
    /// The form of snapshots of this version: others are not worth a try.
    pub fn snapshot_format() -> String {
        format!("{VERSION}/{LAYOUT}")
    }

    /// All that was learned, but for the trained models.
    pub fn snapshot(&self) -> Vec<u8> {
        // As `Body` is read; copied nowhere, as it is megabytes.
        let states: Vec<_> = self.states.iter().map(|(subject, it)| (subject, it.saved())).collect();
        let body = (self.watch.grace(), &self.asked, self.learning, states);
        seal::sealed(MARK, &(LAYOUT, Tag::new(self), body))
    }

    /// Goes on from a snapshot of an engine with the same signals and settings. Models that are installed stay; the
    /// first reading has nothing to take rates against until [`resume_from`](Self::resume_from).
    ///
    /// # Errors
    /// When it is of another version, of other signals or settings, or garbled; then nothing changed.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<(), Mismatch> {
        let content = seal::open(MARK, snapshot).ok_or(Mismatch::Garbled)?;
        let (layout, rest) = seal::front::<u32>(content).ok_or(Mismatch::Garbled)?;
        if layout != LAYOUT {
            return Err(Mismatch::Version { found: format!("with layout {layout}") });
        }
        let (tag, rest) = seal::front::<Tag>(rest).ok_or(Mismatch::Garbled)?;
        if let Some(mismatch) = tag.mismatch(&Tag::new(self)) {
            return Err(mismatch);
        }
        let body: Body = seal::read(rest).ok_or(Mismatch::Garbled)?;
        if body.states.len() > SUBJECTS_MAX {
            return Err(Mismatch::Garbled);
        }
        let mut states = BTreeMap::new();
        for (subject, saved) in body.states {
            let fresh = self.fresh(subject.kind()).ok_or(Mismatch::Garbled)?;
            states.insert(subject, fresh.with(saved, &self.settings).ok_or(Mismatch::Garbled)?);
        }
        self.states = states;
        self.asked = body.asked;
        self.learning = body.learning;
        self.watch.resume(body.grace);
        Ok(())
    }

    /// A subject of which nothing is known, judged by the model of its kind; nothing for a kind without signals.
    pub(super) fn fresh(&self, kind: Kind) -> Option<State> {
        let mut state = State::new(self.signals.get(&kind)?, &self.settings);
        if let Some(model) = self.models.get(&kind) {
            state.install(model);
        }
        if let Some(reference) = self.references.get(&kind) {
            state.compare_with(reference);
        }
        if let Some(model) = self.shadows.get(&kind) {
            state.try_out(model);
        }
        Some(state)
    }
}
