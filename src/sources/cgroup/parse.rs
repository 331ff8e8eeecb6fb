//! Parsers of the files of a group.

use std::collections::BTreeMap;

use crate::sources::kernel_file::{KernelFileLine, KernelText, SkippedLines, count};
use crate::sources::network_device_name::CountedHeight;
use crate::sources::{SourceError, network};

/// Microseconds and nanoseconds of a second.
const MICROSECONDS: f64 = 1e6;
pub(super) const NANOSECONDS: f64 = 1e9;

/// A limit of memory from which on version 1 means none: the largest number of pages, which depends on their size.
const UNLIMITED_BYTES: u64 = 1 << 62;

/// The values of these keys in a file of lines `KEY NUMBER`, malformed ones of these lines, and keys without a line; others are
/// ignored.
///
/// # Errors
/// If the file has no value of any of them.
pub(super) fn keyed<const N: usize>(
    text: KernelText<'_>,
    keys: [&'static str; N],
) -> Result<([Option<f64>; N], SkippedLines), SourceError> {
    let (mut values, mut lacking) = ([None; N], keys.map(Some));
    let mut skipped = SkippedLines::default();
    for line in text.lines() {
        let (key, number) = line.text.split_once(' ').unwrap_or((line.text, ""));
        let place = keys.iter().position(|it| *it == key);
        let Some((value, lacking)) = place.and_then(|it| values.get_mut(it).zip(lacking.get_mut(it))) else {
            continue;
        };
        // A key whose only line is malformed is there.
        *lacking = None;
        if let Some(found) = skipped.take(count(number.trim_ascii()).ok_or_else(|| line.error())) {
            value.get_or_insert(found);
        }
    }
    let is_known = values.iter().flatten().any(|it| it.is_finite());
    if !is_known {
        return Err(skipped.fail(text.error()));
    }
    lacking.into_iter().flatten().for_each(|key| skipped.lacks(text, key));
    Ok((values, skipped))
}

/// A file with one whole number.
pub(super) fn single(text: KernelText<'_>) -> Result<f64, SourceError> {
    count(text.text.trim_ascii_end()).ok_or_else(|| text.error())
}

/// A file with one whole number or `max`; `None` for no limit.
pub(super) fn limit(text: KernelText<'_>) -> Result<Option<f64>, SourceError> {
    let value = text.text.trim_ascii_end();
    if value == "max" {
        return Ok(None);
    }
    let bytes: u64 = value.parse().map_err(|_| text.error())?;
    Ok((bytes < UNLIMITED_BYTES).then_some(bytes as f64))
}

/// `cpu.max`: quota and period in microseconds; the quota in cores, `None` for no limit.
pub(super) fn cpu_max(text: KernelText<'_>) -> Result<Option<f64>, SourceError> {
    let mut fields = text.text.split_ascii_whitespace();
    let (quota, period) = (fields.next().ok_or_else(|| text.error())?, fields.next());
    if quota == "max" {
        return Ok(None);
    }
    let number = |it: &str| it.parse::<u64>().ok().filter(|it| 0 < *it);
    match (number(quota), period.and_then(number)) {
        (Some(quota), Some(period)) => Ok(Some(quota as f64 / period as f64)),
        _ => Err(text.error()),
    }
}

/// `cpu.cfs_quota_us`: microseconds; `None` for no limit, which is -1.
pub(super) fn cpu_quota(text: KernelText<'_>) -> Result<Option<f64>, SourceError> {
    match text.text.trim_ascii_end().parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(quota) if 0 < quota => Ok(Some(quota as f64)),
        _ => Err(text.error()),
    }
}

/// Seconds from microseconds.
pub(super) fn from_micros(value: f64) -> f64 {
    value / MICROSECONDS
}

/// Bytes read and written by a group, each `None` if a device lacks it, and what is wrong with the file.
type GroupBytes = ([Option<f64>; 2], SkippedLines);

/// What a file has of one device.
#[derive(Debug, Clone, Copy, Default)]
struct DeviceBytes {
    /// Whether it has I/O that counts, so that both numbers must be there.
    is_used: bool,
    bytes: [Option<f64>; 2],
}

impl DeviceBytes {
    fn merge(&mut self, other: Self) {
        self.is_used |= other.is_used;
        self.bytes.iter_mut().zip(other.bytes).for_each(|(it, other)| *it = larger(*it, other));
    }
}

fn larger(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    one.into_iter().chain(other).reduce(f64::max)
}

/// Bytes read and written by each device of `io.stat`, summed over devices for which `counts` returns true, and malformed
/// lines.
///
/// Some kernels write a device without I/O in front of the next one, on the same line, and some a device that they do not
/// know.
pub(super) fn io_stat(
    text: KernelText<'_>,
    mut counts: impl FnMut(&str) -> bool,
) -> Result<GroupBytes, SourceError> {
    // A device that a damaged file has twice counts once.
    let mut devices = BTreeMap::<_, DeviceBytes>::new();
    let mut skipped = SkippedLines::default();
    for line in text.lines() {
        let found = io_stat_line(line.text, &mut counts).ok_or_else(|| line.error());
        for (device, bytes) in skipped.take(found).into_iter().flatten() {
            devices.entry(device).or_default().merge(bytes);
        }
    }
    if devices.is_empty() && !skipped.is_empty() {
        return Err(skipped.fail(text.error()));
    }
    Ok((sum_devices(text, devices.values(), ["rbytes", "wbytes"], &mut skipped), skipped))
}

/// The sums over devices; one of which a device lacks the number is unknown, and its field is noted.
fn sum_devices<'a>(
    text: KernelText<'_>,
    devices: impl Iterator<Item = &'a DeviceBytes>,
    fields: [&'static str; 2],
    skipped: &mut SkippedLines,
) -> [Option<f64>; 2] {
    let mut sums = [Some(0.0); 2];
    for device in devices.filter(|it| it.is_used) {
        sums.iter_mut().zip(device.bytes).for_each(|(sum, it)| *sum = sum.zip(it).map(|(sum, it)| sum + it));
    }
    // A malformed line may be the one that is missing.
    if skipped.is_empty() {
        let unknown = fields.into_iter().zip(sums).filter(|it| it.1.is_none());
        unknown.for_each(|(field, _)| skipped.lacks(text, field));
    }
    sums
}

/// The devices of a line with their bytes. The kernel writes all numbers of a device, or none.
fn io_stat_line<'a>(
    line: &'a str,
    counts: &mut impl FnMut(&str) -> bool,
) -> Option<Vec<(&'a str, DeviceBytes)>> {
    let mut devices: Vec<(&str, DeviceBytes)> = Vec::new();
    let mut is_counted = false;
    for field in line.split_ascii_whitespace() {
        let Some((key, number)) = field.split_once('=') else {
            is_counted = is_device(field).then(|| counts(field))?;
            devices.push((field, DeviceBytes::default()));
            continue;
        };
        let Some(place) = ["rbytes", "wbytes", "rios", "wios"].iter().position(|it| *it == key) else {
            continue;
        };
        let (_, device) = devices.last_mut()?;
        device.is_used |= is_counted;
        if let Some(bytes) = device.bytes.get_mut(place) {
            *bytes = larger(*bytes, Some(number.parse::<u64>().ok()? as f64));
        }
    }
    Some(devices)
}

/// Bytes read and written of `blkio.throttle.io_service_bytes`: lines `DEVICE OPERATION BYTES`, and one with the total; and
/// malformed lines.
pub(super) fn blkio_bytes(
    text: KernelText<'_>,
    mut counts: impl FnMut(&str) -> bool,
) -> Result<GroupBytes, SourceError> {
    let mut has_total = false;
    let mut devices = BTreeMap::<_, DeviceBytes>::new();
    let mut skipped = SkippedLines::default();
    for line in text.lines() {
        if line.text.split_ascii_whitespace().next() == Some("Total") {
            has_total = true;
            continue;
        }
        let found = blkio_line(line.text, &mut counts).ok_or_else(|| line.error());
        if let Some((device, bytes)) = skipped.take(found) {
            devices.entry(device).or_default().merge(bytes);
        }
    }
    if !has_total || (devices.is_empty() && !skipped.is_empty()) {
        return Err(skipped.fail(text.error()));
    }
    Ok((sum_devices(text, devices.values(), ["Read", "Write"], &mut skipped), skipped))
}

fn blkio_line<'a>(line: &'a str, counts: &mut impl FnMut(&str) -> bool) -> Option<(&'a str, DeviceBytes)> {
    let mut fields = line.split_ascii_whitespace();
    let device = fields.next().filter(|it| is_device(it))?;
    let (operation, bytes) = (fields.next()?, fields.next()?.parse::<u64>().ok()? as f64);
    let bytes = match operation {
        "Read" => [Some(bytes), None],
        "Write" => [None, Some(bytes)],
        _ => [None; 2],
    };
    Some((device, DeviceBytes { is_used: counts(device), bytes }))
}

/// The first process in `cgroup.procs`; `None` for an empty file. The kernel shows processes of other PID namespaces as 0.
pub(super) fn first_process(text: KernelText<'_>) -> Option<u32> {
    text.lines().find_map(|it| it.text.parse().ok().filter(|it| 0 < *it))
}

/// Name and counters of each device of `net/dev` but loopback.
pub(super) fn network_devices(
    text: KernelText<'_>,
) -> impl Iterator<Item = (&str, &str, KernelFileLine<'_>)> {
    let lines = text.lines().filter(|it| !network::is_title(it.text));
    let devices = lines.filter_map(|line| {
        let (name, columns) = line.text.rsplit_once(':')?;
        Some((name.trim_ascii(), columns, line))
    });
    devices.filter(|it| it.0 != "lo")
}

/// Sums of lines, malformed ones, and the number of others.
fn sum(lines: impl Iterator<Item = Result<[f64; 2], SourceError>>) -> ([f64; 2], SkippedLines, usize) {
    let (mut sums, mut skipped, mut used) = ([0.0; 2], SkippedLines::default(), 0);
    for line in lines {
        if let Some([one, other]) = skipped.take(line) {
            (sums, used) = ([sums[0] + one, sums[1] + other], used + 1);
        }
    }
    (sums, skipped, used)
}

/// Bytes received and sent by all devices of `net/dev`, each packet once: a bridge counts those of its devices again; and
/// malformed lines.
pub(super) fn network_bytes(text: KernelText<'_>) -> Result<([f64; 2], SkippedLines), SourceError> {
    let counted = CountedHeight::of_names(network_devices(text).map(|it| it.0));
    let lines = network_devices(text).map(|(name, columns, line)| {
        let Some([received, .., sent, _, _, _]) = network::parse(columns) else { return Err(line.error()) };
        Ok(if counted.counts_name(name) { [received, sent] } else { [0.0; 2] })
    });
    let (sums, skipped, used) = sum(lines);
    if used == 0 && !skipped.is_empty() { Err(skipped.fail(text.error())) } else { Ok((sums, skipped)) }
}

/// Whether this is the number of a device, `MAJOR:MINOR`.
fn is_device(text: &str) -> bool {
    let is_number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    text.split_once(':').is_some_and(|(major, minor)| is_number(major) && is_number(minor))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> KernelText<'_> {
        KernelText::of(Path::new("file"), text)
    }

    #[test]
    fn keys_in_any_order() {
        let stat = "usage_usec 5\nuser_usec 3\nnr_periods 7\nthrottled_usec 9\n";
        assert_eq!(
            keyed(text(stat), ["nr_periods", "usage_usec", "none"]).unwrap().0,
            [Some(7.0), Some(5.0), None]
        );
        for wrong in
            ["", "none 1", "usage_usec -1", "usage_usec x", "usage_usec 99999999999999999999", "usage_usec"]
        {
            assert!(keyed(text(wrong), ["usage_usec"]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn limits() {
        assert_eq!(limit(text("max\n")).unwrap(), None);
        assert_eq!(limit(text("1048576\n")).unwrap(), Some(1_048_576.0));
        assert_eq!(limit(text("9223372036854771712\n")).unwrap(), None);
        assert_eq!(cpu_max(text("max 100000\n")).unwrap(), None);
        assert_eq!(cpu_max(text("150000 100000\n")).unwrap(), Some(1.5));
        assert_eq!(cpu_quota(text("-1\n")).unwrap(), None);
        assert_eq!(cpu_quota(text("20000\n")).unwrap(), Some(20_000.0));
        for wrong in ["", "x", "-5", "150000 0", "150000", "1 max"] {
            assert!(cpu_max(text(wrong)).is_err(), "{wrong}");
        }
        assert!(cpu_quota(text("-2")).is_err() && limit(text("-1")).is_err() && single(text("")).is_err());
    }

    #[test]
    fn bytes_of_devices() {
        let stat = "8:0 rbytes=100 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n253:0 rbytes=100 wbytes=20\n";
        let bytes = |it: Result<GroupBytes, SourceError>| {
            let (bytes, mut skipped) = it.ok()?;
            let lacking = skipped.take_all_lacking().len();
            Some((bytes.map(|it| it.unwrap_or(-1.0)), lacking + skipped.omission().map_or(0, |it| it.count)))
        };
        let all = |it: &str| bytes(io_stat(text(it), |_| true));
        assert_eq!(bytes(io_stat(text(stat), |it| it != "253:0")), Some(([100.0, 20.0], 0)));
        assert_eq!(all("7:7 7:6 8:0 rbytes=1 wbytes=2\n8:16 \n"), Some(([1.0, 2.0], 0)));
        assert_eq!(all(""), Some(([0.0; 2], 0)));
        let odd = "8:0 rbytes=1 wbytes=2\n(unknown) rbytes=3 wbytes=3\n8:1 rbytes=x\n8:2 rbytes=4 wbytes=5\n";
        assert_eq!(all(odd), Some(([5.0, 7.0], 2)));
        let blkio = "8:0 Read 5\n8:0 Write 6\n8:0 Sync 11\n8:0 Total 11\n7:0 Read 9\nTotal 20\n";
        assert_eq!(bytes(blkio_bytes(text(blkio), |it| it != "7:0")), Some(([5.0, 6.0], 0)));
        assert_eq!(bytes(blkio_bytes(text("Total 0\n"), |_| true)), Some(([0.0; 2], 0)));
        let odd = "8:0 Read 5\nsda Read 1\n8:0 Write\nTotal 20\n";
        assert_eq!(bytes(blkio_bytes(text(odd), |_| true)), Some(([5.0, -1.0], 2)));
        // A device has all numbers or none.
        assert_eq!(
            all("8:0 rbytes=1 wbytes=2\n8:16 rbytes=3 rios=1\n8:32 cost.usage=5\n"),
            Some(([4.0, -1.0], 1))
        );
        assert_eq!(all("8:0 rios=1\n"), Some(([-1.0; 2], 2)));
        assert_eq!(
            bytes(blkio_bytes(text("8:0 Read 5\n8:0 Total 5\nTotal 5\n"), |_| true)),
            Some(([5.0, -1.0], 1))
        );
        for wrong in ["8:0 rbytes=x", "rbytes=1", "sda rbytes=1", "8:0 wbytes=-1"] {
            assert!(io_stat(text(wrong), |_| true).is_err(), "{wrong}");
        }
        for wrong in ["", "8:0 Read", "sda Read 1\nTotal 1", "\n\n", "8:0 Read 1"] {
            assert!(blkio_bytes(text(wrong), |_| true).is_err(), "{wrong}");
        }
    }

    #[test]
    fn bytes_of_a_network() {
        let title = "Inter-|   Receive\n face |bytes    packets\n";
        let device = |name: &str, bytes: u64| {
            format!("  {name}: {bytes} 2 0 0 0 0 0 0 {} 2 0 0 0 0 0 0\n", 10 * bytes)
        };
        let check = |devices: &[(&str, u64)], expect: [f64; 2]| {
            let dev: String = devices.iter().map(|it| device(it.0, it.1)).collect();
            let bytes = network_bytes(text(&format!("{title}{dev}"))).unwrap().0;
            assert_eq!(Some(bytes), Some(expect), "{devices:?}");
        };
        check(&[("lo", 5), ("eth0", 7)], [7.0, 70.0]);
        check(&[("lo", 5)], [0.0, 0.0]);
        check(&[("lo", 5), ("eth0", 7), ("docker0", 3), ("veth12", 2), ("eth1", 1)], [8.0, 80.0]);
        check(&[("lo", 5), ("tap0", 4)], [4.0, 40.0]);
        check(&[("lo", 5), ("we|rd", 4)], [4.0, 40.0]);
        for wrong in ["eth0: 1 2 3", "eth0: x 2 0 0 0 0 0 0 1 2 0 0 0 0 0 0"] {
            assert!(network_bytes(text(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn processes_of_this_namespace() {
        for (procs, expect) in
            [("12\n7\n", Some(12)), ("0\n0\n", None), ("0\n9\n", Some(9)), ("", None), ("x", None)]
        {
            assert_eq!(first_process(text(procs)), expect, "{procs:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(content in "((max|[0-9]{1,25}|usage_usec|8:0|rbytes=|Read|Total)?[ \n]?.?){0,9}") {
            let _ = (keyed(text(&content), ["usage_usec"]), single(text(&content)), limit(text(&content)));
            let _ = (cpu_max(text(&content)), cpu_quota(text(&content)));
            let _ = (io_stat(text(&content), |_| true), blkio_bytes(text(&content), |_| true));
            let _ = (network_bytes(text(&content)), first_process(text(&content)));
        }

        #[test]
        fn whole_numbers_are_read_back(numbers in prop::array::uniform2(any::<u64>())) {
            // The kernel's numbers have 63 bits; larger ones are below zero.
            let [one, other] = numbers.map(|it| it >> 1);
            let content = format!("a {one}\nb {other}\n");
            prop_assert_eq!(keyed(text(&content), ["b", "a"]).unwrap().0, [Some(other as f64), Some(one as f64)]);
            let stat = format!("8:0 rbytes={one} wbytes={other}\n");
            let bytes = [Some(one as f64), Some(other as f64)];
            prop_assert_eq!(io_stat(text(&stat), |_| true).ok().map(|it| it.0), Some(bytes));
        }
    }
}
