//! Temperatures, from `/sys/class/hwmon` (`Documentation/hwmon/sysfs-interface.rst`).
//!
//! The chips are read every [`ASK_SECONDS`] beside the loop (see [`blocking_reads`](super::blocking_reads)), because they are
//! behind slow buses, and a driver may wait for sleeping hardware. They are read one after the other, as chips of one bus take
//! turns anyway: a round over 40 sensors of 2.5 seconds takes 100 seconds. Temperatures change slowly. `sysinfo` is not used, because
//! it only supports `/sys`.
#![expect(clippy::disallowed_methods, reason = "reads the inputs of the chips")]

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::blocking_reads::{BlockingReader, FIRST_WAIT, Known, silence};
use super::sensor_chip::{self, Sensor};
use super::{Source, SourceError, SourceSettings, excerpt};
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

pub(super) fn open(settings: &SourceSettings) -> Box<dyn Source> {
    Box::new(Sensors::new(settings))
}

#[derive(Debug)]
struct Sensors {
    sysfs: PathBuf,
    answers: BlockingReader<SensorAnswer>,
    /// Time of the last list of the chips.
    asked: Option<Instant>,
    /// The sensors of the last list, by chip.
    sensors: Vec<Sensor>,
    /// Temperatures beyond [`SENSORS_MAX`].
    dropped: usize,
    /// The newest label of each sensor, by its input.
    labels: BTreeMap<PathBuf, String>,
    had_sensors: bool,
}

/// What the files of a sensor say.
#[derive(Debug, Clone, PartialEq)]
struct SensorAnswer {
    temperature: Temperature,
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
            let path = self.sysfs.join(sensor_chip::DIRECTORY).join("*/temp*_input");
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
        let answers: Vec<Option<SensorAnswer>> = answers.into_iter().map(Option::<&_>::cloned).collect();
        for (sensor, answer) in self.sensors.iter().zip(&answers) {
            // A label that cannot be read once stays.
            if let Some(label) = answer.as_ref().and_then(|it| it.label.as_ref()) {
                self.labels.insert(sensor.input.clone(), label.clone());
            }
        }
        for (sensor, answer) in self.sensors.iter().zip(answers) {
            match answer.map(|it| it.temperature) {
                Some(Temperature::Celsius(celsius)) => {
                    let label = label_of(sensor, &self.sensors, &self.labels);
                    into.host().set_by(&TEMPERATURE, &Labels::new([&*sensor.chip, &*label]), celsius);
                }
                Some(Temperature::Unusable(reason)) => {
                    into.omit(1, sensor.input.display().to_string(), reason);
                }
                Some(Temperature::Absent) | None => {}
            }
        }
        let host = into.host();
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

/// The label of a sensor, or its name if it has none; both where several of a chip have the same label, or where a label ends
/// as one with a name does.
fn label_of(sensor: &Sensor, all: &[Sensor], labels: &BTreeMap<PathBuf, String>) -> String {
    let of = |it: &Sensor| labels.get(&it.input).unwrap_or(&it.name).clone();
    let own = of(sensor);
    let is_other = |it: &&Sensor| it.chip == sensor.chip && it.name != sensor.name;
    let is_shared = all.iter().filter(is_other).any(|it| of(it) == own);
    let is_number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    let ends_with_name =
        own.rsplit_once(' ').is_some_and(|(_, end)| end.strip_prefix("temp").is_some_and(is_number));
    if is_shared || ends_with_name { format!("{own} {}", sensor.name) } else { own }
}

impl Sensors {
    fn new(settings: &SourceSettings) -> Self {
        Self {
            sysfs: settings.roots.sysfs.clone(),
            answers: settings.blocking.reader(),
            asked: None,
            sensors: Vec::new(),
            dropped: 0,
            labels: BTreeMap::new(),
            had_sensors: false,
        }
    }

    /// Lists the chips and asks each of their sensors.
    fn ask_all(&mut self) -> Result<(), SourceError> {
        self.sensors = match sensor_chip::list_sensors(&self.sysfs) {
            Ok(sensors) => sensors,
            // A machine without chips has no such directory.
            Err(SourceError::Unavailable { .. }) => Vec::new(),
            Err(error) => return Err(error),
        };
        self.dropped = self.sensors.len().saturating_sub(SENSORS_MAX);
        self.sensors.truncate(SENSORS_MAX);
        let sensors = &self.sensors;
        self.answers.keep(|path| sensors.iter().any(|it| it.input == path));
        self.labels.retain(|path, _| sensors.iter().any(|it| it.input == *path));
        sensors.iter().try_for_each(|it| {
            let label = it.input.with_file_name(format!("{}_label", it.name));
            self.answers.ask(&it.input, move |input| SensorAnswer {
                temperature: temperature(input),
                label: sensor_chip::word(&label),
            })
        })
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

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::os::unix::fs::symlink;

    use proptest::prelude::*;

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
                symlink(Path::new("../../../devices").join(device), path.join("device")).unwrap();
            }
            files.iter().for_each(|(file, text)| fs::write(path.join(file), text).unwrap());
        }

        fn read(&self, sensors: &mut dyn Source) -> (Vec<String>, Result<(), SourceError>) {
            let mut reading = Reading::default();
            let outcome = sensors.read(&mut reading);
            let line = |it: &crate::reading::Sample| format!("{}={}", it.labels.values().join("/"), it.value);
            (reading.host().each(&TEMPERATURE).map(line).collect(), outcome)
        }

        fn settings(&self) -> SourceSettings {
            let mut settings = SourceSettings::default();
            settings.roots.sysfs = self.dir.path().into();
            settings
        }

        fn open(&self) -> Box<dyn Source> {
            open(&self.settings())
        }

        fn check(&self, expect: &[&str]) {
            let (found, outcome) = self.read(&mut *self.open());
            assert_eq!(found, expect);
            outcome.unwrap();
        }
    }

    #[test]
    fn the_label_of_a_chip_follows_its_device_alone() {
        let chips = Chips::new();
        let hwmon = |number: usize| format!("hwmon{number}");
        let rename = |from: usize, to: usize| {
            let directory = chips.dir.path().join("class/hwmon");
            fs::rename(directory.join(hwmon(from)), directory.join(hwmon(to))).unwrap();
        };
        chips.add(
            "hwmon3",
            "nvme",
            "pci1/nvme/nvme0",
            &[("temp1_input", "40000"), ("temp1_label", "Composite")],
        );
        chips.check(&["nvme pci1/nvme/nvme0/Composite=40"]);
        // Another one of the name is plugged in, whose device has the same last part.
        chips.add("hwmon2", "nvme", "pci2/nvme/nvme0", &[("temp1_input", "7000")]);
        let both = ["nvme pci1/nvme/nvme0/Composite=40", "nvme pci2/nvme/nvme0/temp1=7"];
        let sorted = |chips: &Chips| {
            let mut found = chips.read(&mut *chips.open()).0;
            found.sort();
            found
        };
        assert_eq!(sorted(&chips), both);
        // The next boot numbers them otherwise.
        for (from, to) in [(2, 9), (3, 2), (9, 3)] {
            rename(from, to);
        }
        assert_eq!(sorted(&chips), both);
        chips.add("hwmon4", "nvme", "", &[("temp1_input", "8000")]);
        chips.add("hwmon10", "nvme", "pci1/nvme/nvme0", &[("temp1_input", "9000")]);
        let more = ["nvme hwmon4/temp1=8", "nvme pci1/nvme/nvme0 hwmon10/temp1=9", both[0], both[1]];
        assert_eq!(sorted(&chips), more);
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
        chips.check(&["coretemp coretemp.0/Core 0 temp2=51", "coretemp coretemp.0/temp3=52"]);
    }

    #[test]
    fn an_input_that_is_no_number_is_said_and_costs_itself() {
        let chips = Chips::new();
        let inputs =
            [("temp1_input", "45.5"), ("temp2_input", "N/A"), ("temp3_input", ""), ("temp4_input", "7000")];
        chips.add("hwmon0", "odd", "", &inputs);
        let directory = chips.dir.path().join("class/hwmon/hwmon0/temp5_input");
        fs::create_dir_all(directory).unwrap();
        let mut reading = Reading::default();
        chips.open().read(&mut reading).unwrap();
        let said: Vec<&str> =
            reading.omissions.iter().map(|it| it.what.rsplit_once("hwmon0/").unwrap().1).collect();
        let expect = [
            "temp1_input:1: malformed: \"45.5\"",
            "temp2_input:1: malformed: \"N/A\"",
            "temp5_input: Is a directory (os error 21)",
        ];
        assert_eq!(said, expect);
        assert_eq!(reading.host().each(&TEMPERATURE).count(), 1);
    }

    #[test]
    fn a_label_that_cannot_be_read_once_stays() {
        let chips = Chips::new();
        chips.add("hwmon0", "core", "", &[("temp1_input", "1000"), ("temp1_label", "Pkg")]);
        let mut sensors = Sensors::new(&chips.settings());
        let read = |sensors: &mut Sensors| {
            sensors.ask_all().unwrap();
            sensors.answers.wait(Duration::from_secs(60));
            chips.read(sensors).0
        };
        assert_eq!(read(&mut sensors), ["core hwmon0/Pkg=1"]);
        chips.add("hwmon0", "core", "", &[("temp1_label", ""), ("temp1_input", "2000")]);
        assert_eq!(read(&mut sensors), ["core hwmon0/Pkg=2"]);
    }

    proptest! {
        #[test]
        fn sensors_of_a_chip_are_distinct(
            labels in prop::collection::vec(prop::option::of("(A|B|temp[1-3])( temp[1-3]){0,2}"), 1..6),
        ) {
            let sensor = |number| Sensor {
                input: format!("temp{number}_input").into(),
                chip: "chip".into(),
                name: format!("temp{number}"),
            };
            let sensors: Vec<Sensor> = (1..=labels.len()).map(sensor).collect();
            let known = sensors.iter().zip(labels).filter_map(|(it, label)| Some((it.input.clone(), label?)));
            let known: BTreeMap<PathBuf, String> = known.collect();
            let shown: BTreeSet<String> = sensors.iter().map(|it| label_of(it, &sensors, &known)).collect();
            prop_assert_eq!(shown.len(), sensors.len());
        }
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
