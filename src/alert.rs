//! Decides which episodes are worth an alert: the one place where score, budget, impact and the words of operators meet.
//!
//! An episode says that a subject is *unusual*, which is right for a dashboard and happens several times a week. An alert
//! says that somebody should look now. It starts within an episode and ends with it: one incident is one alert, however its
//! score rises and falls.
//!
//! | what | effect |
//! |---|---|
//! | the score reaches the alert level | the alert starts; twice the level in grace |
//! | it was often like this in its first week | the alert does not start (`detect::first_week_habits`) |
//! | each deviating signal was about as high on earlier days, or twice before on a new host | the alert does not start (`detect::earlier_days`) |
//! | the impact is critical | the alert starts at any score |
//! | `is_withheld`: maintenance | no alert, and nothing is learned for the budget; the episode goes on |
//! | similar episodes were rejected | the score itself is discounted (`episode_pattern`), down to 1 |
//! | the episode ends or is accepted | the alert ends |
//!
//! With a budget, the level is derived from the subject's own scores.

use serde::{Deserialize, Serialize};

use crate::alert_budget::{AlertBudget, BudgetLedger};
use crate::detect::budget_alert_level::BudgetAlertLevel;
use crate::grace;
use crate::impact::EpisodeSeverity;
use crate::report::WithheldReason;

/// The alert level by default, as a score: twice the unusual level.
pub const LEVEL: f64 = 2.0;
/// The smallest alert level: an alert needs an episode, which starts at this score.
pub const LEVEL_MIN: f64 = 1.0;

/// When an alert starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlertStartRule {
    /// The score from which an episode is an alert, without a budget; at least [`LEVEL_MIN`].
    pub level: f64,
    /// Accepted number of alerts; with enough history, the level is derived from it.
    pub budget: AlertBudget,
    /// Whether an episode whose like is known, from the first week or from earlier days, is an alert, too.
    pub on_recurrence: bool,
}

/// One reading of a subject, as the decision sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlertInput {
    /// Seconds since the previous reading, without gaps.
    pub elapsed: f64,
    /// The score that starts and ends episodes.
    pub score: f64,
    /// Factor of the threshold while the host is new, 1 to 1.5; the alert level is lower by it, as a raw score the same.
    pub new_host_factor: f64,
    /// Whether there is an episode after this reading.
    pub in_episode: bool,
    /// Whether a grace period is active.
    pub in_grace: bool,
    /// Whether and when the subject was like this before, often or regularly.
    pub usual: Option<WithheldReason>,
}

/// What is known about the current episode beside its score.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct AlertEvidence {
    /// Its highest severity so far, from its impact on the work of the subject.
    pub severity: Option<EpisodeSeverity>,
    /// Whether nobody wants an alert now, because of maintenance.
    pub is_withheld: bool,
}

/// The decision for one reading.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct AlertDecision {
    /// Whether the current episode is an alert.
    pub is_active: bool,
    /// Whether the alert started with this reading.
    pub has_begun: bool,
    /// The score from which an episode is an alert; from the budget, if there is one and enough history.
    pub level: f64,
    /// Share of the budget that the alerts of the last period spent; `None` without a budget.
    pub budget_spent: Option<f64>,
    /// Why there is no alert at this score and impact; `None` with an alert, and below the level.
    pub withheld: Option<WithheldReason>,
}

/// The alert of one subject.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct AlertTracker {
    is_active: bool,
    /// Whether the current episode was found worth an alert, also while the alert is withheld.
    is_reached: bool,
    /// The level from the budget, and the alerts spent; `None` without a budget.
    budget: Option<(BudgetAlertLevel, BudgetLedger)>,
}

impl AlertTracker {
    /// Whether this restored state can be used with this rule.
    pub(crate) fn fits(&self, rule: &AlertStartRule) -> bool {
        self.budget.as_ref().is_none_or(|(tail, ledger)| {
            let rate = rule.budget.rate();
            rate.is_some_and(|rate| tail.fits(&BudgetAlertLevel::new(rate, rule.level)))
                && ledger.fits(&BudgetLedger::new(rule.budget))
        })
    }

    /// Whether there is an alert.
    pub fn is_active(&self) -> bool {
        self.is_active
    }

    /// The score from which an episode is an alert.
    pub fn level(&self, new_host_factor: f64, rule: &AlertStartRule) -> f64 {
        let from_budget = self.budget.as_ref().and_then(|(tail, _)| tail.limit());
        (from_budget.unwrap_or(rule.level) / new_host_factor).max(LEVEL_MIN)
    }

    /// Takes the alert of `live`, whose other state is replaced.
    pub fn continue_from(&mut self, live: &Self) {
        (self.is_active, self.is_reached) = (live.is_active, live.is_reached);
    }

    /// Ends the alert, because the subject is gone.
    pub fn end(&mut self) {
        (self.is_active, self.is_reached) = (false, false);
    }

    /// Decides for one reading, after its episode.
    pub fn step(&mut self, now: AlertInput, evidence: AlertEvidence, rule: &AlertStartRule) -> AlertDecision {
        let level = self.level(now.new_host_factor, rule);
        let was_reached = self.is_reached;
        let score = now.score;
        let factor = if now.in_grace { grace::LIMIT_FACTOR } else { 1.0 };
        let is_high = score >= factor * level;
        let is_critical = evidence.severity == Some(EpisodeSeverity::Critical);
        let is_reached = (is_high && now.usual.is_none()) || is_critical;
        self.is_reached = now.in_episode && (was_reached || (is_reached && !evidence.is_withheld));
        self.is_active = self.is_reached && !evidence.is_withheld;
        let has_begun = self.is_reached && !was_reached;
        if !evidence.is_withheld {
            self.learn(now.elapsed, score * now.new_host_factor, has_begun, rule);
        }
        let budget_spent = self.budget.as_ref().and_then(|(_, ledger)| ledger.spent());
        let maintenance = evidence.is_withheld.then_some(WithheldReason::Maintenance);
        let is_candidate = now.in_episode && !self.is_active && (is_high || is_critical);
        let withheld = maintenance.or(now.usual).filter(|_| is_candidate);
        AlertDecision { is_active: self.is_active, has_begun, level, budget_spent, withheld }
    }

    /// Adjusts the level and the budget spent by a score, on the scale of a known host.
    pub fn learn(&mut self, elapsed: f64, score: f64, has_begun: bool, rule: &AlertStartRule) {
        let Some(rate) = rule.budget.rate() else { return };
        let new = || (BudgetAlertLevel::new(rate, rule.level), BudgetLedger::new(rule.budget));
        let (tail, ledger) = self.budget.get_or_insert_with(new);
        tail.learn(elapsed, score);
        ledger.step(elapsed, has_begun);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: AlertStartRule =
        AlertStartRule { level: 2.0, budget: AlertBudget::OFF, on_recurrence: false };

    fn input(score: f64) -> AlertInput {
        AlertInput {
            elapsed: 1.0,
            score,
            new_host_factor: 1.0,
            in_episode: score >= 1.0,
            in_grace: false,
            usual: None,
        }
    }

    /// Scores, a second apart, and whether there is an alert after each.
    fn check(scores: &[f64], evidence: AlertEvidence, in_grace: bool, expected: &str) {
        let mut tracker = AlertTracker::default();
        let found: String = scores
            .iter()
            .map(|score| {
                let it = tracker.step(AlertInput { in_grace, ..input(*score) }, evidence, &RULE);
                if it.has_begun {
                    'B'
                } else if it.is_active {
                    'x'
                } else {
                    '.'
                }
            })
            .collect();
        assert_eq!(found, expected, "{scores:?}");
    }

    #[test]
    fn starts_at_its_level_and_ends_with_the_episode() {
        let none = AlertEvidence::default();
        check(&[1.0, 1.9, 2.0, 1.5, 1.0, 0.9, 1.0, 2.0], none, false, "..Bxx..B");
        check(&[2.5, 0.5, 2.5], none, false, "B.B");
        check(&[2.5, 4.0, 2.5], none, true, ".Bx");
    }

    #[test]
    fn what_was_usual_before_starts_none_unless_it_hurts() {
        let mut tracker = AlertTracker::default();
        let mut step = |score, is_usual: bool, severity| {
            let now = AlertInput { usual: is_usual.then_some(WithheldReason::EarlierDays), ..input(score) };
            let it = tracker.step(now, AlertEvidence { severity, is_withheld: false }, &RULE);
            (it.is_active, it.withheld)
        };
        let (alert, usual) = ((true, None), (false, Some(WithheldReason::EarlierDays)));
        assert_eq!([step(3.0, true, None), step(3.0, true, Some(EpisodeSeverity::Warning))], [usual, usual]);
        assert_eq!(step(1.5, true, None), (false, None));
        assert_eq!([step(3.0, true, Some(EpisodeSeverity::Critical)), step(3.0, true, None)], [alert, alert]);
        assert_eq!([step(0.5, false, None), step(3.0, false, None)], [(false, None), alert]);
        assert_eq!(step(3.0, true, None), alert);
    }

    #[test]
    fn critical_impact_is_an_alert_at_any_score_of_an_episode() {
        let severity = |it| AlertEvidence { severity: Some(it), ..AlertEvidence::default() };
        check(&[0.5, 1.0, 1.1, 1.1, 1.1, 0.5], severity(EpisodeSeverity::Critical), false, ".Bxxx.");
        check(&[0.5, 1.0, 1.1], severity(EpisodeSeverity::Warning), false, "...");
    }

    #[test]
    fn nothing_is_an_alert_while_it_is_withheld() {
        check(&[3.0, 9.0], AlertEvidence { is_withheld: true, ..AlertEvidence::default() }, false, "..");
        // Maintenance in the middle of an alert: the same alert goes on after it.
        let mut tracker = AlertTracker::default();
        let steps = [(5.0, false), (5.0, true), (1.6, false), (0.5, false)].map(|(score, is_withheld)| {
            let it = tracker.step(input(score), AlertEvidence { is_withheld, severity: None }, &RULE);
            (it.is_active, it.has_begun)
        });
        assert_eq!(steps, [(true, true), (false, false), (true, false), (false, false)]);
    }

    #[test]
    fn a_budget_counts_alerts_and_moves_the_level() {
        let rule = AlertStartRule { budget: "1 per week".parse().unwrap(), ..RULE };
        let mut tracker = AlertTracker::default();
        let mut last = AlertDecision::default();
        for hour in 0..24 * 21 {
            let score = if hour % 24 == 0 { 1.8 } else { 0.2 + 0.05 * f64::from(hour % 7) };
            last = tracker.step(
                AlertInput { elapsed: 3_600.0, ..input(score) },
                AlertEvidence::default(),
                &rule,
            );
        }
        assert_eq!(last.budget_spent, Some(0.0));
        assert!((1.0..=4.0).contains(&last.level) && (last.level - 2.0).abs() > 1e-6, "{last:?}");
        assert!(tracker.fits(&rule) && !tracker.fits(&RULE));
    }

    proptest! {
        #[test]
        fn there_is_no_alert_without_an_episode(steps in prop::collection::vec((0.0..9.0_f64, any::<bool>()), 1..60)) {
            let mut tracker = AlertTracker::default();
            for (score, is_withheld) in steps {
                let evidence = AlertEvidence { is_withheld, severity: None };
                let it = tracker.step(input(score), evidence, &RULE);
                prop_assert!(!it.is_active || (score >= 1.0 && !is_withheld));
                prop_assert!(!it.has_begun || score >= it.level);
            }
        }
    }
}
