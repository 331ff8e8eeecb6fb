//! The store: readings, points, episodes, models and states in one SQLite database.
//!
//! Its layers depend on each other in one direction: row types and the schema ← statements and queries ← the writer, a
//! thread behind a bounded queue, and the reader, for commands. The loop never waits for the store.

mod file_permissions;
mod block;
mod data_dir;
mod database;
mod store_write;
mod episodes;
mod error;
mod handle;
mod settings;
mod points;
mod write_queue;
mod reader;
mod point_reader;
#[cfg(test)]
mod point_reader_test;
mod retention;
#[cfg(test)]
mod retention_test;
mod row_types;
mod schema;
mod series_keys;
mod series_index;
mod snapshots;
mod statements;
mod store_health;
mod write_ahead_log;
mod writer;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;

pub use data_dir::{FILE, LOCK, SET_ASIDE_MAX, is_own_file};
pub use error::StoreError;
pub use handle::{Store, create_with, import, write_entries_offline};
pub use reader::StoreReader;
pub use row_types::{
    AROUND_SECONDS, BORROWED, BackfillCounts, BackfillPoints, BaselineRow, IMPORTED, LEARNING,
    LogPositionRow, LogStateRow, MAINTENANCE, MarkerRow, ModelRow, PointRow, ScoreRow, SkippedDataCounts,
    SnapshotRow, StoredSnapshot, SubjectStateRow, TimeRange, VerdictRow,
};
pub use schema::VALUE_BYTES_MAX;
pub use settings::{RetentionSettings, StoreLocation, StoreSettings};
pub use statements::{LOG_POSITIONS_MAX, LOG_STATES_MAX, SUBJECT_STATE_BYTES_MAX, SUBJECT_STATES_MAX};
pub use store_health::METRICS;
pub use store_write::StoreWrite;
pub use write_queue::QUEUE_MAX;
pub use writer::{PENDING_MAX, Restore};
