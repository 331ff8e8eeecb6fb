//! The life cycle of subjects: `learning → ready → gone → evicted → waiting → ready again`.
//!
//! A subject of a changing population that is missing from the readings for a while is evicted: its state is handed out as
//! bytes, and its memory is freed. When it returns, its state is requested, and it waits for the answer. Meanwhile it is
//! neither scored nor learned, because a new subject's score would be wrong and a window must fill anyway. The engine does no
//! I/O, so its driver takes the [`SubjectStateHandover`] after each step and answers.

use std::collections::BTreeMap;

use super::snapshot::SnapshotMismatch;
use super::{Engine, SUBJECTS_MAX, SubjectKindState, SubjectState};
use crate::reading::{Reading, Subject, SubjectKind, Timestamp};
use crate::report::{Assessment, EpisodeTransition};

/// Seconds without an answer after which a subject whose state was requested starts as a new one.
pub const WAIT_SECONDS: f64 = 60.0;

/// Largest number of evictions in one step, because each serializes a state; the rest follow in the next steps.
pub const EVICTIONS_MAX: usize = 64;

/// Number of intervals without a reading after which a subject counts as gone. Single readings may fail.
const GONE_INTERVALS: f64 = 3.0;

/// States that a step hands to the driver of the engine. The next step drops them if they were not taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubjectStateHandover {
    /// Serialized states of evicted subjects, to be stored under their identity. Subjects without learned state are
    /// left out.
    pub evicted: Vec<(Subject, Vec<u8>)>,
    /// Subjects whose stored state the driver must pass to [`Engine::return_state`], or to [`Engine::absent`] if
    /// nothing is stored.
    pub wanted: Vec<Subject>,
}

/// Number of subjects of one kind in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SubjectCounts {
    /// Live, without a score yet.
    pub learning: usize,
    /// Live, with a score.
    pub ready: usize,
    /// Live, but missing from the readings.
    pub gone: usize,
    /// In the readings, while their stored state is loaded.
    pub waiting: usize,
    /// Evicted so far.
    pub evicted: u64,
    /// Restored from stored state so far.
    pub restored: u64,
    /// Readings of subjects that were not scored so far, because [`SUBJECTS_MAX`] others were live.
    pub unscored: u64,
}

impl Engine {
    /// Takes the states that the last step wants stored and loaded.
    pub fn take_handover(&mut self) -> SubjectStateHandover {
        std::mem::take(&mut self.handover)
    }

    /// Restores a requested subject from its stored state; ignored for any other subject.
    ///
    /// # Errors
    /// If the state is corrupt, or belongs to another version, other signals or other settings. The subject then
    /// starts as a new one.
    pub fn return_state(&mut self, subject: &Subject, bytes: &[u8]) -> Result<(), SnapshotMismatch> {
        if self.waiting.remove(subject).is_none() {
            return Ok(());
        }
        let loaded = self.loaded(subject, bytes);
        let outcome = loaded.as_ref().map(|_| ()).map_err(Clone::clone);
        let restored = u64::from(loaded.is_ok());
        self.kinds.entry(subject.kind()).and_modify(|it| it.restored += restored);
        let state = loaded.ok().or_else(|| self.newcomer(subject.kind()));
        self.states.extend(state.map(|it| (subject.clone(), it)));
        outcome
    }

    /// Starts a requested subject as a new one, because nothing is stored; ignored for any other subject.
    pub fn absent(&mut self, subject: &Subject) {
        if self.waiting.remove(subject).is_some() {
            let fresh = self.newcomer(subject.kind());
            self.states.extend(fresh.map(|it| (subject.clone(), it)));
        }
    }

    /// Serialized states of subjects of changing populations that were not handed out for `seconds`: at most `most`,
    /// longest-waiting first. If the process is killed, their learning since then is lost.
    pub fn checkpoint(&mut self, seconds: f64, most: usize) -> Vec<(Subject, Vec<u8>)> {
        let now = self.before.at;
        let passed = |state: &SubjectState| !(0.0..seconds).contains(&(now.0 - state.handed_out().0));
        let changing = self.states.iter().filter(|(it, state)| self.is_changing(it.kind()) && passed(state));
        let mut due: Vec<(Timestamp, &Subject)> = changing
            .filter(|(_, it)| it.has_learned_state())
            .map(|(it, state)| (state.handed_out(), it))
            .collect();
        due.sort_by(|one, other| one.0.0.total_cmp(&other.0.0));
        let due: Vec<Subject> = due.into_iter().take(most).map(|(_, it)| it.clone()).collect();
        due.into_iter().filter_map(|it| self.evict_state(it, now)).collect()
    }

    fn evict_state(&mut self, subject: Subject, now: Timestamp) -> Option<(Subject, Vec<u8>)> {
        let bytes = self.state_bytes(&subject, self.states.get(&subject)?);
        self.states.get_mut(&subject)?.set_handed_out(now);
        Some((subject, bytes))
    }

    /// Whether the stored state of this subject is requested and not answered yet.
    pub fn is_waiting(&self, subject: &Subject) -> bool {
        self.waiting.contains_key(subject)
    }

    /// Number of subjects in each state, by kind with signals.
    pub fn subject_counts(&self) -> BTreeMap<SubjectKind, SubjectCounts> {
        let count = |(kind, kind_state): (&SubjectKind, &SubjectKindState)| {
            let SubjectKindState { evicted, restored, unscored, .. } = *kind_state;
            (*kind, SubjectCounts { evicted, restored, unscored, ..SubjectCounts::default() })
        };
        let mut by_kind: BTreeMap<SubjectKind, SubjectCounts> = self.kinds.iter().map(count).collect();
        let now = self.before.at.0;
        let gone = GONE_INTERVALS * self.settings.interval;
        for (subject, state) in &self.states {
            let Some(census) = by_kind.get_mut(&subject.kind()) else { continue };
            match (now - state.seen().0 > gone, state.is_ready()) {
                (true, _) => census.gone += 1,
                (false, true) => census.ready += 1,
                (false, false) => census.learning += 1,
            }
        }
        for subject in self.waiting.keys() {
            by_kind.entry(subject.kind()).and_modify(|it| it.waiting += 1);
        }
        by_kind
    }

    /// Admits new subjects of a reading and evicts those that are gone; returns the last assessment of each whose
    /// episode ended by eviction. Unless groups are scored, all subjects of changing populations count as gone.
    pub(super) fn update_subjects(
        &mut self,
        now: &Reading,
        are_groups_scored: bool,
    ) -> BTreeMap<Subject, Assessment> {
        self.handover = SubjectStateHandover::default();
        for (subject, state) in &mut self.states {
            // After a backward clock step, the last reading lies in the future and would never age.
            if now.subjects.contains_key(subject) || state.seen().0 > now.at.0 {
                state.see(now.at);
            }
        }
        let is_gone =
            |it: &SubjectState| !are_groups_scored || now.at.0 - it.seen().0 > self.settings.evict_after;
        let gone = self.least_recent(EVICTIONS_MAX, |_, it| is_gone(it));
        let left = EVICTIONS_MAX - gone.len();
        let mut closed: BTreeMap<Subject, Assessment> =
            gone.into_iter().filter_map(|it| self.evict(it)).collect();
        self.wait_on(now);
        if !are_groups_scored {
            self.waiting.clear();
        }
        let may_score = |it: &&Subject| are_groups_scored || !self.is_changing(it.kind());
        let mut missing: Vec<&Subject> =
            now.subjects.keys().filter(|it| self.is_new(it)).filter(may_score).collect();
        // The only subject of a kind comes first: it is never left out in favor of one of many.
        missing.sort_by_key(|it| self.is_changing(it.kind()));
        let lacking = (self.states.len() + self.waiting.len() + missing.len()).saturating_sub(SUBJECTS_MAX);
        let absent = self.least_recent(lacking.min(left), |it, _| !now.subjects.contains_key(it));
        closed.extend(absent.into_iter().filter_map(|it| self.evict(it)));
        missing.into_iter().for_each(|it| closed.extend(self.admit(it, now.at)));
        closed
    }

    fn is_changing(&self, kind: SubjectKind) -> bool {
        self.kinds.get(&kind).is_some_and(SubjectKindState::is_changing)
    }

    /// Whether it can be scored and is not live yet.
    fn is_new(&self, subject: &Subject) -> bool {
        self.kinds.contains_key(&subject.kind())
            && !self.states.contains_key(subject)
            && !self.waiting.contains_key(subject)
    }

    /// Admits a new subject if there is room; returns the last assessment of the subject evicted for it.
    fn admit(&mut self, subject: &Subject, at: Timestamp) -> Option<(Subject, Assessment)> {
        let (kind, changing) = (subject.kind(), self.is_changing(subject.kind()));
        let mut closed = None;
        if self.states.len() + self.waiting.len() >= SUBJECTS_MAX {
            // All others are in this reading, too. One of them is evicted only for the only subject of a kind.
            let other = if changing { None } else { self.least_recent(1, |_, _| true).pop() };
            let Some(other) = other else {
                self.kinds.entry(kind).and_modify(|it| it.unscored += 1);
                return None;
            };
            closed = self.evict(other);
        }
        if changing {
            self.waiting.insert(subject.clone(), at);
            self.handover.wanted.push(subject.clone());
        } else {
            let priors = self.kinds.get(&kind).map(|it| it.priors.as_slice()).unwrap_or_default();
            let fresh = self.new_subject_state(kind).map(|mut it| {
                it.see(at);
                if !priors.is_empty() {
                    it.borrow_from_host(priors, at, &self.settings);
                }
                (subject.clone(), it)
            });
            self.states.extend(fresh);
        }
        closed
    }

    /// Starts subjects whose request timed out, and drops requests of subjects that left again.
    fn wait_on(&mut self, now: &Reading) {
        let waits = |since: &Timestamp| (0.0..=WAIT_SECONDS).contains(&(now.at.0 - since.0));
        self.waiting.retain(|subject, _| now.subjects.contains_key(subject));
        let overdue: Vec<Subject> =
            self.waiting.iter().filter(|(_, since)| !waits(since)).map(|(it, _)| it.clone()).collect();
        overdue.iter().for_each(|it| self.absent(it));
    }

    /// The least recently seen subjects for which `may` holds.
    fn least_recent(&self, count: usize, may: impl Fn(&Subject, &SubjectState) -> bool) -> Vec<Subject> {
        if count == 0 {
            return Vec::new();
        }
        let each = self.states.iter().filter(|(it, state)| self.is_changing(it.kind()) && may(it, state));
        let mut each: Vec<(f64, &Subject)> = each.map(|(it, state)| (state.seen().0, it)).collect();
        each.sort_by(|one, other| one.0.total_cmp(&other.0));
        each.into_iter().take(count).map(|(_, it)| it.clone()).collect()
    }

    /// Hands out the learned state of a subject and removes it; returns its last assessment if this ends an episode.
    fn evict(&mut self, subject: Subject) -> Option<(Subject, Assessment)> {
        let mut state = self.states.remove(&subject)?;
        let ended = state.leave();
        if let Some(kind_state) = self.kinds.get_mut(&subject.kind()) {
            kind_state.evicted += 1;
            kind_state.tally = state.tally().map_or(kind_state.tally, |it| kind_state.tally.with(it));
        }
        state.drop_shadow();
        if state.has_learned_state() {
            self.handover.evicted.push((subject.clone(), self.state_bytes(&subject, &state)));
        }
        let assessment = |episode| Assessment {
            transition: Some(EpisodeTransition::Ended(episode)),
            ..Assessment::default()
        };
        ended.map(|it| (subject, assessment(it)))
    }

    /// A subject without stored state, which borrows the statistics of its kind.
    fn newcomer(&mut self, kind: SubjectKind) -> Option<SubjectState> {
        let kind_state = self.kinds.get_mut(&kind)?;
        if kind_state.is_changing() {
            kind_state.learn_priors(self.states.iter().filter(|(it, _)| it.kind() == kind).map(|(_, it)| it));
        }
        let mut state = self.new_subject_state(kind)?;
        if let Some(kind_state) = self.kinds.get(&kind).filter(|it| !it.priors.is_empty()) {
            state.borrow(&kind_state.priors, self.before.at, &self.settings);
        }
        Some(state)
    }
}
