//! Parsers of `/proc/[pid]/stat` and `/proc/[pid]/io` (`Documentation/filesystems/proc.rst`, §1.1 and §3.3).

/// Flag of a kernel thread (`PF_KTHREAD` in `include/linux/sched.h`).
const KERNEL_THREAD: u64 = 0x0020_0000;
/// Longest command name, in characters; the kernel's have at most 15, workers of the kernel 63.
const COMMAND_MAX: usize = 63;

/// Counters of one process and of its children that ended and were waited for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ProcessStat {
    /// Name of the command.
    pub(super) command: String,
    /// State, such as `S`.
    pub(super) state: u8,
    pub(super) parent: u32,
    pub(super) is_kernel_thread: bool,
    pub(super) counters: ProcessCounters,
    pub(super) threads: u32,
    /// Start, in ticks since boot; with the number of the process it identifies it.
    pub(super) start: u64,
    pub(super) resident_pages: u64,
}

/// The counters that only grow, in ticks and faults.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ProcessCounters {
    pub(super) user: u64,
    pub(super) system: u64,
    pub(super) faults: u64,
    pub(super) child_user: u64,
    pub(super) child_system: u64,
    pub(super) child_faults: u64,
}

/// Parses `stat`. Fields are counted from the end of the command name, which may contain anything.
pub(super) fn parse_stat(bytes: &[u8]) -> Option<ProcessStat> {
    let open = bytes.iter().position(|it| *it == b'(')?;
    let close = bytes.iter().rposition(|it| *it == b')').filter(|close| *close > open)?;
    let rest = std::str::from_utf8(bytes.get(close + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    // Fields by their number in proc(5): the state is the third.
    let state = *fields.next()?.as_bytes().first()?;
    let mut number = 3;
    let mut field = |wanted: usize| {
        let found = fields.nth(wanted - number - 1)?;
        number = wanted;
        Some(found)
    };
    let parent = field(4)?.parse().ok()?;
    let flags: u64 = field(9)?.parse().ok()?;
    let mut count = |wanted: usize| field(wanted)?.parse::<u64>().ok();
    let [minor, child_minor, major, child_major] = [count(10)?, count(11)?, count(12)?, count(13)?];
    let [user, system] = [count(14)?, count(15)?];
    // Signed, and negative on some kernels after long uptimes.
    let [child_user, child_system] = [16, 17].map(|it| field(it).and_then(|it| it.parse::<i64>().ok()));
    let threads = field(20)?.parse::<u32>().ok()?;
    let start = field(22)?.parse().ok()?;
    let resident_pages = field(24)?.parse::<i64>().ok()?;
    let is_kernel_thread = flags & KERNEL_THREAD != 0;
    let ticks = |it: i64| u64::try_from(it).unwrap_or(0);
    Some(ProcessStat {
        command: command(bytes.get(open + 1..close)?, is_kernel_thread),
        state,
        parent,
        is_kernel_thread,
        counters: ProcessCounters {
            user,
            system,
            faults: minor.saturating_add(major),
            child_user: ticks(child_user?),
            child_system: ticks(child_system?),
            child_faults: child_minor.saturating_add(child_major),
        },
        threads,
        start,
        resident_pages: ticks(resident_pages),
    })
}

/// The name of a command as text. Workers of the kernel have names such as `kworker/3:1-events`, of which the part
/// before the slash says what they are.
fn command(bytes: &[u8], is_kernel_thread: bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    let clean = text.chars().map(|it| if it.is_control() { '\u{fffd}' } else { it }).take(COMMAND_MAX);
    let clean: String = clean.collect();
    match clean.split_once('/') {
        Some((class, _)) if is_kernel_thread && !class.is_empty() => class.to_owned(),
        _ if clean.is_empty() => "?".to_owned(),
        _ => clean,
    }
}

/// Parses `io`: bytes read from and written to disks, without those whose writing was cancelled.
pub(super) fn parse_io(bytes: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let value = |name: &str| {
        let line = text.lines().find_map(|it| it.strip_prefix(name))?;
        line.strip_prefix(':')?.trim().parse::<u64>().ok()
    };
    let (read, written) = (value("read_bytes")?, value("write_bytes")?);
    let cancelled = value("cancelled_write_bytes").unwrap_or(0);
    Some(read.saturating_add(written.saturating_sub(cancelled)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STAT: &str = "4242 (a b) c) S 1 4242 4242 0 -1 4194560 11 22 33 44 55 66 77 88 20 0 9 0 123456 1000 250 \
                        18446744073709551615 1 1 0 0 0 0 0 4096 0 0 0 0 17 1 0 0 0 0 0";

    #[test]
    fn reads_the_fields_of_a_process() {
        let it = parse_stat(STAT.as_bytes()).unwrap();
        assert_eq!((it.command.as_str(), it.state, it.parent, it.threads), ("a b) c", b'S', 1, 9));
        assert_eq!((it.start, it.resident_pages, it.is_kernel_thread), (123_456, 250, false));
        let expected = ProcessCounters {
            user: 55,
            system: 66,
            faults: 44,
            child_user: 77,
            child_system: 88,
            child_faults: 66,
        };
        assert_eq!(it.counters, expected);
    }

    #[test]
    fn workers_of_the_kernel_have_one_name() {
        let line = STAT.replace("(a b) c)", "(kworker/3:1-events)").replace("4194560", "69238880");
        assert_eq!(parse_stat(line.as_bytes()).unwrap().command, "kworker");
    }

    #[test]
    fn a_name_without_text_is_readable() {
        let line = STAT.replace("a b) c", "\u{7}\n");
        assert_eq!(parse_stat(line.as_bytes()).unwrap().command, "\u{fffd}\u{fffd}");
        assert_eq!(parse_stat(STAT.replace("a b) c", "").as_bytes()).unwrap().command, "?");
    }

    #[test]
    fn refuses_what_the_kernel_does_not_write() {
        for line in [
            "",
            "1",
            "1 (a)",
            "1 (a) S",
            "1 )a( S 1 2 3",
            "1 (a) S x",
            &STAT[..60],
            &STAT.replace(" 55 ", " -5 "),
        ] {
            assert_eq!(parse_stat(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn reads_the_bytes_of_disks() {
        let text = "rchar: 9\nwchar: 9\nsyscr: 1\nsyscw: 1\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 1024\n";
        assert_eq!(parse_io(text.as_bytes()), Some(11_264));
        assert_eq!(parse_io(b"read_bytes: 1\n"), None);
        assert_eq!(parse_io(b"\xff"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = (parse_stat(&bytes), parse_io(&bytes));
        }

        #[test]
        fn no_fields_make_it_panic(text in "[0-9]{1,5} \\([a-z() ]{0,20}\\) [SRDZ] ([0-9-]{1,22} ){0,50}") {
            let _ = parse_stat(text.as_bytes());
        }

        #[test]
        fn numbers_of_any_size_are_read(numbers in prop::collection::vec(any::<u32>(), 49)) {
            let text: Vec<String> = numbers.iter().map(u32::to_string).collect();
            let line = format!("1 (x) S {}", text.join(" "));
            let it = parse_stat(line.as_bytes()).unwrap();
            prop_assert_eq!(it.counters.user, u64::from(numbers[10]));
            prop_assert_eq!(it.start, u64::from(numbers[18]));
        }
    }
}
