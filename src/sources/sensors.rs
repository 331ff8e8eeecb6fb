//! Temperatures, from `/sys/class/hwmon` (`Documentation/hwmon/sysfs-interface.rst`).
//!
//! The chips are listed and read every [`REFRESH_SECONDS`] beside the loop (see [`blocking_reads`](super::blocking_reads)), because
//! they are behind slow buses, and a driver may wait for sleeping hardware. Those of one bus are read one after the other, as
//! they take turns anyway. If their round takes longer than a value may be old, values are missing meanwhile. Temperatures
//! change slowly. `sysinfo` is not used, because it only supports `/sys`.
#![expect(clippy::disallowed_methods, reason = "reads the inputs of the chips")]

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::blocking_reads::{BlockingReader, FIRST_WAIT, PathState, outdated, silence};
use super::sensor_chip::{self, Sensor, SensorList};
use super::{Source, SourceError, SourceSettings, excerpt};
use crate::clock;
use crate::metric::Metric;
use crate::reading::{MetricLabels, Reading};
use crate::signal::Signal;

/// The range of temperatures of hardware that works, in degrees Celsius. A sensor that is not connected gives another one.
const CELSIUS_MIN: f64 = -60.0;
const CELSIUS_MAX: f64 = 250.0;

pub(super) static TEMPERATURE: Metric =
    Metric::gauge("hostnorm_sensor_temperature_celsius", "Temperature in degrees Celsius")
        .by(&["chip", "sensor"])
        .within(CELSIUS_MIN, CELSIUS_MAX);
static DROPPED: Metric =
    Metric::gauge("hostnorm_sensors_omitted", "Temperature sensors not exposed because there are too many");

pub(super) static METRICS: &[&Metric] = &[&TEMPERATURE, &DROPPED];
/// Temperatures follow the load with a delay, so they are not scored.
pub(super) static SIGNALS: &[Signal] = &[];

/// Seconds between two lists of the chips; each sensor of a list is read once.
const REFRESH_SECONDS: u64 = 10;

/// Largest number of temperatures exposed.
const SENSORS_MAX: usize = 128;

pub(super) fn open(settings: &SourceSettings) -> Box<dyn Source> {
    Box::new(Sensors::new(settings))
}

#[derive(Debug)]
struct Sensors {
    /// The directory of the chips.
    directory: PathBuf,
    sysfs: PathBuf,
    lists: BlockingReader<Result<SensorList, SourceError>>,
    /// Labels are read apart from inputs, which may wait for hardware: the label of a sensor depends on those of the others.
    label_files: BlockingReader<Option<String>>,
    answers: BlockingReader<Temperature>,
    /// Whether a sensor is broken, where the chip says so.
    faults: BlockingReader<bool>,
    /// Time of the last query for the list of the chips.
    last_refresh: Option<Instant>,
    /// Whether there was a list; the error of the last one.
    listed: Option<Result<(), SourceError>>,
    /// The sensors of the last list, by chip.
    sensors: Vec<Sensor>,
    /// Temperatures beyond [`SENSORS_MAX`].
    dropped: usize,
    /// Chips of the last list whose files cannot be listed, with the reasons.
    unlisted: Vec<(PathBuf, String)>,
    /// The newest label of each sensor whose label was read, by its input; `None` if it has none.
    labels: BTreeMap<PathBuf, Option<String>>,
    had_sensors: bool,
}

impl Source for Sensors {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let now = clock::instant();
        self.list_chips(now)?;
        self.answers.update(now);
        self.faults.update(now);
        self.update_labels(now);
        for (path, reason) in &self.unlisted {
            into.note_omission(1, path.display().to_string(), reason.clone());
        }
        let outcome = match &self.listed {
            Some(Err(error)) => Err(error.duplicate_error()),
            _ if self.lists.is_stuck(&self.directory) => silence(&[&self.directory]),
            _ => Ok(()),
        };
        if self.sensors.is_empty() {
            outcome?;
            // A chip may be unplugged.
            let path = self.directory.join("*/temp*_input");
            let is_unknown = self.had_sensors || self.listed.is_none();
            return if is_unknown { Ok(()) } else { Err(SourceError::Unavailable { path }) };
        }
        self.had_sensors = true;
        let (mut silent, mut old) = (Vec::new(), Vec::new());
        for sensor in &self.sensors {
            match self.answers.known(&sensor.input, now) {
                PathState::Answered(Temperature::Celsius(celsius)) => {
                    let fault = fault_file(sensor);
                    match self.faults.known(&fault, now) {
                        PathState::Pending => continue,
                        PathState::Answered(true) => {
                            let file = fault.display().to_string();
                            let what = format!("{file} says that the sensor is broken or not connected");
                            into.note_omission(1, file, what);
                            continue;
                        }
                        PathState::Silent => silent.push(fault),
                        PathState::Answered(false) | PathState::Outdated => {}
                    }
                    // Until all labels of the chip are known, it is not known either which of them are shared.
                    let Some(label) = label_of(sensor, &self.sensors, &self.labels) else { continue };
                    into.host().set_by(&TEMPERATURE, &MetricLabels::new([&*sensor.chip, &*label]), *celsius);
                }
                PathState::Answered(Temperature::Unusable(reason)) => {
                    into.note_omission(1, sensor.input.display().to_string(), reason.clone());
                }
                PathState::Answered(Temperature::Absent) | PathState::Pending => {}
                PathState::Outdated => old.push(&*sensor.input),
                PathState::Silent => silent.push(sensor.input.clone()),
            }
        }
        into.omissions.extend(outdated(&old));
        let host = into.host();
        host.set(&DROPPED, self.dropped as f64);
        if self.dropped > 0 {
            into.note_omission(
                self.dropped,
                "sensors",
                format!("there are more than {SENSORS_MAX} temperature sensors"),
            );
        }
        outcome.and(silence(&silent.iter().map(PathBuf::as_path).collect::<Vec<_>>()))
    }
}

/// The label of a sensor, or its name if it has none; both where several of a chip have the same label, or where a label ends
/// as one with a name does. `None` while a label of the chip is not known.
fn label_of(sensor: &Sensor, all: &[Sensor], labels: &BTreeMap<PathBuf, Option<String>>) -> Option<String> {
    let of = |it: &Sensor| Some(labels.get(&it.input)?.as_ref().unwrap_or(&it.name).clone());
    let own = of(sensor)?;
    let mut is_shared = false;
    for other in all.iter().filter(|it| it.chip == sensor.chip && it.name != sensor.name) {
        is_shared |= of(other)? == own;
    }
    let is_number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    let ends_with_name =
        own.rsplit_once(' ').is_some_and(|(_, end)| end.strip_prefix("temp").is_some_and(is_number));
    Some(if is_shared || ends_with_name { format!("{own} {}", sensor.name) } else { own })
}

/// The file that says whether a sensor is broken.
fn fault_file(sensor: &Sensor) -> PathBuf {
    sensor.input.with_file_name(format!("{}_fault", sensor.name))
}

/// The file with the label of a sensor.
fn label_file(sensor: &Sensor) -> PathBuf {
    sensor.input.with_file_name(format!("{}_label", sensor.name))
}

impl Sensors {
    fn new(settings: &SourceSettings) -> Self {
        Self {
            directory: settings.roots.sysfs.join(sensor_chip::DIRECTORY),
            sysfs: settings.roots.sysfs.clone(),
            lists: settings.blocking.reader(),
            label_files: settings.blocking.reader(),
            answers: settings.blocking.reader(),
            faults: settings.blocking.reader(),
            last_refresh: None,
            listed: None,
            sensors: Vec::new(),
            dropped: 0,
            unlisted: Vec::new(),
            labels: BTreeMap::new(),
            had_sensors: false,
        }
    }

    /// Asks for the list of the chips if it is time, and takes a list that arrived.
    fn list_chips(&mut self, now: Instant) -> Result<(), SourceError> {
        let is_fresh =
            |last_refresh| now.saturating_duration_since(last_refresh) < Duration::from_secs(REFRESH_SECONDS);
        let is_first = self.last_refresh.is_none();
        if !self.last_refresh.is_some_and(is_fresh) {
            self.last_refresh = Some(now);
            let sysfs = self.sysfs.clone();
            self.lists.request(&self.directory, move |_| sensor_chip::list_sensors(&sysfs))?;
        }
        if is_first {
            self.lists.wait(FIRST_WAIT);
        }
        self.lists.update(now);
        let Some(list) = self.lists.take(&self.directory) else { return Ok(()) };
        self.listed = Some(Ok(()));
        match list {
            Ok(list) => self.ask_all(list)?,
            // A machine without chips has no such directory.
            Err(SourceError::Unavailable { .. }) => {
                self.sensors.clear();
                self.unlisted.clear();
            }
            Err(error) => self.listed = Some(Err(error)),
        }
        if is_first {
            self.label_files.wait(FIRST_WAIT);
            self.faults.wait(FIRST_WAIT);
            self.answers.wait(FIRST_WAIT);
        }
        Ok(())
    }

    /// Takes the labels that arrived.
    fn update_labels(&mut self, now: Instant) {
        self.label_files.update(now);
        for sensor in &self.sensors {
            let label = match self.label_files.known(&label_file(sensor), now) {
                PathState::Answered(label) => label.clone(),
                // Nobody knows it any more.
                PathState::Silent => None,
                PathState::Pending | PathState::Outdated => continue,
            };
            let known = self.labels.entry(sensor.input.clone()).or_default();
            // A label that cannot be read once stays.
            *known = label.or_else(|| known.take());
        }
    }

    /// Asks each sensor of a list.
    fn ask_all(&mut self, list: SensorList) -> Result<(), SourceError> {
        SensorList { sensors: self.sensors, unlisted: self.unlisted } = list;
        self.dropped = self.sensors.len().saturating_sub(SENSORS_MAX);
        self.sensors.truncate(SENSORS_MAX);
        let sensors = &self.sensors;
        self.answers.keep(|path| sensors.iter().any(|it| it.input == path));
        self.faults.keep(|path| sensors.iter().any(|it| fault_file(it) == path));
        self.labels.retain(|path, _| sensors.iter().any(|it| it.input == *path));
        self.label_files.keep(|path| sensors.iter().any(|it| label_file(it) == path));
        for sensor in sensors {
            self.label_files.request_in_lane(&sensor.bus, &label_file(sensor), sensor_chip::word)?;
            // The value of a broken sensor is the last one or any other.
            self.faults.request_in_lane(&sensor.bus, &fault_file(sensor), is_faulty)?;
            self.answers.request_in_lane(&sensor.bus, &sensor.input, temperature)?;
        }
        Ok(())
    }
}

/// What the input of a sensor says.
#[derive(Debug, Clone, PartialEq)]
enum Temperature {
    Celsius(f64),
    /// The chip sleeps, or nothing is connected.
    Absent,
    /// It cannot be read or is no number, for this reason.
    Unusable(String),
}

/// Errors of the drivers of chips that sleep, are switched off or measure now: `EAGAIN`, `ENXIO`, `EBUSY`, `ENODEV`, `ENODATA`
/// and `ENETDOWN`.
const ASLEEP: [i32; 6] = [11, 6, 16, 19, 61, 100];

/// Reads an input. This asks the hardware, which may block.
fn temperature(input: &Path) -> Temperature {
    let text = match std::fs::read_to_string(input) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Temperature::Absent,
        Err(error) if error.raw_os_error().is_some_and(|it| ASLEEP.contains(&it)) => {
            return Temperature::Absent;
        }
        Err(source) => {
            return Temperature::Unusable(SourceError::Read { path: input.into(), source }.to_string());
        }
    };
    match text.trim() {
        "" => Temperature::Absent,
        text => match text.parse::<i64>() {
            Ok(millidegrees) => Temperature::Celsius(millidegrees as f64 / 1e3),
            Err(_) => {
                let error = SourceError::Parse { path: input.into(), line: 1, text: excerpt(text) };
                Temperature::Unusable(error.to_string())
            }
        },
    }
}

/// Whether the chip says that a sensor is broken or not connected. Most chips have no such file. It may block as an input does.
fn is_faulty(file: &Path) -> bool {
    std::fs::read_to_string(file).is_ok_and(|it| it.trim() == "1")
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
