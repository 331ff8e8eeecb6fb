//! Stored positions in logs, and what logs taught, on their way to the threads that read them.

use crate::logs::{LogPosition, LogPositions};
use crate::store::{LogPositionRow, LogStateRow, StoreError, StoreReader};

/// Takes over how far logs were read and what they taught. Without a store that can be read, logs are read as if for the first time.
pub(super) fn restore(
    reader: Result<&StoreReader, &StoreError>,
    positions: &LogPositions,
) -> Result<(), StoreError> {
    let rows = reader.map_or_else(|_| Ok(Vec::new()), StoreReader::log_positions)?;
    let position = |it: LogPositionRow| Some((it.log, LogPosition { key: it.part, value: it.position? }));
    positions.restore(rows.into_iter().filter_map(position));
    let states = reader.map_or_else(|_| Ok(Vec::new()), StoreReader::log_states)?;
    states.into_iter().for_each(|LogStateRow { log, bytes }| positions.restore_state(log, bytes));
    positions.set_restored();
    Ok(())
}
