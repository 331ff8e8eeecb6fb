//! The chips below `/sys/class/hwmon`, and the inputs of their temperatures.
#![expect(clippy::disallowed_methods, reason = "lists the chips and their inputs, beside the loop")]

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
    /// What its chip shares with others, which therefore are not read at the same time.
    pub(super) bus: PathBuf,
    /// The chip: its driver and its device, the same at each boot and whatever other chips there are.
    pub(super) chip: String,
    /// The start of its files, such as `temp1`.
    pub(super) name: String,
}

/// The temperatures of all chips.
#[derive(Debug, Default)]
pub(super) struct SensorList {
    /// By the numbers of their chips.
    pub(super) sensors: Vec<Sensor>,
    /// Chips whose files cannot be listed, each with the reason.
    pub(super) unlisted: Vec<(PathBuf, String)>,
}

/// Lists the temperatures of all chips.
pub(super) fn list_sensors(sysfs: &Path) -> Result<SensorList, SourceError> {
    let mut unlisted = Vec::new();
    // The chip without and with its number, and its files.
    let mut chips: Vec<(String, String, PathBuf, Vec<PathBuf>)> = Vec::new();
    for directory in list(&sysfs.join(DIRECTORY))? {
        let entries = match list(&directory) {
            Ok(entries) => entries,
            Err(error) => {
                // A chip may disappear meanwhile.
                if directory.symlink_metadata().is_ok() {
                    unlisted.push((directory, error.to_string()));
                }
                continue;
            }
        };
        let entry = file_name(&directory);
        let device = device_of(&directory, sysfs);
        let device = device.as_deref().unwrap_or(entry);
        let bus = PathBuf::from(bus_of(device));
        let device = stable_name(device, || word(&directory.join("device/wwid")));
        let driver = word(&directory.join("name"));
        let chip = driver.map_or_else(|| device.clone(), |it| format!("{it} {device}"));
        chips.push((format!("{chip} {entry}"), chip, bus, entries));
    }
    let mut sensors = Vec::new();
    for (numbered, chip, bus, entries) in &chips {
        // One device may have several chips of a name. None of them has the label that one alone would have.
        let is_shared = chips.iter().filter(|it| it.1 == *chip).count() > 1;
        let chip = if is_shared { numbered } else { chip };
        sensors.extend(entries.iter().filter_map(|input| {
            let name = sensor_name(input)?.to_owned();
            Some(Sensor { input: input.clone(), bus: bus.clone(), chip: chip.clone(), name })
        }));
    }
    Ok(SensorList { sensors, unlisted })
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

/// The path of a device without what the kernel numbers in the order in which it finds devices, which changes from boot to
/// boot: NVMe controllers, and the hosts and ports of disks, which their world-wide ID replaces.
fn stable_name(device: &str, world_wide_id: impl FnOnce() -> Option<String>) -> String {
    let is_numbered = |part: &str, name: &str| {
        part.strip_prefix(name).is_some_and(|it| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()))
    };
    let parts: Vec<&str> = device.split('/').collect();
    if let [before @ .., "nvme", controller] = &*parts
        && is_numbered(controller, "nvme")
    {
        return format!("{}/nvme", before.join("/"));
    }
    let host = parts.iter().position(|it| is_numbered(it, "ata") || is_numbered(it, "host"));
    let before = host.and_then(|it| parts.get(..it));
    match before.zip(before.and_then(|_| world_wide_id())) {
        Some((before, id)) => {
            let id = id.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
            format!("{}/{id}", before.join("/"))
        }
        None => device.to_owned(),
    }
}

/// The bus of the device with this path, such as `i2c-1` or `w1_bus_master1`; the device itself if it has no bus.
fn bus_of(device: &str) -> &str {
    /// The directories of devices that no other one connects.
    const WITHOUT_BUS: [&str; 2] = ["platform", "virtual"];
    let parent = device.rsplit_once('/').map(|it| it.0);
    parent.filter(|it| !WITHOUT_BUS.contains(it)).unwrap_or(device)
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

/// The content of a file, if it can be read and is not empty or of zero bytes.
pub(super) fn word(path: &Path) -> Option<String> {
    let mut reader = FileReader::default();
    let text = reader.read(path).ok()?;
    let text = visible(text.text.trim_matches(|it: char| it.is_whitespace() || it == '\0')).into_owned();
    (!text.is_empty()).then_some(text)
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|it| it.to_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_depend_on_the_order_in_which_the_kernel_finds_devices() {
        let pci = "pci0000:00/0000:00:1d.0/0000:3d:00.0";
        let disk = "pci0000:00/0000:00:17.0/ata3/host2/target2:0:0/2:0:0:0";
        for (device, id, expect) in [
            (format!("{pci}/nvme/nvme1"), None, format!("{pci}/nvme")),
            (format!("{pci}/nvme/nvme12"), None, format!("{pci}/nvme")),
            (
                disk.to_owned(),
                Some("t10.ATA     QEMU   QM00001"),
                "pci0000:00/0000:00:17.0/t10.ATA QEMU QM00001".to_owned(),
            ),
            (format!("{pci}/host6/target6:2:0/6:2:0:0"), Some("naa.600508b1"), format!("{pci}/naa.600508b1")),
            // Old kernels have no such ID.
            (disk.to_owned(), None, disk.to_owned()),
            ("platform/coretemp.0".to_owned(), Some("unused"), "platform/coretemp.0".to_owned()),
            ("hwmon3".to_owned(), None, "hwmon3".to_owned()),
        ] {
            assert_eq!(stable_name(&device, || id.map(str::to_owned)), expect);
        }
    }
}
