//! Which lines of a server were read, so that overlapping requests count each line once.

use std::collections::BTreeSet;

use super::RemoteLine;

/// How far requests overlap: lines arrive late and out of order by this much.
const OVERLAP: i64 = 10_000_000_000;
/// Largest number of lines that are known within the overlap; a log with more has a shorter overlap.
const SEEN_MAX: usize = 20_000;
/// Largest number of lines of a stored position, which has at most 4,096 bytes.
const STORED_MAX: usize = 120;
/// How much faster than they were written lines are read after an outage: all at once would look like a flood.
const CATCH_UP_SPEED: i64 = 2;

/// How far a log on a server was read; times in nanoseconds of Unix time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::logs) struct LogCursor {
    /// End of the time that was asked for.
    until: i64,
    /// Time of the newest line.
    newest: i64,
    /// Lines before it are not looked at: they are known, or too old.
    floor: i64,
    /// Time and identity of lines since the floor.
    seen: BTreeSet<(i64, u64)>,
    /// Whether nothing was read before, so that everything is read at once.
    is_new: bool,
    /// New lines below the floor.
    lost: u64,
}

impl LogCursor {
    /// Starts with the lines of the last `lookback`.
    pub(in crate::logs) fn new(now: i64, lookback: i64) -> Self {
        let start = now.saturating_sub(lookback);
        Self { until: start, newest: start, floor: start, seen: BTreeSet::new(), is_new: true, lost: 0 }
    }

    /// The time to ask for, as start and exclusive end; none if the clock does not allow any.
    pub(in crate::logs) fn range(&mut self, now: i64, lookback: i64, poll: i64) -> Option<(i64, i64)> {
        if now < self.until.saturating_sub(lookback) {
            // The clock was set back.
            *self = Self { is_new: false, ..Self::new(now, 0) };
            return None;
        }
        // What is older than `lookback` is given up after an outage.
        self.until = self.until.max(now.saturating_sub(lookback));
        let end = if self.is_new { now } else { now.min(self.until.saturating_add(CATCH_UP_SPEED * poll)) };
        let start = (self.newest - OVERLAP).max(self.until.saturating_sub(lookback)).max(self.floor);
        self.floor = start;
        self.seen = self.seen.split_off(&(start, 0));
        (start < end).then_some((start, end))
    }

    /// Notes a line; returns whether it is new.
    pub(in crate::logs) fn take(&mut self, line: &RemoteLine) -> bool {
        if line.at < self.floor {
            self.lost += 1;
            return false;
        }
        if !self.seen.insert((line.at, line.identity)) {
            return false;
        }
        self.newest = self.newest.max(line.at);
        if self.seen.len() > SEEN_MAX
            && let Some((oldest, _)) = self.seen.first().copied()
        {
            self.floor = oldest.saturating_add(1);
            self.seen = self.seen.split_off(&(self.floor, 0));
        }
        true
    }

    /// Lines below the floor since the last call.
    pub(in crate::logs) fn take_lost_line_count(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Notes that everything before `until` was read.
    pub(in crate::logs) fn advance(&mut self, until: i64) {
        self.until = self.until.max(until);
        self.is_new = false;
    }

    /// The form that is stored: the last lines only, so the floor is higher.
    pub(in crate::logs) fn to_text(&self) -> String {
        let mut last: Vec<(i64, u64)> = self.seen.iter().rev().take(STORED_MAX + 1).copied().collect();
        let mut floor = self.floor;
        if last.len() > STORED_MAX
            && let Some((at, _)) = last.pop()
        {
            floor = at.saturating_add(1);
            last.retain(|(at, _)| *at >= floor);
        }
        let lines = last.iter().map(|(at, identity)| format!(" {:x}:{identity:x}", at.wrapping_sub(floor)));
        format!("{} {} {floor}{}", self.until, self.newest, lines.collect::<String>())
    }

    /// Reads what was stored; none for any other text.
    pub(in crate::logs) fn from_text(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let until: i64 = words.next()?.parse().ok()?;
        let newest = words.next()?.parse().ok()?;
        let floor: i64 = words.next()?.parse().ok()?;
        let line = |word: &str| {
            let (after, identity) = word.split_once(':')?;
            let after = i64::from_str_radix(after, 16).ok().filter(|it| *it >= 0)?;
            Some((floor.checked_add(after)?, u64::from_str_radix(identity, 16).ok()?))
        };
        let seen = words.map(line).collect::<Option<BTreeSet<_>>>()?;
        let is_sound = (0..=until).contains(&newest) && (0..=until).contains(&(floor.checked_sub(1)?));
        is_sound.then_some(Self { until, newest, floor, seen, is_new: false, lost: 0 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000_000;
    const START: i64 = 1_700_000_000 * SECOND;
    const LOOKBACK: i64 = 300 * SECOND;
    const POLL: i64 = 5 * SECOND;

    fn line(at: i64, identity: u64) -> RemoteLine {
        RemoteLine { at, identity, severity: None, text: String::new() }
    }

    #[test]
    fn the_first_request_reads_back_and_later_ones_overlap() {
        let mut cursor = LogCursor::new(START, LOOKBACK);
        assert_eq!(cursor.range(START, LOOKBACK, POLL), Some((START - LOOKBACK, START)));
        assert!(cursor.take(&line(START - SECOND, 1)));
        cursor.advance(START);
        let (start, end) = cursor.range(START + POLL, LOOKBACK, POLL).unwrap();
        assert_eq!((start, end), (START - SECOND - OVERLAP, START + POLL));
        assert!(!cursor.take(&line(START - SECOND, 1)));
        assert!(cursor.take(&line(START - SECOND, 2)), "another line at the same instant");
        assert!(cursor.take(&line(START - 5 * SECOND, 3)), "late");
    }

    #[test]
    fn after_an_outage_lines_are_read_at_twice_their_speed() {
        let mut cursor = LogCursor::new(START, LOOKBACK);
        cursor.range(START, LOOKBACK, POLL);
        cursor.advance(START);
        let now = START + 100 * SECOND;
        let (_, end) = cursor.range(now, LOOKBACK, POLL).unwrap();
        assert_eq!(end, START + 2 * POLL);
        // After a longer one, what is older is given up.
        let now = START + 1_000 * SECOND;
        let (start, _) = cursor.range(now, LOOKBACK, POLL).unwrap();
        assert!(start >= now - 2 * LOOKBACK);
    }

    #[test]
    fn a_clock_that_was_set_back_starts_anew() {
        let mut cursor = LogCursor::new(START, LOOKBACK);
        cursor.range(START, LOOKBACK, POLL);
        cursor.advance(START);
        let now = START - 1_000 * SECOND;
        assert_eq!(cursor.range(now, LOOKBACK, POLL), None);
        assert_eq!(cursor.range(now + POLL, LOOKBACK, POLL), Some((now, now + POLL)));
    }

    #[test]
    fn what_is_known_is_bounded() {
        let mut cursor = LogCursor::new(START, LOOKBACK);
        cursor.range(START, LOOKBACK, POLL);
        for it in 0..SEEN_MAX as i64 + 10 {
            assert!(cursor.take(&line(START - LOOKBACK + it, 0)));
        }
        assert_eq!(cursor.seen.len(), SEEN_MAX);
        assert!(!cursor.take(&line(START - LOOKBACK, 0)), "not twice");
        assert_eq!((cursor.take_lost_line_count(), cursor.take_lost_line_count()), (1, 0));
        assert!(cursor.to_text().len() <= crate::logs::POSITION_BYTES_MAX);
    }

    proptest! {
        /// A server keeps lines that arrive in any order within the overlap; pages have any size; the program restarts.
        #[test]
        fn each_line_counts_once(
            arrivals in proptest::collection::vec((0..200i64, 0..9i64), 1..60),
            restarts in proptest::collection::vec(any::<bool>(), 60),
        ) {
            let lines: Vec<(i64, RemoteLine)> = arrivals
                .iter()
                .zip(0..)
                .map(|((at, late), id)| (START + (at + late) * SECOND, line(START + at * SECOND, id)))
                .collect();
            let mut cursor = LogCursor::new(START, LOOKBACK);
            let mut counts = vec![0; lines.len()];
            for (tick, is_restart) in restarts.iter().enumerate() {
                let now = START + tick as i64 * POLL;
                if let Some((start, end)) = cursor.range(now, LOOKBACK, POLL) {
                    let found = lines.iter().filter(|(arrived, it)| *arrived <= now && (start..end).contains(&it.at));
                    for (_, it) in found {
                        counts[it.identity as usize] += u32::from(cursor.take(it));
                    }
                    cursor.advance(end);
                }
                if *is_restart {
                    cursor = LogCursor::from_text(&cursor.to_text()).unwrap();
                }
            }
            prop_assert!(counts.iter().all(|it| *it == 1), "{:?}", counts);
        }

        #[test]
        fn text_is_read_back_and_anything_else_refused(text in "([0-9]{1,19}|[0-9a-f]{1,17}:[0-9a-f]{1,17}| |-|.){0,9}") {
            if let Some(cursor) = LogCursor::from_text(&text) {
                prop_assert_eq!(LogCursor::from_text(&cursor.to_text()), Some(cursor));
            }
        }
    }
}
