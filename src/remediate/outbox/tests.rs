//! Tests of the outbox.

use super::*;
use proptest::prelude::*;

fn planned(lane: &str, state: &str) -> PlannedAction {
    let action = "r/0/webhook".to_owned();
    PlannedAction { action, key: format!("{lane} {state}"), lane: lane.into(), payload: Some("{}".into()) }
}

fn open(directory: &Path) -> Outbox {
    Outbox::open(directory, OutboxLimits::default()).unwrap()
}

fn keys(rows: &[ClaimedAction]) -> Vec<&str> {
    rows.iter().map(|it| it.key.as_str()).collect()
}

const ACTION: &str = "r/0/webhook";

#[test]
fn an_action_is_known_over_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = open(directory.path());
    assert_eq!(outbox.add(&[planned("a", "firing")], 1.0).unwrap(), 1);
    assert_eq!(outbox.add(&[planned("a", "firing")], 2.0).unwrap(), 0);
    drop(outbox);
    let outbox = open(directory.path());
    assert_eq!(outbox.add(&[planned("a", "firing")], 3.0).unwrap(), 0);
    let rows = outbox.claim_due_actions(ACTION, 3.0, 10).unwrap();
    assert_eq!((keys(&rows), rows[0].attempts), (vec!["a firing"], 0));
    drop(outbox);
    // It was being sent when the process ended.
    let outbox = open(directory.path());
    let rows = outbox.claim_due_actions(ACTION, 4.0, 10).unwrap();
    assert_eq!((keys(&rows), rows[0].attempts), (vec!["a firing"], 1));
    outbox.settle(&[(rows[0].id, AttemptResult::Done)]).unwrap();
    drop(outbox);
    let outbox = open(directory.path());
    assert_eq!(outbox.add(&[planned("a", "firing")], 5.0).unwrap(), 0);
    assert!(outbox.claim_due_actions(ACTION, 5.0, 10).unwrap().is_empty());
}

#[test]
fn a_lane_is_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = open(directory.path());
    let all = [planned("a", "firing"), planned("a", "resolved"), planned("b", "firing")];
    outbox.add(&all, 1.0).unwrap();
    let rows = outbox.claim_due_actions(ACTION, 1.0, 10).unwrap();
    assert_eq!(keys(&rows), ["a firing", "b firing"]);
    outbox.settle(&[(rows[0].id, AttemptResult::Retry(9.0)), (rows[1].id, AttemptResult::Done)]).unwrap();
    assert!(outbox.claim_due_actions(ACTION, 8.0, 10).unwrap().is_empty());
    assert_eq!(outbox.next_at(ACTION).unwrap(), Some(9.0));
    let rows = outbox.claim_due_actions(ACTION, 9.0, 10).unwrap();
    outbox.settle(&[(rows[0].id, AttemptResult::Dropped)]).unwrap();
    assert_eq!(keys(&outbox.claim_due_actions(ACTION, 9.0, 10).unwrap()), ["a resolved"]);
}

#[test]
fn what_is_resolved_is_cancelled() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = open(directory.path());
    outbox.add(&[planned("a", "firing")], 1.0).unwrap();
    outbox.add(&[PlannedAction { payload: None, ..planned("a", "resolved") }], 2.0).unwrap();
    assert!(outbox.claim_due_actions(ACTION, 9.0, 10).unwrap().is_empty());
    assert_eq!(outbox.counts().of("webhook").dropped, 1);
}

#[test]
fn a_full_outbox_takes_all_or_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let limits = OutboxLimits { waiting_max: 2, ..OutboxLimits::default() };
    let outbox = Outbox::open(directory.path(), limits).unwrap();
    let three = ["a", "b", "c"].map(|it| planned(it, "firing"));
    assert!(matches!(outbox.add(&three, 1.0), Err(OutboxError::Full(0))));
    assert_eq!(outbox.add(&three[..2], 1.0).unwrap(), 2);
    // A repetition needs no room.
    assert_eq!(outbox.add(&three[..2], 1.0).unwrap(), 0);
}

#[test]
fn only_one_process_has_it() {
    let directory = tempfile::tempdir().unwrap();
    let _first = open(directory.path());
    let second = Outbox::open(directory.path(), OutboxLimits::default()).unwrap_err();
    assert!(second.to_string().contains("another hostnorm remediate uses it"), "{second}");
}

#[test]
fn old_actions_are_forgotten_unless_they_are_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = open(directory.path());
    outbox.add(&[planned("a", "firing"), planned("b", "firing")], 1.0).unwrap();
    let rows = outbox.claim_due_actions(ACTION, 1.0, 10).unwrap();
    outbox.settle(&rows.iter().map(|it| (it.id, AttemptResult::Done)).collect::<Vec<_>>()).unwrap();
    outbox.add(&[planned("a", "firing")], 100.0).unwrap();
    outbox.clean_up([ACTION], 50.0).unwrap();
    assert_eq!(outbox.add(&[planned("a", "firing"), planned("b", "firing")], 101.0).unwrap(), 1);
    // Its rule is gone.
    outbox.clean_up(["other/0/log"], 50.0).unwrap();
    assert!(outbox.claim_due_actions(ACTION, 200.0, 10).unwrap().is_empty());
}

#[test]
fn permits_outlive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = open(directory.path());
    assert!(outbox.take_permit("a", "1", 2, 0.0).unwrap());
    assert!(outbox.take_permit("a", "1", 2, 1.0).unwrap());
    assert!(outbox.take_permit("a", "2", 2, 1.0).unwrap());
    drop(outbox);
    let outbox = open(directory.path());
    assert!(!outbox.take_permit("a", "3", 2, 2.0).unwrap());
    assert!(outbox.take_permit("b", "3b", 2, 2.0).unwrap());
    assert!(outbox.take_permit("a", "3", 2, 3601.0).unwrap());
}

#[test]
fn issues_are_known_once_they_were_listed() {
    let directory = tempfile::tempdir().unwrap();
    let outbox = open(directory.path());
    let issue = |number, is_open| AlertIssue { number, comments: 2, is_open, opened_by: u64::MAX };
    assert!(!outbox.are_issues_known("a").unwrap());
    outbox.remember_issue(1, issue(10, true), 1.0).unwrap();
    outbox.remember_issue(2, issue(20, false), 1.0).unwrap();
    // Another action closed this one while the list was read.
    outbox.remember_issue(u64::MAX, issue(30, false), 5.0).unwrap();
    let listed =
        [(1, issue(11, true)), (2, issue(21, true)), (u64::MAX, issue(31, true)), (4, issue(41, true))];
    outbox.take_issues("a", &listed, 5.0).unwrap();
    drop(outbox);
    let outbox = open(directory.path());
    for (lane, expect) in
        [(1, issue(10, true)), (2, issue(21, true)), (u64::MAX, issue(30, false)), (4, issue(41, true))]
    {
        assert_eq!(outbox.issue(lane).unwrap(), Some(expect));
    }
    assert_eq!(outbox.issue(5).unwrap(), None);
    assert!(outbox.are_issues_known("a").unwrap() && !outbox.are_issues_known("b").unwrap());
    outbox.set_issues_known("a", false).unwrap();
    assert!(!outbox.are_issues_known("a").unwrap());
}

#[test]
fn an_outbox_of_an_older_version_keeps_its_actions() {
    let version_2 = "ALTER TABLE action RENAME COLUMN rule_action TO action;
        ALTER TABLE action RENAME COLUMN last_requested_at TO seen_at;";
    let version_1 = "DROP TABLE listed; DROP TABLE issue; CREATE TABLE issue (lane TEXT PRIMARY KEY) STRICT";
    for (version, changes) in [(1, [version_2, version_1].concat()), (2, version_2.to_owned())] {
        let directory = tempfile::tempdir().unwrap();
        open(directory.path()).add(&[planned("a", "firing")], 1.0).unwrap();
        let connection = Connection::open(directory.path().join(FILE)).unwrap();
        connection.execute_batch(&changes).unwrap();
        connection.pragma_update(None, "user_version", version).unwrap();
        drop(connection);
        let outbox = open(directory.path());
        assert_eq!(outbox.claim_due_actions(ACTION, 1.0, 10).unwrap().len(), 1);
        assert_eq!(outbox.issue(1).unwrap(), None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever is asked for twice, in whatever order, is done once, and in the order of its lane.
    #[test]
    fn each_action_is_done_once(asked in prop::collection::vec((0..3_usize, 0..4_usize), 1..30)) {
        let directory = tempfile::tempdir().unwrap();
        let outbox = open(directory.path());
        let (mut done, mut wanted) = (Vec::new(), Vec::new());
        for (idx, (lane, state)) in asked.iter().enumerate() {
            let action = planned(&format!("l{lane}"), &format!("s{state}"));
            if !wanted.contains(&action.key) {
                wanted.push(action.key.clone());
            }
            outbox.add(&[action], 1.0).unwrap();
            if idx % 3 == 0 {
                for row in outbox.claim_due_actions(ACTION, 1.0, 2).unwrap() {
                    outbox.settle(&[(row.id, AttemptResult::Done)]).unwrap();
                    done.push(row.key);
                }
            }
        }
        loop {
            let rows = outbox.claim_due_actions(ACTION, 1.0, 2).unwrap();
            if rows.is_empty() {
                break;
            }
            outbox.settle(&rows.iter().map(|it| (it.id, AttemptResult::Done)).collect::<Vec<_>>()).unwrap();
            done.extend(rows.into_iter().map(|it| it.key));
        }
        for lane in ["l0", "l1", "l2"] {
            let of = |keys: &[String]| keys.iter().filter(|it| it.starts_with(lane)).cloned().collect::<Vec<_>>();
            prop_assert_eq!(of(&done), of(&wanted));
        }
    }
}
