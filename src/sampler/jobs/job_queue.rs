//! The order of jobs: urgent ones first, the others round-robin by kind, then by subject.

use std::collections::{BTreeMap, VecDeque};

use crate::reading::{Subject, SubjectKind};

/// The lane in which a job takes its turn.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum JobLane {
    /// A user waits for it: before all others.
    Urgent,
    /// For all subjects of a kind.
    Kind(SubjectKind),
    /// For one subject.
    Subject(Subject),
}

/// Jobs of one kind; jobs for all subjects of the kind are under `None`.
#[derive(Debug)]
struct WaitingJob<T> {
    jobs: BTreeMap<Option<Subject>, VecDeque<T>>,
    /// The subject of the last job.
    last: Option<Option<Subject>>,
}

/// A bounded round-robin queue. It stores only the waiting jobs and the last turn of each kind.
#[derive(Debug)]
pub(super) struct JobQueue<T> {
    urgent: VecDeque<T>,
    kinds: BTreeMap<SubjectKind, WaitingJob<T>>,
    /// The kind of the last job.
    last: Option<SubjectKind>,
    most: usize,
}

impl<T> JobQueue<T> {
    /// Whether a waiting job matches.
    pub(super) fn holds(&self, matches: impl Fn(&T) -> bool) -> bool {
        let scheduled = self.kinds.values().flat_map(|it| it.jobs.values().flatten());
        self.urgent.iter().chain(scheduled).any(matches)
    }

    /// Creates a queue for at most `most` jobs.
    pub(super) fn new(most: usize) -> Self {
        Self { urgent: VecDeque::new(), kinds: BTreeMap::new(), last: None, most }
    }

    /// Adds a job; returns false if the queue is full.
    pub(super) fn push(&mut self, lane: JobLane, job: T) -> bool {
        if self.len() >= self.most {
            return false;
        }
        let (kind, subject) = match lane {
            JobLane::Urgent => {
                self.urgent.push_back(job);
                return true;
            }
            JobLane::Kind(kind) => (kind, None),
            JobLane::Subject(subject) => (subject.kind(), Some(subject)),
        };
        let waiting =
            self.kinds.entry(kind).or_insert_with(|| WaitingJob { jobs: BTreeMap::new(), last: None });
        waiting.jobs.entry(subject).or_default().push_back(job);
        true
    }

    /// Takes the next job; only an urgent one unless `scheduled`.
    pub(super) fn pop(&mut self, scheduled: bool) -> Option<T> {
        if let Some(job) = self.urgent.pop_front() {
            return Some(job);
        }
        if !scheduled {
            return None;
        }
        let nonempty = self.kinds.iter().filter(|(_, it)| !it.jobs.is_empty()).map(|(kind, _)| kind);
        let kind = *after(nonempty, self.last.as_ref())?;
        self.last = Some(kind);
        self.kinds.get_mut(&kind)?.pop()
    }

    /// Number of waiting jobs.
    pub(super) fn len(&self) -> usize {
        let scheduled = self.kinds.values().flat_map(|it| it.jobs.values()).map(VecDeque::len);
        self.urgent.len() + scheduled.sum::<usize>()
    }

    /// Whether an urgent job waits.
    pub(super) fn has_urgent(&self) -> bool {
        !self.urgent.is_empty()
    }

    /// Drops all but urgent jobs.
    pub(super) fn clear_scheduled(&mut self) {
        self.kinds.values_mut().for_each(|it| it.jobs.clear());
    }
}

impl<T> WaitingJob<T> {
    fn pop(&mut self) -> Option<T> {
        let subject = after(self.jobs.keys(), self.last.as_ref())?.clone();
        let jobs = self.jobs.get_mut(&subject)?;
        let job = jobs.pop_front();
        if jobs.is_empty() {
            self.jobs.remove(&subject);
        }
        self.last = Some(subject);
        job
    }
}

/// The first key after this one, wrapping around.
fn after<'a, K: Ord>(mut keys: impl Iterator<Item = &'a K> + Clone, last: Option<&K>) -> Option<&'a K> {
    let later = keys.clone().find(|it| last.is_none_or(|last| *it > last));
    later.or_else(|| keys.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Jobs as words: `!` for an urgent one, `h` for the host, `c` or `l` with a letter for a container or a log, `C`
    /// for all containers; a digit distinguishes jobs of one subject.
    fn lane(job: &str) -> JobLane {
        let name = || job[1..2].into();
        match &job[..1] {
            "!" => JobLane::Urgent,
            "h" => JobLane::Subject(Subject::Host),
            "c" => JobLane::Subject(Subject::Container(name())),
            "C" => JobLane::Kind(SubjectKind::Container),
            _ => JobLane::Subject(Subject::Log(name())),
        }
    }

    fn check(pushed: &str, expect: &str) {
        let mut queue = JobQueue::new(usize::MAX);
        pushed.split(' ').for_each(|it| assert!(queue.push(lane(it), it)));
        let popped: Vec<_> = std::iter::from_fn(|| queue.pop(true)).collect();
        assert_eq!(popped.join(" "), expect, "{pushed}");
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn kinds_and_then_subjects_take_turns() {
        check("h1 h2 h3", "h1 h2 h3");
        check("cb1 ca1 h1", "h1 ca1 cb1");
        check("ca1 ca2 ca3 ca4 h1 h2", "h1 ca1 h2 ca2 ca3 ca4");
        check("ca1 ca2 ca3 cb1 cc1 cc2", "ca1 cb1 cc1 ca2 cc2 ca3");
        check("ca1 cb1 lx1 lx2 h1 h2 C1", "h1 C1 lx1 h2 ca1 lx2 cb1");
        check("h1 !1 ca1 !2", "!1 !2 h1 ca1");
    }

    #[test]
    fn a_later_job_waits_for_its_turn_only() {
        let mut queue = JobQueue::new(usize::MAX);
        let mut order = Vec::new();
        let mut pop = |queue: &mut JobQueue<String>| order.extend(queue.pop(true));
        for round in 0..3 {
            for subject in ["ca", "cb"] {
                queue.push(lane(subject), format!("{subject}{round}"));
            }
            pop(&mut queue);
        }
        // A busy kind does not delay one that has had no turn yet.
        queue.push(lane("h"), "h".into());
        (0..4).for_each(|_| pop(&mut queue));
        assert_eq!(order.join(" "), "ca0 cb0 ca1 h cb1 ca2 cb2");
    }

    #[test]
    fn a_full_queue_refuses_and_strain_holds_back_all_but_urgent_jobs() {
        let mut queue = JobQueue::new(2);
        assert!(queue.push(lane("h"), 1) && queue.push(JobLane::Urgent, 2));
        assert!(!queue.push(lane("ca"), 3) && !queue.push(JobLane::Urgent, 4));
        assert!(queue.has_urgent());
        assert_eq!([queue.pop(false), queue.pop(false), queue.pop(true)], [Some(2), None, Some(1)]);
        queue.push(lane("h"), 5);
        queue.clear_scheduled();
        assert_eq!((queue.len(), queue.pop(true)), (0, None));
    }
}
