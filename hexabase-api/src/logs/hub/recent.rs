//! Recognition of lines that were processed already.

use std::collections::BTreeSet;

use hexabase_core::logs::LineId;
use jiff::Timestamp;

/// Maximum number of remembered lines. The oldest ones are forgotten first, and then count as processed.
const CAPACITY: usize = 50_000;

/// Ids of the processed lines after a floor. All lines up to the floor count as processed.
#[derive(Debug)]
pub(in super::super) struct RecentLines {
    floor: LineId,
    ids: BTreeSet<LineId>,
}

impl RecentLines {
    /// Counts all lines up to `floor` as processed.
    pub(in super::super) const fn new(floor: LineId) -> Self {
        Self { floor, ids: BTreeSet::new() }
    }

    /// Records a processed line; returns `false` if it was processed before.
    pub(in super::super) fn insert(&mut self, id: LineId) -> bool {
        if id <= self.floor || !self.ids.insert(id) {
            return false;
        }
        while self.ids.len() > CAPACITY {
            self.floor = self.ids.pop_first().unwrap_or(self.floor).max(self.floor);
        }
        true
    }

    /// `true` if a line was processed.
    pub(in super::super) fn contains(&self, id: LineId) -> bool {
        id <= self.floor || self.ids.contains(&id)
    }

    /// Forgets the lines before a time, which then count as processed.
    pub(in super::super) fn forget_before(&mut self, at: Timestamp) {
        self.floor = self.floor.max(LineId::before(at));
        self.ids = self.ids.split_off(&self.floor);
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::constant(1_767_225_600, 0) + SignedDuration::from_millis(milliseconds)
    }

    fn line(milliseconds: i64) -> LineId {
        LineId::before(at(milliseconds))
    }

    #[test]
    fn each_line_is_new_once_also_after_it_is_forgotten() {
        let mut recent = RecentLines::new(line(10));
        assert!(!recent.insert(line(9)) && !recent.insert(line(10)), "up to the floor");
        assert!(recent.insert(line(11)) && recent.insert(line(30)) && recent.insert(line(20)));
        assert!(!recent.insert(line(20)) && recent.contains(line(30)) && !recent.contains(line(25)));
        recent.forget_before(at(30));
        assert!(recent.contains(line(25)) && recent.contains(line(30)) && !recent.contains(line(31)));
        assert_eq!(recent.ids.len(), 1);
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut recent = RecentLines::new(line(0));
        let total = i64::try_from(CAPACITY).unwrap() + 10;
        assert!((1..=total).all(|number| recent.insert(line(number))));
        assert_eq!(recent.ids.len(), CAPACITY);
        assert!(!(0..total).any(|number| recent.insert(line(number))));
    }
}
