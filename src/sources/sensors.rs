//! Temperatures, from `/sys/class/hwmon` (`Documentation/hwmon/sysfs-interface.rst`).
//!
//! The chips are read every [`ASK_SECONDS`], because they are behind slow buses and temperatures change slowly. `sysinfo` is
//! not used, because it only supports `/sys`.
#![expect(clippy::disallowed_methods, reason = "lists the chips and their inputs")]

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::kernel_file::KernelFile;
use super::{Source, SourceError, SourceSettings};
use crate::clock;
use crate::metric::Metric;
use crate::reading::{Labels, Reading};
use crate::signal::Signal;

pub(super) static TEMPERATURE: Metric =
    Metric::gauge("hostnorm_sensor_temperature_celsius", "Temperature in degrees Celsius")
        .by(&["chip", "sensor"]);
static DROPPED: Metric =
    Metric::gauge("hostnorm_sensors_dropped", "Temperature sensors not exposed because there are too many");

pub(super) static METRICS: &[&Metric] = &[&TEMPERATURE, &DROPPED];
/// Temperatures follow the load with a delay, so they are not scored.
pub(super) static SIGNALS: &[Signal] = &[];

/// Seconds between two queries.
const ASK_SECONDS: u64 = 10;

/// Largest number of temperatures exposed.
const SENSORS_MAX: usize = 128;

/// Largest number of entries in a directory; a larger one does not come from the kernel, and is refused.
const ENTRIES_MAX: usize = 1024;

pub(super) fn open(settings: &SourceSettings) -> Box<dyn Source> {
    let hwmon = settings.roots.sysfs.join("class/hwmon");
    Box::new(Sensors { hwmon, asked: None, shown: Vec::new(), dropped: 0 })
}

#[derive(Debug)]
struct Sensors {
    hwmon: PathBuf,
    /// Time of the last query of the chips.
    asked: Option<Instant>,
    /// The newest results.
    shown: Vec<(Labels, f64)>,
    /// Temperatures beyond [`SENSORS_MAX`].
    dropped: usize,
}

impl Source for Sensors {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let now = clock::instant();
        let fresh = |asked| now.saturating_duration_since(asked) < Duration::from_secs(ASK_SECONDS);
        if !self.asked.is_some_and(fresh) {
            match self.ask() {
                // A machine without chips is not queried at each tick.
                Ok(()) | Err(SourceError::Unavailable { .. }) => self.asked = Some(now),
                Err(error) => return Err(error),
            }
        }
        if self.shown.is_empty() {
            return Err(SourceError::Unavailable { path: self.hwmon.join("*/temp*_input") });
        }
        let host = into.host();
        for (labels, value) in &self.shown {
            host.set_by(&TEMPERATURE, labels, *value);
        }
        host.set(&DROPPED, self.dropped as f64);
        Ok(())
    }
}

impl Sensors {
    fn ask(&mut self) -> Result<(), SourceError> {
        self.shown.clear();
        self.dropped = 0;
        for chip in list(&self.hwmon)? {
            // A chip may disappear meanwhile.
            let Ok(entries) = list(&chip) else { continue };
            let name = word(&chip.join("name")).unwrap_or_else(|| file_name(&chip).to_owned());
            for input in entries {
                let Some(sensor) =
                    file_name(&input).strip_suffix("_input").filter(|it| it.starts_with("temp"))
                else {
                    continue;
                };
                // A suspended chip or an unconnected sensor has no value.
                let Some(value) = word(&input).and_then(|it| it.parse::<i32>().ok()) else { continue };
                let label = word(&chip.join(format!("{sensor}_label"))).unwrap_or_else(|| sensor.to_owned());
                self.show(
                    &Labels::new([&*name, &*label]),
                    &name,
                    file_name(&chip),
                    sensor,
                    f64::from(value) / 1e3,
                );
            }
        }
        Ok(())
    }

    /// Equal chips have sensors of the same name; the file names distinguish the later ones.
    fn show(&mut self, labels: &Labels, name: &str, chip: &str, sensor: &str, value: f64) {
        if self.shown.len() == SENSORS_MAX {
            self.dropped += 1;
            return;
        }
        let taken = |labels: &Labels| self.shown.iter().any(|it| it.0 == *labels);
        let labels = match taken(labels) {
            true => Labels::new([format!("{name} {chip}").as_str(), sensor]),
            false => labels.clone(),
        };
        if !taken(&labels) {
            self.shown.push((labels, value));
        }
    }
}

/// The entries of a directory, by name.
fn list(dir: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let entries = std::fs::read_dir(dir).and_then(|entries| {
        let entries =
            entries.take(ENTRIES_MAX + 1).map(|it| Ok(it?.path())).collect::<io::Result<Vec<_>>>()?;
        match entries.len() <= ENTRIES_MAX {
            true => Ok(entries),
            false => Err(io::Error::other(format!("more than {ENTRIES_MAX} entries"))),
        }
    });
    let mut entries = entries.map_err(|source| match source.kind() {
        ErrorKind::NotFound => SourceError::Unavailable { path: dir.into() },
        _ => SourceError::Read { path: dir.into(), source },
    })?;
    entries.sort();
    Ok(entries)
}

/// The content of a file, if it can be read and is not empty.
fn word(path: &Path) -> Option<String> {
    let mut file = KernelFile::new(path.into());
    let text = file.read().ok()?.text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|it| it.to_str()).unwrap_or_default()
}
