//! Offsets of counters, which outlive a restart.

use std::sync::Arc;

use super::Engine;
use crate::counter_reset::{CounterOffset, OffsetChanges};
use crate::reading::Reading;

impl Engine {
    /// Continues the counters of a stored reading.
    pub fn resume_counters(&mut self, settled: &Reading) {
        self.counters.resume(settled);
    }

    /// Continues the counters with the offsets that were stored with the last reading.
    pub fn resume_counter_offsets(&mut self, offsets: &[CounterOffset]) {
        self.counters.resume_offsets(offsets);
    }

    /// Sets the previous reading whose counters were continued.
    pub fn set_previous(&mut self, reading: Arc<Reading>) {
        self.before = reading;
    }

    /// The offsets of counters that the store lacks, if any; the call marks them as stored.
    pub fn take_offset_changes(&mut self) -> Option<OffsetChanges> {
        self.counters.take_offset_changes()
    }

    /// States that the store may lack any offset, so that all are stored again.
    pub fn store_all_offsets(&mut self) {
        self.counters.store_all_offsets();
    }
}
