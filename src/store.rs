//! The store: readings, points, episodes, models and states, in one SQLite database that outlives the process.
//!
//! Its layers use each other in one direction: row types and the schema ← statements and queries ← the writer, a thread
//! behind a bounded queue, and the reader, for commands. The loop never waits for it. This module alone knows SQLite.

mod file_permissions;
mod block;
mod data_dir;
mod database;
mod entry;
mod episodes;
mod error;
mod handle;
mod settings;
mod points;
mod queue;
mod reader;
mod retention;
#[cfg(test)]
mod retention_test;
mod row_types;
mod schema;
mod reading_series;
mod series_index;
mod statements;
mod status;
mod writer;

pub use data_dir::{FILE, LOCK, SET_ASIDE_MAX};
pub use entry::Entry;
pub use error::Error;
pub use handle::{Store, amend, import};
pub use queue::QUEUE_MAX;
pub use reader::Reader;
pub use row_types::{
    AROUND_SECONDS, Baseline, Between, Bygone, EpisodeRow, IMPORTED, Imported, LEARNING, LeftOut, Marker,
    Model, PointRow, ScoreRow, Snapshot, SubjectState,
};
pub use schema::VALUE_BYTES_MAX;
pub use settings::{Place, Retention, Settings};
pub use statements::{SUBJECT_STATE_BYTES_MAX, SUBJECT_STATES_MAX};
pub use status::METRICS;
pub use writer::{PENDING_MAX, Restore};
