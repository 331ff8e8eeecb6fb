//! Warm start from the store of a similar host: its statistics as a prior, and its model.

use std::collections::BTreeMap;
use std::path::Path;

use crate::clock;
use crate::config::Config;
use crate::detect::exponential_moments::SignalMoments;
use crate::model_registry::{ModelVersion, VersionStage};
use crate::reading::{Subject, SubjectKind};
use crate::sampler::{borrowed_marker, record};
use crate::sources;
use crate::store::{self, BORROWED, FILE, ModelRow, StoreError, StoreReader, StoreWrite, TimeRange};

/// Borrows from the store at `from`, a file or its directory, for a host whose store in `directory` has no points; returns
/// a sentence for people.
///
/// # Errors
/// Why nothing was borrowed.
pub(super) fn borrow(config: &Config, directory: &Path, from: &Path) -> Result<String, String> {
    if has_own_points(directory) {
        return Err(format!(
            "the store in {} has points of this host; it needs no others",
            directory.display()
        ));
    }
    let place = if from.is_file() { from.parent().unwrap_or(from) } else { from };
    if from.is_file() && from.file_name().is_none_or(|it| it != FILE) {
        return Err(format!("{} is not named {FILE}; rename the copy", from.display()));
    }
    let wrong = |error: StoreError| format!("cannot read the store of the other host: {error}");
    let reader = StoreReader::open(place).map_err(wrong)?;
    let known = statistics(&reader).map_err(|it| wrong(reader.locate(it)))?;
    if known.is_empty() {
        return Err(format!("{} has no statistics of a host yet", from.display()));
    }
    let model = model(&reader, config).map_err(|it| wrong(reader.locate(it)))?;
    let mut entries = vec![StoreWrite::Marker(borrowed_marker(clock::now(), &known))];
    let of_model = match model {
        Some(row) => {
            entries.push(StoreWrite::Model(row));
            "its model"
        }
        None => "no model, because it has none of the same signals",
    };
    store::create_with(directory, &entries).map_err(|error| error.to_string())?;
    Ok(format!("borrowed the statistics of {} signals and {of_model}; used from the next start", known.len()))
}

/// Whether this store has statistics that were borrowed, or points of its own.
pub(super) fn is_borrowed(directory: &Path) -> bool {
    let borrowed = StoreReader::open(directory).and_then(|it| it.markers(BORROWED));
    borrowed.is_ok_and(|it| !it.is_empty()) || has_own_points(directory)
}

fn has_own_points(directory: &Path) -> bool {
    let newest = StoreReader::open(directory).and_then(|it| it.newest_point(&Subject::Host));
    newest.is_ok_and(|it| it.is_some())
}

/// The statistics of each signal of the host.
fn statistics(reader: &StoreReader) -> Result<BTreeMap<String, SignalMoments>, StoreError> {
    let rows = reader.baselines()?.into_iter().filter(|it| it.subject == Subject::Host);
    let known = rows.filter_map(|it| {
        let floor = sources::signal(&it.signal)?.floor;
        Some((it.signal, SignalMoments::of_baseline(it.mean, it.stddev, floor, it.points)))
    });
    Ok(known.collect())
}

/// The current model, if its signals are those of this host in the same order.
fn model(reader: &StoreReader, config: &Config) -> Result<Option<ModelRow>, StoreError> {
    let Some(newest) = reader.newest_point(&Subject::Host)? else { return Ok(None) };
    let mut is_same = false;
    let own: Vec<&str> = sources::host_signals(|source| config.collects(source)).map(|it| it.name).collect();
    reader.points::<StoreError>(TimeRange { from: newest, to: newest }, Some(&Subject::Host), |row| {
        is_same = row.signals.iter().map(String::as_str).eq(own.iter().copied());
        Ok(())
    })?;
    let is_usable = |it: &ModelRow| {
        let version = ModelVersion::from_record(&record(it.clone()));
        version.is_ok_and(|it| it.kind == SubjectKind::Host && it.stage == VersionStage::Current)
    };
    Ok(reader.models()?.into_iter().filter(|_| is_same).find(is_usable))
}
