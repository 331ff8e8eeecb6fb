//! Adds to the episodes of logs which kinds of lines explain them, when they start and whenever they are described again.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::episode_text;
use crate::log_stream::{LogStream, NotableTemplate};
use crate::reading::{Subject, Timestamp};
use crate::report::{Assessment, EpisodeTemplate, EpisodeTransition, Report, add_templates};
use crate::store::{StoreError, StoreReader};

/// The templates of the current episodes of logs.
#[derive(Debug, Default)]
pub(super) struct EpisodeTemplates {
    streams: BTreeMap<Subject, Arc<LogStream>>,
    current: BTreeMap<Subject, EpisodeWithTemplates>,
}

/// The templates of an episode, for an episode that continues after a restart.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTemplates {
    /// The log.
    pub subject: Subject,
    /// Start of the episode.
    pub since: Timestamp,
    /// Its templates.
    pub templates: Vec<EpisodeTemplate>,
}

/// The templates of the episodes that were open at the last commit.
///
/// # Errors
/// If the store cannot be read.
pub(super) fn stored(reader: &StoreReader) -> Result<Vec<StoredTemplates>, StoreError> {
    let with_templates = reader.open_episodes()?.into_iter().filter(|it| !it.templates.is_empty());
    let stored = with_templates.filter_map(|it| {
        Some(StoredTemplates { subject: it.subject()?, since: Timestamp(it.began), templates: it.templates })
    });
    Ok(stored.collect())
}

#[derive(Debug)]
struct EpisodeWithTemplates {
    since: Timestamp,
    templates: Arc<[EpisodeTemplate]>,
    /// The last description without and with the templates.
    description: Option<[Arc<str>; 2]>,
}

impl EpisodeTemplates {
    /// For these logs; none is named without `are_kept`.
    pub(super) fn new(logs: &[Arc<LogStream>], are_kept: bool) -> Self {
        let streams =
            logs.iter().filter(|_| are_kept).map(|it| (Subject::Log(Arc::clone(it.name())), Arc::clone(it)));
        Self { streams: streams.collect(), current: BTreeMap::new() }
    }

    /// Takes over the templates of the episodes that were open when hostnorm ended.
    pub(super) fn restore(&mut self, stored: Vec<StoredTemplates>) {
        for StoredTemplates { subject, since, templates } in stored {
            if self.streams.contains_key(&subject) {
                let templates = templates.into();
                let known = EpisodeWithTemplates { since, templates, description: None };
                self.current.entry(subject).or_insert(known);
            }
        }
    }

    /// Adds the templates to the assessment of each log.
    pub(super) fn update(&mut self, report: &mut Report) {
        self.update_with(report, |it| it.notable_templates());
    }

    fn update_with(&mut self, report: &mut Report, notable: impl Fn(&LogStream) -> Vec<NotableTemplate>) {
        for (subject, stream) in &self.streams {
            // A log without an assessment waits for its stored state, and its episode may continue.
            let Some(assessment) = report.assessments.get_mut(subject) else { continue };
            let Some(episode) = assessment.episode else {
                self.current.remove(subject);
                continue;
            };
            let is_known = self.current.get(subject).is_some_and(|it| it.since == episode.since);
            if !is_known {
                let known = EpisodeWithTemplates {
                    since: episode.since,
                    templates: Arc::default(),
                    description: None,
                };
                self.current.insert(subject.clone(), known);
            }
            let Some(current) = self.current.get_mut(subject) else { continue };
            if !is_known || assessment.transition == Some(EpisodeTransition::Changed) {
                assessment.templates_are_new = current.add(&notable(stream));
            }
            current.describe(assessment);
        }
    }
}

impl EpisodeWithTemplates {
    /// Adds templates; returns whether that changed any.
    fn add(&mut self, notable: &[NotableTemplate]) -> bool {
        let mut templates = self.templates.to_vec();
        let found = notable.iter().filter_map(|it| EpisodeTemplate::new(&it.text, it.is_new));
        let is_changed = add_templates(&mut templates, found);
        if is_changed {
            self.templates = templates.into();
        }
        is_changed
    }

    fn describe(&mut self, assessment: &mut Assessment) {
        assessment.templates = Arc::clone(&self.templates);
        let Some(plain) = &assessment.description else { return };
        let is_known = self.description.as_ref().is_some_and(|[known, _]| Arc::ptr_eq(known, plain));
        if !is_known || assessment.templates_are_new {
            let full = episode_text::with_templates(plain, &self.templates).into();
            self.description = Some([Arc::clone(plain), full]);
        }
        assessment.description = self.description.as_ref().map(|[_, full]| Arc::clone(full));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Episode;

    const SINCE: f64 = 100.0;
    const BEGAN: Option<EpisodeTransition> = Some(EpisodeTransition::Started);
    const CHANGED: Option<EpisodeTransition> = Some(EpisodeTransition::Changed);

    fn log() -> Subject {
        Subject::Log("nginx".into())
    }

    fn templates(are_kept: bool) -> EpisodeTemplates {
        EpisodeTemplates::new(&[LogStream::new("nginx")], are_kept)
    }

    /// A tick in which these new templates are notable; returns the description and whether the templates changed.
    fn tick(
        of: &mut EpisodeTemplates,
        (plain, transition): (&Arc<str>, Option<EpisodeTransition>),
        notable: &[&str],
    ) -> (String, bool) {
        let assessment = Assessment {
            episode: Some(Episode { since: Timestamp(SINCE), peak: 2.0, lasted: 0.0 }),
            description: Some(Arc::clone(plain)),
            transition,
            ..Assessment::default()
        };
        let mut report = Report { assessments: [(log(), assessment)].into(), ..Report::default() };
        let template = |text: &&str| NotableTemplate { text: (*text).to_owned(), is_new: true };
        of.update_with(&mut report, |_| notable.iter().map(template).collect());
        let it = &report.assessments[&log()];
        (it.description.as_deref().unwrap_or_default().to_owned(), it.templates_are_new)
    }

    #[test]
    fn templates_are_taken_at_the_start_and_with_a_new_description() {
        let mut of = templates(true);
        let plain: Arc<str> = "Anomaly on log nginx: errors 12/s".into();
        let first = format!("{plain}; new template `a`");
        assert_eq!(tick(&mut of, (&plain, BEGAN), &["a"]), (first.clone(), true));
        assert_eq!(tick(&mut of, (&plain, None), &["b"]), (first, false), "not in between");
        let renewed: Arc<str> = "Anomaly on log nginx: errors 9/s".into();
        let both = format!("{renewed}; new templates `a`, `c`");
        assert_eq!(tick(&mut of, (&renewed, CHANGED), &["c"]), (both.clone(), true));
        assert_eq!(tick(&mut of, (&renewed, None), &[]), (both, false));
        let mut quiet = Report { assessments: [(log(), Assessment::default())].into(), ..Report::default() };
        of.update_with(&mut quiet, |_| Vec::new());
        assert!(of.current.is_empty(), "they end with the episode");
    }

    #[test]
    fn a_restart_keeps_the_templates_of_an_episode_that_continues() {
        let plain: Arc<str> = "Anomaly on log nginx: errors 12/s".into();
        for (since, expect) in
            [(SINCE, format!("{plain}; new template `a`")), (SINCE - 1.0, plain.to_string())]
        {
            let mut of = templates(true);
            let kept = EpisodeTemplate::new("a", true).into_iter().collect();
            of.restore(vec![StoredTemplates { subject: log(), since: Timestamp(since), templates: kept }]);
            of.update_with(&mut Report::default(), |_| Vec::new());
            assert_eq!(tick(&mut of, (&plain, None), &[]), (expect, false), "{since}");
        }
    }

    #[test]
    fn none_are_kept_if_the_setting_says_so() {
        let mut of = templates(false);
        let plain: Arc<str> = "Anomaly on log nginx: errors 12/s".into();
        assert_eq!(tick(&mut of, (&plain, BEGAN), &["a"]), (plain.to_string(), false));
    }
}
