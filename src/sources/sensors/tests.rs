//! Tests of the sensors.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::sync::mpsc::channel;

use proptest::prelude::*;

use super::*;
use crate::sources::BlockingReads;

/// A reading is complete although its threads are late on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

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
        let line =
            |it: &crate::reading::MetricSample| format!("{}={}", it.labels.values().join("/"), it.value);
        (reading.host().each(&TEMPERATURE).map(line).collect(), outcome)
    }

    fn settings(&self) -> SourceSettings {
        let mut settings = SourceSettings::default();
        settings.roots.sysfs = self.dir.path().into();
        settings
    }

    fn open(&self) -> Box<dyn Source> {
        let blocking = BlockingReads::with_patience(PATIENCE);
        open(&SourceSettings { blocking, ..self.settings() })
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
    chips.add("hwmon3", "nvme", "pci1/nvme/nvme0", &[("temp1_input", "40000"), ("temp1_label", "Composite")]);
    chips.check(&["nvme pci1/nvme/Composite=40"]);
    // Another one of the name is plugged in, whose device has the same last part.
    chips.add("hwmon2", "nvme", "pci2/nvme/nvme0", &[("temp1_input", "7000")]);
    let both = ["nvme pci1/nvme/Composite=40", "nvme pci2/nvme/temp1=7"];
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
    // Of two chips of one device and name, each has its number, whichever of them is first or gone.
    let more = [
        "nvme hwmon4/temp1=8",
        "nvme pci1/nvme hwmon10/temp1=9",
        "nvme pci1/nvme hwmon2/Composite=40",
        both[1],
    ];
    assert_eq!(sorted(&chips), more);
    fs::remove_dir_all(chips.dir.path().join("class/hwmon/hwmon2")).unwrap();
    assert_eq!(sorted(&chips), ["nvme hwmon4/temp1=8", "nvme pci1/nvme/temp1=9", both[1]]);
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

/// The label of a sensor that answers does not wait for the input of another one of its chip.
#[test]
fn a_label_is_the_same_while_another_sensor_does_not_answer() {
    let chips = Chips::new();
    let files = [("temp1_input", "40000"), ("temp1_label", "Core 0"), ("temp2_label", "Core 0")];
    chips.add("hwmon0", "coretemp", "", &files);
    let blocked = chips.dir.path().join("class/hwmon/hwmon0/temp2_input");
    fs::write(&blocked, "41000").unwrap();
    let mut sensors = Sensors::new(&chips.settings());
    let (release, released) = channel::<()>();
    let hang = move |path: &Path| {
        let _ = released.recv();
        temperature(path)
    };
    sensors.answers.request(&blocked, hang).unwrap();
    let mut found = std::iter::from_fn(|| Some(chips.read(&mut sensors).0)).find(|it| !it.is_empty());
    assert_eq!(found.unwrap(), ["coretemp hwmon0/Core 0 temp1=40"]);
    drop(release);
    found = std::iter::from_fn(|| Some(chips.read(&mut sensors).0)).find(|it| it.len() == 2);
    assert_eq!(found.unwrap(), ["coretemp hwmon0/Core 0 temp1=40", "coretemp hwmon0/Core 0 temp2=41"]);
}

#[test]
fn a_chip_that_cannot_be_listed_is_said() {
    let chips = Chips::new();
    chips.add("hwmon0", "core", "", &[("temp1_input", "1000")]);
    let class = chips.dir.path().join("class/hwmon");
    symlink("../../devices/nowhere", class.join("hwmon1")).unwrap();
    fs::write(class.join("hwmon2"), "no directory").unwrap();
    fs::create_dir(class.join("hwmon3")).unwrap();
    (0..1100).for_each(|it| fs::write(class.join(format!("hwmon3/in{it}_input")), "1\n").unwrap());
    let mut reading = Reading::default();
    chips.open().read(&mut reading).unwrap();
    let said: Vec<&str> =
        reading.omissions.iter().map(|it| it.what.rsplit_once("class/").unwrap().1).collect();
    let expect = [
        "hwmon/hwmon1 does not exist on this host",
        "hwmon/hwmon2: Not a directory (os error 20)",
        "hwmon/hwmon3: more than 1024 entries",
    ];
    assert_eq!(said, expect);
    assert_eq!(reading.host().each(&TEMPERATURE).count(), 1);
}

#[test]
fn an_input_that_is_no_number_is_said_and_costs_itself() {
    let chips = Chips::new();
    let inputs = [
        ("temp1_input", "45.5"),
        ("temp2_input", "N/A"),
        ("temp3_input", ""),
        ("temp4_input", "7000"),
        ("temp4_fault", "0"),
        ("temp6_input", "127900"),
        ("temp6_fault", "1"),
    ];
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
        "temp6_fault says that the sensor is broken or not connected",
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
        sensors.ask_all(sensor_chip::list_sensors(chips.dir.path()).unwrap()).unwrap();
        sensors.label_files.wait(Duration::from_secs(60));
        sensors.answers.wait(Duration::from_secs(60));
        sensors.faults.wait(Duration::from_secs(60));
        // The list above is enough.
        sensors.last_refresh = Some(clock::instant());
        chips.read(sensors).0
    };
    assert_eq!(read(&mut sensors), ["core hwmon0/Pkg=1"]);
    chips.add("hwmon0", "core", "", &[("temp1_label", ""), ("temp1_input", "2000")]);
    assert_eq!(read(&mut sensors), ["core hwmon0/Pkg=2"]);
}

#[test]
fn a_list_of_chips_that_hangs_delays_nothing_and_is_named() {
    let chips = Chips::new();
    chips.add("hwmon0", "core", "", &[("temp1_input", "1000")]);
    let settings = chips.settings();
    let mut sensors = Sensors::new(&settings);
    let (release, released) = channel::<()>();
    let hang = move |_: &Path| {
        let _ = released.recv();
        Ok(SensorList::default())
    };
    sensors.lists.request(&sensors.directory, hang).unwrap();
    settings.blocking.make_late();
    let error = chips.read(&mut sensors).1.unwrap_err().to_string();
    assert!(error.ends_with("class/hwmon: no answer within 3 s"), "{error}");
    drop(release);
    // A list after this one has the chip.
    let mut readings = std::iter::from_fn(|| {
        sensors.last_refresh = None;
        Some(chips.read(&mut sensors).0)
    });
    assert_eq!(readings.find(|it| !it.is_empty()).unwrap(), ["core hwmon0/temp1=1"]);
}

#[test]
fn a_value_that_grew_old_is_left_out_and_said() {
    let chips = Chips::new();
    chips.add("hwmon0", "core", "", &[("temp1_input", "1000"), ("temp2_input", "2000")]);
    let mut sensors = Sensors::new(&chips.settings());
    assert_eq!(chips.read(&mut sensors).0.len(), 2);
    sensors.answers.make_old();
    let mut reading = Reading::default();
    sensors.read(&mut reading).unwrap();
    assert_eq!(reading.host().each(&TEMPERATURE).count(), 0);
    let [said] = &reading.omissions[..] else { panic!("{:?}", reading.omissions) };
    assert!(said.what.ends_with("hwmon0/temp1_input within 60 s; 2 paths are late"), "{}", said.what);
    assert_eq!(said.count, 2);
}

proptest! {
    #[test]
    fn sensors_of_a_chip_are_distinct(
        labels in prop::collection::vec(prop::option::of("(A|B|temp[1-3])( temp[1-3]){0,2}"), 1..6),
    ) {
        let sensor = |number| Sensor {
            input: format!("temp{number}_input").into(),
            bus: PathBuf::new(),
            chip: "chip".into(),
            name: format!("temp{number}"),
        };
        let sensors: Vec<Sensor> = (1..=labels.len()).map(sensor).collect();
        let known = sensors.iter().zip(labels).map(|(it, label)| (it.input.clone(), label));
        let mut known: BTreeMap<PathBuf, Option<String>> = known.collect();
        let shown: BTreeSet<Option<String>> = sensors.iter().map(|it| label_of(it, &sensors, &known)).collect();
        prop_assert_eq!(shown.len(), sensors.len());
        prop_assert!(!shown.contains(&None));
        // A label that is read later may be that of any other.
        known.remove(&sensors[0].input);
        prop_assert!(sensors.iter().all(|it| label_of(it, &sensors, &known).is_none()));
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
