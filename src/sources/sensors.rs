//! Temperatures, from `/sys/class/hwmon` (`Documentation/hwmon/sysfs-interface.rst`).
//!
//! The chips are read every [`ASK_SECONDS`] beside the loop (see [`blocking_reads`](super::blocking_reads)), because they are
//! behind slow buses, and a driver may wait for sleeping hardware. Temperatures change slowly. `sysinfo` is not used, because
//! it only supports `/sys`.
#![expect(clippy::disallowed_methods, reason = "lists the chips and their inputs")]

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::blocking_reads::{BlockingReader, FIRST_WAIT, Known, silence};
use super::kernel_file::FileReader;
use super::{Source, SourceError, SourceSettings};
use crate::clock;
use crate::metric::Metric;
use crate::reading::{Labels, Reading};
use crate::signal::Signal;

/// The range of temperatures of hardware that works, in degrees Celsius. A sensor that is not connected gives another one.
const CELSIUS_MIN: f64 = -60.0;
const CELSIUS_MAX: f64 = 250.0;

pub(super) static TEMPERATURE: Metric =
    Metric::gauge("hostnorm_sensor_temperature_celsius", "Temperature in degrees Celsius")
        .by(&["chip", "sensor"])
        .within(CELSIUS_MIN, CELSIUS_MAX);
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
    Box::new(Sensors {
        hwmon: settings.roots.sysfs.join("class/hwmon"),
        answers: settings.blocking.reader(),
        asked: None,
        sensors: Vec::new(),
        dropped: 0,
        shared_names: BTreeSet::new(),
        had_sensors: false,
    })
}

#[derive(Debug)]
struct Sensors {
    hwmon: PathBuf,
    answers: BlockingReader<SensorAnswer>,
    /// Time of the last list of the chips.
    asked: Option<Instant>,
    /// The sensors of the last list, by chip.
    sensors: Vec<Sensor>,
    /// Temperatures beyond [`SENSORS_MAX`].
    dropped: usize,
    /// Names that several chips had; each of them is told by its device from then on.
    shared_names: BTreeSet<String>,
    had_sensors: bool,
}

/// One temperature of a chip.
#[derive(Debug)]
struct Sensor {
    /// Its file.
    input: PathBuf,
    /// The chip, the same as long as the device is there.
    chip: String,
    /// The start of its files, such as `temp1`.
    name: String,
}

/// What the files of a sensor say.
#[derive(Debug, Clone, PartialEq)]
struct SensorAnswer {
    /// `None` while the chip sleeps, or if nothing is connected.
    celsius: Option<f64>,
    label: Option<String>,
}

impl Source for Sensors {
    fn read(&mut self, into: &mut Reading) -> Result<(), SourceError> {
        let now = clock::instant();
        let is_fresh = |asked| now.saturating_duration_since(asked) < Duration::from_secs(ASK_SECONDS);
        let mut outcome = Ok(());
        if !self.asked.is_some_and(is_fresh) {
            outcome = self.ask_all();
            if self.asked.replace(now).is_none() {
                self.answers.wait(FIRST_WAIT);
            }
        }
        self.answers.update(now);
        if self.sensors.is_empty() {
            outcome?;
            // A chip may be unplugged.
            let path = self.hwmon.join("*/temp*_input");
            return if self.had_sensors { Ok(()) } else { Err(SourceError::Unavailable { path }) };
        }
        self.had_sensors = true;
        let mut silent = Vec::new();
        let answers: Vec<Option<&SensorAnswer>> = (self.sensors.iter())
            .map(|it| match self.answers.known(&it.input, now) {
                Known::Answered(answer) => Some(answer),
                Known::Pending => None,
                Known::Silent => {
                    silent.push(&*it.input);
                    None
                }
            })
            .collect();
        let host = into.host();
        for (sensor, answer) in self.sensors.iter().zip(&answers) {
            let Some(celsius) = answer.and_then(|it| it.celsius) else { continue };
            let label = label_of(sensor, &self.sensors, &answers);
            host.set_by(&TEMPERATURE, &Labels::new([&*sensor.chip, &*label]), celsius);
        }
        host.set(&DROPPED, self.dropped as f64);
        if self.dropped > 0 {
            into.omit(
                self.dropped,
                "sensors",
                format!("there are more than {SENSORS_MAX} temperature sensors"),
            );
        }
        outcome.and(silence(&silent))
    }
}

/// The label of a sensor, or its name if it has none; where several of a chip have the same, both.
fn label_of(sensor: &Sensor, all: &[Sensor], answers: &[Option<&SensorAnswer>]) -> String {
    let of = |it: &Sensor, answer: &Option<&SensorAnswer>| {
        answer.and_then(|it| it.label.clone()).unwrap_or_else(|| it.name.clone())
    };
    let chip = || all.iter().zip(answers).filter(|it| it.0.chip == sensor.chip);
    let own = chip().find(|it| it.0.name == sensor.name).map(|it| of(it.0, it.1)).unwrap_or_default();
    let is_shared = chip().any(|it| it.0.name != sensor.name && of(it.0, it.1) == own);
    if is_shared { format!("{own} {}", sensor.name) } else { own }
}

impl Sensors {
    /// Lists the chips and asks each of their sensors.
    fn ask_all(&mut self) -> Result<(), SourceError> {
        self.sensors = match self.list_sensors() {
            Ok(sensors) => sensors,
            // A machine without chips has no such directory.
            Err(SourceError::Unavailable { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        self.dropped = self.sensors.len().saturating_sub(SENSORS_MAX);
        self.sensors.truncate(SENSORS_MAX);
        let sensors = &self.sensors;
        self.answers.keep(|path| sensors.iter().any(|it| it.input == path));
        sensors.iter().try_for_each(|it| {
            let label = it.input.with_file_name(format!("{}_label", it.name));
            self.answers
                .ask(&it.input, move |input| SensorAnswer { celsius: celsius(input), label: word(&label) })
        })
    }

    /// The temperatures of all chips. A chip is named by its driver; of several equal ones, each also by its device.
    fn list_sensors(&mut self) -> Result<Vec<Sensor>, SourceError> {
        let mut chips = Vec::new();
        for chip in list(&self.hwmon)? {
            // A chip may disappear meanwhile.
            let Ok(entries) = list(&chip) else { continue };
            let name = word(&chip.join("name")).unwrap_or_else(|| file_name(&chip).to_owned());
            let is_input = |it: &PathBuf| sensor_name(it).is_some();
            let inputs: Vec<PathBuf> = entries.into_iter().filter(is_input).collect();
            if !inputs.is_empty() {
                chips.push((chip, name, inputs));
            }
        }
        let is_shared = |name: &String| chips.iter().filter(|it| it.1 == *name).count() > 1;
        let shared: Vec<String> = chips.iter().map(|it| it.1.clone()).filter(is_shared).collect();
        self.shared_names.extend(shared);
        self.shared_names.retain(|name| chips.iter().any(|it| it.1 == *name));
        let mut sensors: Vec<Sensor> = Vec::new();
        for (directory, name, inputs) in chips {
            let mut chip = name.clone();
            if self.shared_names.contains(&name) {
                chip = format!("{name} {}", device_of(&directory));
                // One device may have several chips of a name.
                if sensors.iter().any(|it| it.chip == chip) {
                    chip = format!("{name} {}", file_name(&directory));
                }
            }
            sensors.extend(inputs.into_iter().filter_map(|input| {
                let name = sensor_name(&input)?.to_owned();
                Some(Sensor { input, chip: chip.clone(), name })
            }));
        }
        Ok(sensors)
    }
}

/// The start of the name of a temperature's file.
fn sensor_name(input: &Path) -> Option<&str> {
    file_name(input).strip_suffix("_input").filter(|it| it.starts_with("temp"))
}

/// The device of a chip, such as `nvme0` or `0000:00:18.3`; the chip's number changes from boot to boot.
fn device_of(chip: &Path) -> String {
    let device = std::fs::read_link(chip.join("device")).ok();
    let device = device.as_deref().map_or("", file_name);
    if device.is_empty() { file_name(chip).to_owned() } else { device.to_owned() }
}

/// The temperature in a file. Reading it asks the hardware, which may block.
fn celsius(input: &Path) -> Option<f64> {
    let text = std::fs::read_to_string(input).ok()?;
    let millidegrees: i64 = text.trim().parse().ok()?;
    Some(millidegrees as f64 / 1e3)
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
    let mut reader = FileReader::default();
    let text = reader.read(path).ok()?;
    let text = super::kernel_file::visible(text.text.trim()).into_owned();
    (!text.is_empty()).then_some(text)
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|it| it.to_str()).unwrap_or_default()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// The temperatures below a directory after each change of it, as `chip/sensor=degrees`.
    struct Chips {
        dir: tempfile::TempDir,
    }

    impl Chips {
        fn new() -> Self {
            Self { dir: tempfile::tempdir().unwrap() }
        }

        fn add(&self, chip: &str, name: &str, device: &str, files: &[(&str, &str)]) {
            let path = self.dir.path().join("class/hwmon").join(chip);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("name"), name).unwrap();
            if !device.is_empty() {
                symlink(Path::new("../devices").join(device), path.join("device")).unwrap();
            }
            files.iter().for_each(|(file, text)| fs::write(path.join(file), text).unwrap());
        }

        fn read(&self, sensors: &mut dyn Source) -> (Vec<String>, Result<(), SourceError>) {
            let mut reading = Reading::default();
            let outcome = sensors.read(&mut reading);
            let line = |it: &crate::reading::Sample| format!("{}={}", it.labels.values().join("/"), it.value);
            (reading.host().each(&TEMPERATURE).map(line).collect(), outcome)
        }

        fn open(&self) -> Box<dyn Source> {
            let mut settings = SourceSettings::default();
            settings.roots.sysfs = self.dir.path().into();
            open(&settings)
        }

        fn check(&self, expect: &[&str]) {
            let (found, outcome) = self.read(&mut *self.open());
            assert_eq!(found, expect);
            outcome.unwrap();
        }
    }

    #[test]
    fn a_chip_is_told_by_its_device_and_keeps_its_labels() {
        let chips = Chips::new();
        chips.add("hwmon3", "nvme", "nvme1", &[("temp1_input", "40000"), ("temp1_label", "Composite")]);
        chips.check(&["nvme/Composite=40"]);
        chips.add("hwmon1", "nvme", "nvme0", &[("temp1_input", ""), ("temp1_label", "Composite")]);
        chips.check(&["nvme nvme1/Composite=40"]);
        chips.add("hwmon4", "nvme", "", &[("temp1_input", "7000")]);
        chips.add("hwmon5", "nvme", "nvme1", &[("temp1_input", "8000")]);
        chips.check(&["nvme nvme1/Composite=40", "nvme hwmon4/temp1=7", "nvme hwmon5/temp1=8"]);
    }

    #[test]
    fn sensors_of_one_label_are_told_by_their_names() {
        let chips = Chips::new();
        let files = [
            ("temp1_input", "N/A"),
            ("temp1_label", "Core 0"),
            ("temp2_input", "51000"),
            ("temp2_label", "Core 0"),
            ("temp3_input", "52000"),
        ];
        chips.add("hwmon0", "coretemp", "coretemp.0", &files);
        chips.check(&["coretemp/Core 0 temp2=51", "coretemp/temp3=52"]);
    }

    #[test]
    fn a_sleeping_sensor_is_no_failure_and_no_sensor_is() {
        let chips = Chips::new();
        let (found, outcome) = chips.read(&mut *chips.open());
        assert_eq!(found, [""; 0]);
        assert!(matches!(outcome, Err(SourceError::Unavailable { .. })));
        chips.add("hwmon0", "iwlwifi_1", "", &[("temp1_input", "")]);
        chips.check(&[]);
    }
}
