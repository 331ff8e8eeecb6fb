//! The chips below `/sys/class/hwmon`, and the inputs of their temperatures.
#![expect(clippy::disallowed_methods, reason = "lists the chips and their inputs, which asks no hardware")]

use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use super::SourceError;
use super::kernel_file::{FileReader, visible};

/// The directory of the chips in sysfs.
pub(super) const DIRECTORY: &str = "class/hwmon";

/// Largest number of entries in a directory; a larger one does not come from the kernel, and is refused.
const ENTRIES_MAX: usize = 1024;

/// One temperature of a chip.
#[derive(Debug)]
pub(super) struct Sensor {
    /// Its file.
    pub(super) input: PathBuf,
    /// The chip: its driver and its device, the same at each boot and whatever other chips there are.
    pub(super) chip: String,
    /// The start of its files, such as `temp1`.
    pub(super) name: String,
}

/// The temperatures of all chips, by their numbers.
pub(super) fn list_sensors(sysfs: &Path) -> Result<Vec<Sensor>, SourceError> {
    let mut sensors: Vec<Sensor> = Vec::new();
    for directory in list(&sysfs.join(DIRECTORY))? {
        // A chip may disappear meanwhile.
        let Ok(entries) = list(&directory) else { continue };
        let entry = file_name(&directory);
        let device = device_of(&directory, sysfs);
        let device = device.as_deref().unwrap_or(entry);
        let driver = word(&directory.join("name"));
        let mut chip = driver.map_or_else(|| device.to_owned(), |it| format!("{it} {device}"));
        // One device may have several chips of a name.
        if sensors.iter().any(|it| it.chip == chip) {
            chip = format!("{chip} {entry}");
        }
        sensors.extend(entries.into_iter().filter_map(|input| {
            let name = sensor_name(&input)?.to_owned();
            Some(Sensor { input, chip: chip.clone(), name })
        }));
    }
    Ok(sensors)
}

/// The start of the name of a temperature's file.
fn sensor_name(input: &Path) -> Option<&str> {
    file_name(input).strip_suffix("_input").filter(|it| it.starts_with("temp"))
}

/// The path of the device of a chip below `/sys/devices`, such as `pci0000:00/0000:00:18.3`; `None` for a virtual chip. The
/// number of the chip changes from boot to boot, and several devices may have the same last part.
fn device_of(chip: &Path, sysfs: &Path) -> Option<String> {
    let own = std::fs::canonicalize(chip).ok()?;
    let mut device = PathBuf::new();
    for part in own.join(std::fs::read_link(own.join("device")).ok()?).components() {
        match part {
            Component::ParentDir => _ = device.pop(),
            Component::CurDir => {}
            part => device.push(part),
        }
    }
    let root = std::fs::canonicalize(sysfs).ok()?;
    let below = device.strip_prefix(root.join("devices")).unwrap_or(&device);
    Some(visible(&below.to_string_lossy()).into_owned())
}

/// The entries of a directory, by the numbers in their names.
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
    // `hwmon10` comes after `hwmon2`.
    entries.sort_by(|one, other| (one.as_os_str().len(), one).cmp(&(other.as_os_str().len(), other)));
    Ok(entries)
}

/// The content of a file, if it can be read and is not empty.
pub(super) fn word(path: &Path) -> Option<String> {
    let mut reader = FileReader::default();
    let text = reader.read(path).ok()?;
    let text = visible(text.text.trim()).into_owned();
    (!text.is_empty()).then_some(text)
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|it| it.to_str()).unwrap_or_default()
}
