//! The majority vote of the detectors that vote and do not abstain.

/// The result of a vote.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VoteResult {
    /// Whether more than half vote for an anomaly.
    pub anomalous: bool,
    /// Share that agrees with the majority, between 0.5 and 1.
    pub confidence: f64,
}

/// Counts the votes; `None` if all abstain.
pub fn majority(votes: impl IntoIterator<Item = Option<bool>>) -> Option<VoteResult> {
    let (mut for_it, mut all) = (0u32, 0u32);
    for vote in votes.into_iter().flatten() {
        all += 1;
        for_it += u32::from(vote);
    }
    if all == 0 {
        return None;
    }
    let anomalous = 2 * for_it > all;
    let agree = if anomalous { for_it } else { all - for_it };
    Some(VoteResult { anomalous, confidence: f64::from(agree) / f64::from(all) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(votes: &[Option<bool>], expected: Option<(bool, f64)>) {
        let found = majority(votes.iter().copied()).map(|it| (it.anomalous, it.confidence));
        assert_eq!(found, expected, "{votes:?}");
    }

    #[test]
    fn more_than_half_decide() {
        let (yes, no, abstain) = (Some(true), Some(false), None);
        check(&[yes, yes, yes], Some((true, 1.0)));
        check(&[yes, no, abstain], Some((false, 0.5)));
        check(&[yes, abstain, abstain], Some((true, 1.0)));
        check(&[no, no, yes, no], Some((false, 0.75)));
        check(&[abstain], None);
        check(&[], None);
    }
}
