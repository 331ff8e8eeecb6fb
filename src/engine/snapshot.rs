//! Snapshots: the engine's learned state as bytes, to continue after a restart or to reproduce scores.
//!
//! Subjects of a changing population are not part of a snapshot: there may be hundreds, and each is stored on its own when
//! it is evicted and from time to time.
//!
//! A snapshot is a cache. It is valid for its version, signals and settings; otherwise the state is rebuilt from stored
//! points. Trained forests are not part of it, because they are large, shared and change once a day.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::subject::SavedSubject;
use super::training_schedule::TrainingSchedule;
use super::{Engine, EngineSettings, SUBJECTS_MAX, SubjectState};
use crate::detect::exponential_moments::SignalMoments;
use crate::grace::ActiveGracePeriods;
use crate::learned_state_codec;
use crate::reading::{Subject, SubjectKind, SubjectTurnover};
use crate::version::VERSION;

/// Magic number of a snapshot.
const MAGIC: [u8; 4] = *b"hnSS";

/// Layout number; raise it when the layout changes within a version.
const LAYOUT: u32 = 15;

/// Magic number of the state of one subject.
const SUBJECT_MAGIC: [u8; 4] = *b"hnSU";

/// Properties that a snapshot must share with the engine that loads it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct SnapshotHeader {
    version: String,
    /// Names of the signals by kind, in order.
    signals: BTreeMap<SubjectKind, Vec<String>>,
    /// Settings that shape the state, as text.
    settings: Vec<(String, String)>,
}

/// Content after the header.
#[derive(Debug, Deserialize)]
struct SnapshotBody {
    grace: ActiveGracePeriods,
    kinds: BTreeMap<SubjectKind, (TrainingSchedule, Vec<SignalMoments>)>,
    learning: bool,
    states: Vec<(Subject, SavedSubject)>,
}

/// Why a snapshot cannot be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnapshotMismatch {
    /// The bytes are no snapshot, or truncated.
    Corrupt,
    /// Another version wrote it.
    Version {
        /// The version that wrote it, as far as it is readable.
        found: String,
    },
    /// Signals were added or removed, by a new version or by enabling or disabling a collector.
    Signals {
        /// Number of signals in the snapshot.
        found: usize,
        /// Number of signals of the engine.
        expected: usize,
    },
    /// A setting that shapes the state differs.
    Setting {
        /// Name of the setting.
        name: String,
        /// Value in the snapshot.
        found: String,
        /// Value of the engine.
        expected: String,
    },
}

impl fmt::Display for SnapshotMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt => f.write_str("the snapshot is corrupt"),
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

impl std::error::Error for SnapshotMismatch {}

impl SnapshotHeader {
    fn new(engine: &Engine) -> Self {
        let names =
            |signals: &Vec<&crate::signal::Signal>| signals.iter().map(|it| it.name.to_owned()).collect();
        Self {
            version: VERSION.to_owned(),
            signals: engine.kinds.iter().map(|(kind, it)| (*kind, names(&it.signals))).collect(),
            settings: shaping(&engine.settings),
        }
    }

    /// Header for one kind only.
    fn of_kind(engine: &Engine, kind: SubjectKind) -> Self {
        let mut tag = Self::new(engine);
        tag.signals.retain(|it, _| *it == kind);
        tag
    }

    /// First difference from `own`.
    fn mismatch(&self, own: &Self) -> Option<SnapshotMismatch> {
        if self.version != own.version {
            return Some(SnapshotMismatch::Version { found: self.version.clone() });
        }
        let mut pairs = self.settings.iter().zip(&own.settings);
        if let Some(((name, found), (_, expected))) = pairs.find(|(found, own)| found != own) {
            let [name, found, expected] = [name, found, expected].map(Clone::clone);
            return Some(SnapshotMismatch::Setting { name, found, expected });
        }
        let count = |tag: &Self| tag.signals.values().map(Vec::len).sum();
        (self != own).then(|| SnapshotMismatch::Signals { found: count(self), expected: count(own) })
    }
}

/// Settings that shape the state. Settings that only affect scoring may change across a restart.
fn shaping(settings: &EngineSettings) -> Vec<(String, String)> {
    let with_budget = |value: f64| settings.budget.rate().map(|_| value.to_string()).unwrap_or_default();
    [
        ("interval", settings.interval.to_string()),
        ("window", settings.window.to_string()),
        ("half_life", settings.half_life.to_string()),
        ("time_zone", settings.time_zone.to_string()),
        ("budget", settings.budget.to_string()),
        ("threshold", with_budget(settings.threshold)),
        ("alert_level", with_budget(settings.alert_level)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

impl Engine {
    /// Identifies the snapshot format of this version; snapshots of another format need not be tried.
    pub fn snapshot_format() -> String {
        format!("{VERSION}/{LAYOUT}")
    }

    /// Serializes the learned state, without the trained models.
    pub fn snapshot(&self) -> Vec<u8> {
        // Serialized by reference with the layout of `SnapshotBody`, because a copy would be megabytes.
        let states = self.states.iter().filter(|(it, _)| it.kind().turnover() == SubjectTurnover::Permanent);
        let states: Vec<_> = states.map(|(subject, it)| (subject, it.serialized_learned_state())).collect();
        let kinds: BTreeMap<_, _> =
            self.kinds.iter().map(|(it, own)| (it, (own.schedule, &own.priors))).collect();
        let body = (self.watch.grace(), kinds, self.learning, states);
        learned_state_codec::encode_value(MAGIC, &(LAYOUT, SnapshotHeader::new(self), body))
    }

    /// Restores the snapshot of an engine with the same signals and settings. Installed models stay. The first reading
    /// yields no rates unless [`resume_from`](Self::resume_from) was called.
    ///
    /// # Errors
    /// If the snapshot is corrupt, or belongs to another version, other signals or other settings. The engine is then
    /// unchanged.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<(), SnapshotMismatch> {
        let rest = opened(MAGIC, snapshot, &SnapshotHeader::new(self))?;
        let body: SnapshotBody = learned_state_codec::read(rest).ok_or(SnapshotMismatch::Corrupt)?;
        if body.states.len() > SUBJECTS_MAX {
            return Err(SnapshotMismatch::Corrupt);
        }
        let mut states = BTreeMap::new();
        for (subject, saved) in body.states {
            let fresh = self.new_subject_state(subject.kind()).ok_or(SnapshotMismatch::Corrupt)?;
            states.insert(subject, fresh.with(saved, &self.settings).ok_or(SnapshotMismatch::Corrupt)?);
        }
        for (kind, (asked, priors)) in body.kinds {
            if let Some(kind_state) = self.kinds.get_mut(&kind) {
                kind_state.schedule = asked;
                kind_state.priors =
                    if priors.len() == kind_state.signals.len() { priors } else { Vec::new() };
            }
        }
        self.states = states;
        self.learning = body.learning;
        self.watch.resume(body.grace);
        Ok(())
    }

    /// Serialized state of one live subject, for [`return_state`](Self::return_state).
    pub fn state_of(&self, subject: &Subject) -> Option<Vec<u8>> {
        self.states.get(subject).map(|it| self.state_bytes(subject, it))
    }

    pub(super) fn state_bytes(&self, subject: &Subject, state: &SubjectState) -> Vec<u8> {
        learned_state_codec::encode_value(
            SUBJECT_MAGIC,
            &(
                LAYOUT,
                SnapshotHeader::of_kind(self, subject.kind()),
                (subject, state.serialized_learned_state()),
            ),
        )
    }

    /// Builds a subject from the state serialized at its eviction.
    pub(super) fn loaded(&self, subject: &Subject, bytes: &[u8]) -> Result<SubjectState, SnapshotMismatch> {
        let rest = opened(SUBJECT_MAGIC, bytes, &SnapshotHeader::of_kind(self, subject.kind()))?;
        let (saved_of, saved): (Subject, SavedSubject) =
            learned_state_codec::read(rest).ok_or(SnapshotMismatch::Corrupt)?;
        let fresh = self
            .new_subject_state(subject.kind())
            .filter(|_| saved_of == *subject)
            .ok_or(SnapshotMismatch::Corrupt)?;
        let mut state = fresh.with(saved, &self.settings).ok_or(SnapshotMismatch::Corrupt)?;
        state.return_after_absence(
            self.before.at,
            self.kinds.get(&subject.kind()).and_then(|it| it.shadow.as_ref()),
        );
        Ok(state)
    }

    /// Builds a subject without learned state, scored by the model of its kind; `None` for a kind without signals.
    pub(super) fn new_subject_state(&self, kind: SubjectKind) -> Option<SubjectState> {
        let kind_state = self.kinds.get(&kind)?;
        let mut state = SubjectState::new(&kind_state.signals, kind_state.population, &self.settings);
        if let Some(model) = &kind_state.model {
            state.install(model);
        }
        if let Some(reference) = kind_state.reference.as_ref().filter(|_| !kind_state.is_changing()) {
            state.compare_with(reference);
        }
        if let Some(model) = &kind_state.shadow {
            state.start_shadow(model);
        }
        state.see(self.before.at);
        state.set_handed_out(self.before.at);
        Some(state)
    }
}

/// Content after the magic number, the layout and a header equal to `own`.
fn opened<'a>(mark: [u8; 4], bytes: &'a [u8], own: &SnapshotHeader) -> Result<&'a [u8], SnapshotMismatch> {
    let content = learned_state_codec::open(mark, bytes).ok_or(SnapshotMismatch::Corrupt)?;
    let (layout, rest) =
        learned_state_codec::decode_prefix::<u32>(content).ok_or(SnapshotMismatch::Corrupt)?;
    if layout != LAYOUT {
        return Err(SnapshotMismatch::Version { found: format!("with layout {layout}") });
    }
    let (tag, rest) =
        learned_state_codec::decode_prefix::<SnapshotHeader>(rest).ok_or(SnapshotMismatch::Corrupt)?;
    tag.mismatch(own).map_or(Ok(rest), Err)
}
