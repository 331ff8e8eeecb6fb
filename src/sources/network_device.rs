//! What a network device is, from `/sys/class/net` (`Documentation/ABI/testing/sysfs-class-net`): whether other devices
//! count its packets again, how fast its link is, and whether it is still the same one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::SourceError;
use super::blocking_reads::{ANSWER_SECONDS_MAX, BlockingReader, BlockingReads, FIRST_WAIT, PathState};
use super::byte_text::{file_name, text_of};
use super::kernel_file::FileReader;
use super::network_device_name::{self, AGGREGATE, CountedHeight, NetworkHeight, TUNNEL};
use crate::reading::Reading;

/// Seconds between two looks at a device: they are rewired rarely.
const REFRESH_SECONDS: u64 = 10;

/// Bytes per second of a megabit per second, in which `speed` is given.
const MEGABIT: f64 = 125_000.0;

/// Largest number of entries of a directory that are used.
const ENTRIES_MAX: usize = 256;

/// Values of `type` of devices that show the frames of a radio (`include/uapi/linux/if_arp.h`, `ARPHRD_IEEE80211` and those
/// with headers).
const MONITORS: std::ops::RangeInclusive<u64> = 801..=803;

/// The network devices of sysfs.
#[derive(Debug)]
pub(super) struct NetworkLinks {
    directory: PathBuf,
    links: BlockingReader<Option<NetworkLink>>,
    speeds: BlockingReader<Option<f64>>,
    /// Names of ports, where several devices are one piece of hardware.
    ports: BlockingReader<Option<String>>,
    last_refresh: Option<Instant>,
    known: BTreeMap<String, KnownNetworkDevice>,
    /// Whether any device was hardware so far. When it is gone, what was made of it does not become the network of the host.
    had_hardware: bool,
    /// Devices that were replaced since the last reading by others of the same names.
    replaced: BTreeSet<String>,
}

#[derive(Debug)]
struct KnownNetworkDevice {
    path: PathBuf,
    /// The number of its entry in sysfs, which another device of the name does not share; 0 without an entry.
    entry: u64,
    /// `None` until it is known, or without an entry.
    link: Option<NetworkLink>,
    /// Whether nothing is known yet.
    is_pending: bool,
    is_port_of_guest: bool,
}

/// What one directory says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct NetworkLink {
    /// The hardware below it, as the path of its device; `None` for a virtual device.
    hardware: Option<PathBuf>,
    /// The bus of the hardware, such as `pci`.
    bus: Option<String>,
    /// The value of `type`.
    kind: Option<u64>,
    /// The bond, bridge or device of the hypervisor that it is a member of.
    master: Option<String>,
    /// The devices of the physical function that it is a virtual function of.
    physical_functions: Vec<String>,
    /// Whether it shows the frames of a radio, which other devices of the radio receive and send.
    is_monitor: bool,
    /// Devices of which it is made, as a bond or a virtual LAN.
    lower: Vec<String>,
    /// Whether it is a tunnel, of whatever name.
    is_tunnel: bool,
    /// Its number, and that of the device through which its packets leave.
    index: Option<u64>,
    link_index: Option<u64>,
}

impl NetworkLinks {
    pub(super) fn new(directory: PathBuf, blocking: &BlockingReads) -> Self {
        Self {
            directory,
            links: blocking.reader(),
            speeds: blocking.reader(),
            ports: blocking.reader(),
            last_refresh: None,
            known: BTreeMap::new(),
            had_hardware: false,
            replaced: BTreeSet::new(),
        }
    }

    /// Devices that were replaced since the last reading.
    pub(super) fn replaced_devices(&self) -> &BTreeSet<String> {
        &self.replaced
    }

    /// Whether any device was hardware so far.
    pub(super) fn had_hardware(&self) -> bool {
        self.had_hardware
    }

    /// Whether some device was hardware, and none is.
    pub(super) fn is_hardware_gone(&self) -> bool {
        self.had_hardware && !self.has_hardware()
    }

    fn has_hardware(&self) -> bool {
        self.known.values().any(is_hardware)
    }

    /// Looks at new and replaced devices at once, and at all now and then; forgets those that are gone.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(super) fn update(&mut self, names: &[&str], now: Instant) -> Result<(), SourceError> {
        let is_first = self.last_refresh.is_none();
        let is_fresh =
            |last_refresh| now.saturating_duration_since(last_refresh) < Duration::from_secs(REFRESH_SECONDS);
        let ask_all = !self.last_refresh.is_some_and(is_fresh);
        if ask_all {
            self.last_refresh = Some(now);
        }
        self.replaced.clear();
        self.known.retain(|name, _| names.contains(&name.as_str()));
        for name in names {
            let path = self.directory.join(file_name(name));
            let entry = entry_number(&path);
            let before = self.known.get(*name).map(|it| it.entry);
            if before.is_some_and(|it| it != entry) {
                self.replaced.insert((*name).to_owned());
            }
            if before == Some(entry) && !ask_all {
                continue;
            }
            if entry != 0 {
                self.links.request(&path, |path| Some(read_link(path)))?;
            }
            if before != Some(entry) {
                let device = KnownNetworkDevice {
                    path,
                    entry,
                    link: None,
                    is_pending: entry != 0,
                    is_port_of_guest: false,
                };
                self.known.insert((*name).to_owned(), device);
            }
        }
        if is_first {
            self.links.wait(FIRST_WAIT);
        }
        self.take_answers(ask_all || is_first, now)
    }

    fn take_answers(&mut self, ask_all: bool, now: Instant) -> Result<(), SourceError> {
        self.links.update(now);
        self.speeds.update(now);
        self.ports.update(now);
        for device in self.known.values_mut() {
            match self.links.known(&device.path, now) {
                PathState::Pending | PathState::Outdated => {}
                PathState::Answered(link) => (device.link, device.is_pending) = (link.clone(), false),
                PathState::Silent => (device.link, device.is_pending) = (None, false),
            }
        }
        self.had_hardware |= self.has_hardware();
        let hardware: Vec<PathBuf> =
            self.known.values().filter_map(|it| it.link.as_ref()?.hardware.clone()).collect();
        for device in self.known.values_mut() {
            let Some(own) = device.link.as_ref().and_then(|it| it.hardware.as_ref()) else { continue };
            let is_shared = hardware.iter().filter(|it| *it == own).count() > 1;
            let (speed, port) = (device.path.join("speed"), device.path.join("phys_port_name"));
            if ask_all {
                self.speeds.request(&speed, read_speed)?;
            }
            if ask_all && is_shared {
                self.ports.request(&port, |path| {
                    FileReader::default().read(path).ok().map(|it| it.text.trim().to_owned())
                })?;
            }
            if let PathState::Answered(Some(name)) = self.ports.known(&port, now) {
                device.is_port_of_guest = is_guest_port(name);
            }
        }
        let known = &self.known;
        let is_known = |path: &Path| known.values().any(|it| path.starts_with(&it.path));
        self.links.keep(is_known);
        self.speeds.keep(is_known);
        self.ports.keep(is_known);
        Ok(())
    }

    /// A number that is smaller for devices that are shown first if there are too many: hardware, then its virtual functions,
    /// then what is made of them.
    pub(super) fn rank(&self, name: &str) -> usize {
        let entry = self.directory.join(file_name(name));
        let exists = |path: &str| entry_number(&entry.join(path)) != 0;
        match (entry_number(&entry) != 0, exists("device"), exists("device/physfn")) {
            (true, true, false) => 0,
            (true, true, true) => 1,
            (true, false, _) => 2,
            (false, ..) if network_device_name::is_virtual(name) => 2,
            (false, ..) => 0,
        }
    }

    /// The speed of a link in bytes per second.
    pub(super) fn link_speed(&self, name: &str, now: Instant) -> Option<f64> {
        let device = self.known.get(name)?;
        match self.speeds.known(&device.path.join("speed"), now) {
            PathState::Answered(speed) => *speed,
            PathState::Pending | PathState::Outdated | PathState::Silent => None,
        }
    }

    /// Notes the files that do not answer.
    pub(super) fn note_silent(&self, now: Instant, into: &mut Reading) {
        for device in self.known.values() {
            let files = [device.path.join("speed"), device.path.join("phys_port_name")];
            let silent = [
                matches!(self.speeds.known(&files[0], now), PathState::Silent),
                matches!(self.ports.known(&files[1], now), PathState::Silent),
            ];
            for (file, _) in files.iter().zip(silent).filter(|it| it.1) {
                let path = file.display().to_string();
                let what = format!("no answer from {path} within {ANSWER_SECONDS_MAX} s");
                into.note_omission(1, path, what);
            }
        }
    }

    /// How the devices are counted, of which a list has these and others that are not shown.
    pub(super) fn counting<'a>(&'a self, others: impl Iterator<Item = &'a str>) -> NetworkCounting<'a> {
        let links = || self.known.values().filter_map(|it| it.link.as_ref());
        let masters: BTreeSet<&str> = links().filter_map(|it| it.master.as_deref()).collect();
        let names = self.known.keys().map(String::as_str);
        let without_hardware = (!self.had_hardware && !self.has_hardware()).then(|| {
            let heights =
                self.known.iter().map(|(name, it)| (name.as_str(), self.height(name, it, &masters)));
            CountedHeight::of(heights.chain(others.map(|it| (it, network_device_name::height(it)))))
        });
        NetworkCounting { by_names: CountedHeight::of_names(names), without_hardware, masters, links: self }
    }

    /// How far a device that is no hardware is from the wire.
    fn height(&self, name: &str, device: &KnownNetworkDevice, masters: &BTreeSet<&str>) -> NetworkHeight {
        let by_name = network_device_name::height(name);
        let is_known = |name: &String| self.known.contains_key(name);
        match &device.link {
            Some(link) if link.is_tunnel || link.lower.iter().any(is_known) => TUNNEL.max(by_name),
            Some(_) if masters.contains(name) => AGGREGATE.max(by_name),
            _ => by_name,
        }
    }

    /// Whether another device counts the packets of this hardware.
    fn is_repeated(&self, device: &KnownNetworkDevice, link: &NetworkLink) -> bool {
        let is_listed = |name: &String| self.known.get(name).is_some_and(is_hardware);
        // The network device of a hypervisor counts the packets of its virtual function; a bond or bridge is no hardware.
        let of_master = link.master.as_ref().is_some_and(is_listed);
        let of_radio = link.is_monitor
            && self
                .known
                .values()
                .filter_map(|it| it.link.as_ref())
                .any(|it| !it.is_monitor && it.hardware.is_some() && it.hardware == link.hardware);
        let of_physical = link.physical_functions.iter().any(is_listed);
        // A subfunction is a device of its function.
        let of_function = link.bus.as_deref() == Some("auxiliary")
            && self.known.values().filter_map(|it| it.link.as_ref()?.hardware.as_ref()).any(|function| {
                link.hardware.as_ref().is_some_and(|it| it != function && it.starts_with(function))
            });
        // The ports of a switch send through the device that connects it; partitions of InfiniBand count for themselves.
        let lower = link.link_index.filter(|it| link.index != Some(*it) && link.kind != Some(INFINIBAND));
        let of_lower = lower.is_some_and(|lower| {
            self.known
                .values()
                .any(|it| is_hardware(it) && it.link.as_ref().is_some_and(|it| it.index == Some(lower)))
        });
        of_master || of_radio || of_physical || of_function || of_lower || device.is_port_of_guest
    }
}

fn is_hardware(device: &KnownNetworkDevice) -> bool {
    device.link.as_ref().is_some_and(|it| it.hardware.is_some())
}

/// Which devices are counted at a reading.
#[derive(Debug)]
pub(super) struct NetworkCounting<'a> {
    links: &'a NetworkLinks,
    masters: BTreeSet<&'a str>,
    /// Of devices that sysfs does not show.
    by_names: CountedHeight,
    /// Of all if none is hardware.
    without_hardware: Option<CountedHeight>,
}

impl NetworkCounting<'_> {
    /// Whether the packets of a device are counted, because no other one counts them; `None` until that is known.
    pub(super) fn is_counted(&self, name: &str) -> Option<bool> {
        let device = self.links.known.get(name).filter(|it| !it.is_pending)?;
        Some(match (&device.link, self.without_hardware) {
            (_, Some(lowest)) => lowest.counts(name, self.links.height(name, device, &self.masters)),
            (Some(link), None) => link.hardware.is_some() && !self.links.is_repeated(device, link),
            (None, None) => self.by_names.counts_name(name),
        })
    }
}

/// Value of `type` of IP over InfiniBand (`ARPHRD_INFINIBAND`).
const INFINIBAND: u64 = 32;

/// Values of `type` of tunnels: without a link layer, and over IP (`include/uapi/linux/if_arp.h`).
const TUNNELS: [u64; 7] = [65_534, 768, 769, 776, 778, 779, 823];

/// Reads the directory of a device. Nothing of this asks the driver.
#[expect(clippy::disallowed_methods, reason = "reads links")]
fn read_link(path: &Path) -> NetworkLink {
    let name_of = |path: PathBuf| path.file_name().map(text_of);
    let number = |name: &str| FileReader::default().read(&path.join(name)).ok()?.text.trim().parse().ok();
    let device = path.join("device");
    let kind: Option<u64> = number("type");
    let bus = std::fs::read_link(device.join("subsystem")).ok().and_then(name_of);
    // Xen shows what it serves to guests as hardware.
    let is_hardware = bus.as_deref() != Some("xen-backend");
    let entries = |path: PathBuf| {
        let entries = std::fs::read_dir(path).into_iter().flatten().take(ENTRIES_MAX);
        entries.filter_map(|it| Some(text_of(&it.ok()?.file_name())))
    };
    let link_index = number("iflink");
    NetworkLink {
        hardware: is_hardware.then(|| std::fs::canonicalize(&device).ok()).flatten(),
        bus,
        kind,
        master: std::fs::read_link(path.join("master")).ok().and_then(name_of),
        physical_functions: entries(device.join("physfn/net")).collect(),
        lower: entries(path.to_owned())
            .filter_map(|it| it.strip_prefix("lower_").map(str::to_owned))
            .collect(),
        // A tunnel that anything may leave through has no lower device.
        is_tunnel: kind.is_some_and(|it| TUNNELS.contains(&it)) || link_index == Some(0),
        is_monitor: kind.is_some_and(|it| MONITORS.contains(&it)),
        index: number("ifindex"),
        link_index,
    }
}

/// What some drivers write for an unknown speed: -1 without its sign, in 16 and in 32 bits.
const UNKNOWN_SPEEDS: [f64; 2] = [65_535.0, 4_294_967_295.0];

/// The speed in bytes per second; a device without a link has none.
#[expect(clippy::disallowed_methods, reason = "asks the driver, which may block")]
fn read_speed(path: &Path) -> Option<f64> {
    let megabits: f64 = std::fs::read_to_string(path).ok()?.trim().parse().ok()?;
    (megabits > 0.0 && !UNKNOWN_SPEEDS.contains(&megabits)).then_some(megabits * MEGABIT)
}

/// Whether a port stands for a function of a guest, or of the host beside a SmartNIC: `pf0vf3`, `c1pf0sf7`, `c1pf0`
/// (`Documentation/networking/devlink/devlink-port.rst`). The port of the wire is `p0`.
fn is_guest_port(name: &str) -> bool {
    let without_controller = name
        .strip_prefix('c')
        .map(|it| it.trim_start_matches(|digit: char| digit.is_ascii_digit()))
        .filter(|it| it.len() + 1 < name.len());
    let function = without_controller.unwrap_or(name).strip_prefix("pf");
    function.is_some_and(|it| it.starts_with(|digit: char| digit.is_ascii_digit()))
}

/// The number of a directory entry, without following a link; 0 if the entry does not exist.
#[cfg(unix)]
fn entry_number(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::symlink_metadata(path).map_or(0, |it| it.ino())
}

#[cfg(not(unix))]
fn entry_number(_: &Path) -> u64 {
    0
}

#[cfg(test)]
mod tests;
