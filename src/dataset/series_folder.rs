//! A directory of labeled series: a manifest, and a label file for each series.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::row_times::{LabeledRows, labeled_rows};
use super::{
    DatasetError, LabelColumn, ScoreColumn, causes, labels, misfit, same_times, scores, text,
    warn_of_time_unit,
};
use crate::evaluate::{LabeledSeries, LabeledSeriesError, period};

/// The file that lists the series of a directory.
const MANIFEST: &str = "manifest.json";

/// One series in the manifest.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ManifestEntry {
    /// The set that it belongs to; metrics are computed per set.
    pub set: String,
    /// Name of its files.
    pub name: String,
    /// Rows per day.
    pub per_day: f64,
    /// Widest tolerance of the volumes, in rows. By default, it is derived from the first column of the test part.
    pub vus_window: Option<usize>,
    /// Names of its columns.
    #[serde(default)]
    pub metrics: Vec<String>,
}

/// The file `manifest.json`.
#[derive(Debug, Deserialize)]
struct Manifest {
    /// All series.
    series: Vec<ManifestEntry>,
}

/// A dataset directory with its manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesFolder {
    dir: PathBuf,
    entries: Vec<ManifestEntry>,
}

impl SeriesFolder {
    /// Reads the manifest of a directory.
    ///
    /// # Errors
    /// If it cannot be read, is malformed, or lists no series.
    pub fn open(dir: &Path) -> Result<Self, DatasetError> {
        let path = dir.join(MANIFEST);
        let manifest: Manifest = serde_json::from_str(&text(&path)?).map_err(|error| {
            DatasetError::at(&path, error.line() as u64, format!("is not a manifest: {error}"))
        })?;
        let is_plain = |name: &str| !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\']);
        if let Some(entry) = manifest.series.iter().find(|it| !is_plain(&it.name)) {
            return Err(DatasetError::of(&path, format!("{:?} is not a file name", entry.name)));
        }
        if manifest.series.is_empty() {
            return Err(DatasetError::of(&path, "it has no series"));
        }
        Ok(Self { dir: dir.to_owned(), entries: manifest.series })
    }

    /// The sets, in order of first occurrence.
    pub fn sets(&self) -> Vec<&str> {
        let mut sets = Vec::new();
        for entry in &self.entries {
            if !sets.contains(&entry.set.as_str()) {
                sets.push(&entry.set);
            }
        }
        sets
    }

    /// The series of a set.
    pub fn of_set(&self, set: &str) -> impl Iterator<Item = &ManifestEntry> {
        self.entries.iter().filter(move |it| it.set == set)
    }

    /// The rows for learning.
    pub fn train(&self, entry: &ManifestEntry) -> PathBuf {
        self.part(entry, "train")
    }

    /// The labeled rows.
    pub fn test(&self, entry: &ManifestEntry) -> PathBuf {
        self.part(entry, "test")
    }

    /// The labels of the test rows.
    pub fn labels(&self, entry: &ManifestEntry) -> PathBuf {
        self.dir.join("labels").join(format!("{}.label", entry.name))
    }

    /// Joins the labels and causes of a series with the scores of a detector; errors name `place` as the source of the
    /// scores.
    ///
    /// # Errors
    /// If a file is invalid, or lengths or times differ.
    pub fn series(
        &self,
        entry: &ManifestEntry,
        given: ScoreColumn,
        place: &Path,
    ) -> Result<LabeledSeries, DatasetError> {
        let given_labels = labels(&self.labels(entry))?;
        self.join(entry, given_labels, given, place)
    }

    /// Joins labels and causes with scores.
    fn join(
        &self,
        entry: &ManifestEntry,
        LabelColumn { labels, times }: LabelColumn,
        given: ScoreColumn,
        place: &Path,
    ) -> Result<LabeledSeries, DatasetError> {
        let (labels_of, test) = (self.labels(entry), self.test(entry));
        let is_timed = given.times.is_some() || times.is_some();
        let rows = match entry.vus_window {
            None => labeled_rows(&test)?,
            Some(_) if is_timed && test.exists() => labeled_rows(&test)?,
            Some(_) => LabeledRows::default(),
        };
        same_times(place, given.times.as_deref(), &labels_of, times.as_deref())?;
        same_times(place, given.times.as_deref(), &test, rows.times.as_deref())?;
        same_times(&labels_of, times.as_deref(), &test, rows.times.as_deref())?;
        let vus_window = entry.vus_window.unwrap_or_else(|| period(&rows.first));
        let series = LabeledSeries::new(&entry.name, labels, given.scores, entry.per_day, vus_window);
        let series = series.map_err(|unfit| match unfit {
            LabeledSeriesError::PerDay(_) | LabeledSeriesError::Window(_) => {
                DatasetError::of(&self.manifest(), format!("of {}: {unfit}", entry.name))
            }
            LabeledSeriesError::Empty | LabeledSeriesError::Lengths { .. } => misfit(place, unfit),
        })?;
        let series = match given.levels {
            Some(levels) => series.with_levels(levels).map_err(|it| misfit(place, it))?,
            None => series,
        };
        let interp = self.dir.join("labels").join(format!("{}.interp", entry.name));
        match given.top {
            Some(top) if interp.exists() => {
                series.with_causes(causes(&interp)?, top).map_err(|it| misfit(place, it))
            }
            _ => Ok(series),
        }
    }

    /// The series of a set with scores from another directory, each in `NAME.csv` or `NAME.txt`, optionally
    /// compressed. `warn` gets a sentence about each file whose times look like something else.
    ///
    /// # Errors
    /// If there is no such set, a file is missing or invalid, or the set has no anomalous row.
    pub fn with_scores(
        &self,
        set: &str,
        dir: &Path,
        warn: &mut dyn FnMut(&str),
    ) -> Result<Vec<LabeledSeries>, DatasetError> {
        let mut all = Vec::new();
        for entry in self.of_set(set) {
            let (path, labels_of) = (scores_file(dir, &entry.name)?, self.labels(entry));
            let found = scores(&path)?;
            warn_of_time_unit(&path, found.times.as_deref(), warn);
            let given_labels = labels(&labels_of)?;
            warn_of_time_unit(&labels_of, given_labels.times.as_deref(), warn);
            all.push(self.join(entry, given_labels, found, &path)?);
        }
        self.whole(set, all)
    }

    /// The series of a set, if it can be evaluated.
    ///
    /// # Errors
    /// If there is no such set, or it has no anomalous row.
    pub fn whole(&self, set: &str, all: Vec<LabeledSeries>) -> Result<Vec<LabeledSeries>, DatasetError> {
        if all.is_empty() {
            let text = format!("unknown set {set:?}; expected one of {}", self.sets().join(", "));
            return Err(DatasetError::of(&self.manifest(), text));
        }
        if all.iter().all(|it| it.events().is_empty()) {
            let text = format!("no row of the set {set} is labeled 1; at least one event is required");
            return Err(DatasetError::of(&self.dir.join("labels"), text));
        }
        Ok(all)
    }

    fn manifest(&self) -> PathBuf {
        self.dir.join(MANIFEST)
    }

    /// A data file, uncompressed or compressed.
    fn part(&self, entry: &ManifestEntry, part: &str) -> PathBuf {
        let path = |end: &str| self.dir.join("data").join(format!("{}.{part}.csv{end}", entry.name));
        [".xz", ".gz"].iter().map(|end| path(end)).find(|it| it.exists()).unwrap_or_else(|| path(""))
    }
}

/// The file with the scores of a series.
fn scores_file(dir: &Path, name: &str) -> Result<PathBuf, DatasetError> {
    let ends = ["csv", "csv.gz", "csv.xz", "txt", "txt.gz", "txt.xz"];
    let paths = ends.iter().map(|end| dir.join(format!("{name}.{end}")));
    let wrong = || {
        let text = "file not found, nor with the suffix .txt, .gz or .xz; each series of a set needs scores";
        DatasetError::of(&dir.join(format!("{name}.csv")), text)
    };
    paths.into_iter().find(|it| it.exists()).ok_or_else(wrong)
}
