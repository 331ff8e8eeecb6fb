//! Passes over a procfs made of files.

use super::group_sum::page_bytes;
use super::private_count::{DESCRIPTORS_MAX, count_entries};
use super::*;

const NEVER: Duration = Duration::from_secs(3_600);

struct FakeProcfs(tempfile::TempDir);

impl FakeProcfs {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Writes a process: number, name, parent, ticks of user time, of children, faults of children, threads, start.
    fn set(&self, pid: u32, name: &str, parent: u32, [user, children, faults, threads, start]: [u64; 5]) {
        let dir = self.0.path().join(pid.to_string());
        fs::create_dir_all(&dir).unwrap();
        let stat = format!(
            "{pid} ({name}) S {parent} 1 1 0 -1 0 0 {faults} 0 0 {user} 0 {children} 0 20 0 {threads} 0 {start} 0 10"
        );
        fs::write(dir.join("stat"), stat).unwrap();
        fs::write(dir.join("io"), "read_bytes: 0\nwrite_bytes: 0\n").unwrap();
        fs::write(dir.join("cgroup"), "0::/system.slice/nginx.service\n").unwrap();
        // Must never be read.
        fs::write(dir.join("cmdline"), "secret").unwrap();
    }

    fn remove(&self, pid: u32) {
        fs::remove_dir_all(self.0.path().join(pid.to_string())).unwrap();
    }
}

fn usage(pass: &ProcessTablePass, command: &str, measure: UsageMeasure) -> f64 {
    pass.groups.iter().find(|it| &*it.key.command == command).unwrap().now.get(measure).unwrap()
}

#[test]
fn the_second_pass_has_what_was_used_since_the_first() {
    let procfs = FakeProcfs::new();
    procfs.set(1, "init", 0, [100, 0, 0, 1, 1]);
    procfs.set(7, "worker", 1, [100, 0, 0, 1, 5]);
    procfs.set(8, "worker", 1, [100, 0, 0, 1, 6]);
    let mut table = ProcessTable::new(procfs.0.path());
    assert!(!table.pass(NEVER).has_rates);
    procfs.set(8, "worker", 1, [200, 0, 0, 4, 6]);
    let pass = table.pass(NEVER);
    assert!(pass.has_rates && pass.unread == 0 && pass.processes == 3);
    assert!(
        usage(&pass, "worker", UsageMeasure::Cpu) > 1.0 && usage(&pass, "init", UsageMeasure::Cpu) == 0.0
    );
    assert!(usage(&pass, "worker", UsageMeasure::Starts) > 0.0);
    let group = pass.groups.iter().find(|it| &*it.key.command == "worker").unwrap();
    assert_eq!((group.processes, group.threads), (2, 5));
    assert_eq!(group.key.owner.as_ref().map(|it| it.name.as_str()), Some("nginx.service"));
    assert!((usage(&pass, "worker", UsageMeasure::Memory) - 20.0 * page_bytes()).abs() < 1.0);
}

#[test]
fn a_number_that_is_used_again_is_another_process() {
    let procfs = FakeProcfs::new();
    procfs.set(7, "old", 1, [1_000_000, 0, 0, 1, 5]);
    let mut table = ProcessTable::new(procfs.0.path());
    table.pass(NEVER);
    procfs.set(7, "new", 1, [0, 0, 0, 1, 9]);
    let pass = table.pass(NEVER);
    assert!(usage(&pass, "new", UsageMeasure::Cpu) == 0.0);
}

#[test]
fn what_a_child_used_before_is_not_used_when_it_ends() {
    let procfs = FakeProcfs::new();
    procfs.set(1, "make", 0, [0, 0, 0, 1, 1]);
    procfs.set(7, "cc", 1, [1_000_000, 0, 0, 1, 5]);
    let mut table = ProcessTable::new(procfs.0.path());
    table.pass(NEVER);
    procfs.remove(7);
    procfs.set(1, "make", 0, [0, 1_000_000, 0, 1, 1]);
    assert!(usage(&table.pass(NEVER), "make", UsageMeasure::Cpu) == 0.0);
    // What children used that came and went since is.
    procfs.set(1, "make", 0, [0, 1_000_100, 9_000, 1, 1]);
    let pass = table.pass(NEVER);
    assert!(
        usage(&pass, "make", UsageMeasure::Cpu) > 1.0 && usage(&pass, "make", UsageMeasure::Starts) > 1.0
    );
}

#[test]
fn children_that_stay_are_started_by_their_parent() {
    let procfs = FakeProcfs::new();
    procfs.set(1, "forker", 0, [0, 0, 0, 1, 1]);
    let mut table = ProcessTable::new(procfs.0.path());
    table.pass(NEVER);
    (2..50).for_each(|pid| procfs.set(pid, "child", 1, [0, 0, 0, 1, 9]));
    let pass = table.pass(NEVER);
    assert!(
        usage(&pass, "forker", UsageMeasure::Starts) > 0.0
            && usage(&pass, "child", UsageMeasure::Starts) == 0.0
    );
}

#[test]
fn without_cpu_time_nothing_is_read_and_that_is_counted() {
    let procfs = FakeProcfs::new();
    procfs.set(1, "init", 0, [0, 0, 0, 1, 1]);
    let pass = ProcessTable::new(procfs.0.path()).pass(Duration::ZERO);
    assert_eq!((pass.processes, pass.unread, pass.groups.len()), (1, 1, 0));
}

#[test]
fn files_that_are_no_processes_are_skipped() {
    let procfs = FakeProcfs::new();
    procfs.set(1, "init", 0, [0, 0, 0, 1, 1]);
    fs::create_dir_all(procfs.0.path().join("3")).unwrap();
    fs::create_dir_all(procfs.0.path().join("4")).unwrap();
    fs::write(procfs.0.path().join("4/stat"), b"\xff\xfe").unwrap();
    fs::write(procfs.0.path().join("5"), "no directory").unwrap();
    let pass = ProcessTable::new(procfs.0.path()).pass(NEVER);
    assert_eq!(pass.groups.len(), 1);
    assert_eq!(ProcessTable::new(Path::new("/nonexistent")).pass(NEVER).groups.len(), 0);
}

#[test]
fn of_many_processes_the_newest_and_the_busy_are_read() {
    const READ: usize = 700;
    let procfs = FakeProcfs::new();
    for pid in 2..3_001 {
        procfs.set(pid, "idle", 0, [5, 0, 0, 1, 1]);
    }
    let mut table = ProcessTable::new(procfs.0.path());
    let reads_on = |read: usize| read < READ;
    // Light passes read all of them in turn.
    for _ in 0..5 {
        assert_eq!(table.pass_while(&reads_on, &|_| true).unread, 2_299);
    }
    assert_eq!(table.known.len(), 2_999);
    // The fault starts last; numbers of processes start anew at some time.
    procfs.set(1, "fault", 0, [10, 0, 0, 1, 9]);
    let mut pass = || table.pass_while(&reads_on, &|_| true);
    pass();
    procfs.set(1, "fault", 0, [60, 0, 0, 1, 9]);
    assert!(usage(&pass(), "fault", UsageMeasure::Cpu) > 0.0);
    procfs.set(1, "fault", 0, [110, 0, 0, 1, 9]);
    assert!(usage(&pass(), "fault", UsageMeasure::Cpu) > 0.0, "it ran, so it is read each time");
}

#[test]
fn processes_beyond_the_maximum_are_the_ones_read_longest_ago() {
    let procfs = FakeProcfs::new();
    let mut table = ProcessTable::new(procfs.0.path());
    let order = table.reading_order(&(1..10_001).collect::<Vec<_>>());
    assert_eq!((order.len(), order[0]), (PROCESSES_MAX, 10_000));
    (1..5).for_each(|pid| procfs.set(pid, "a", 0, [0, 0, 0, 1, 1]));
    table.pass(NEVER);
    table.pass(NEVER);
    procfs.set(2, "a", 0, [9, 0, 0, 1, 1]);
    table.pass(NEVER);
    procfs.set(5, "new", 0, [0, 0, 0, 1, 1]);
    assert_eq!(table.reading_order(&[1, 2, 3, 4, 5]), [5, 2, 4, 3, 1]);
}

#[test]
fn a_container_has_the_name_of_its_subject() {
    let procfs = FakeProcfs::new();
    let ids = ["ab12", "cd34"].map(|it| it.repeat(16));
    let in_container = |pid: u32, id: &str| {
        procfs.set(pid, "java", 0, [0, 0, 0, 1, 1]);
        fs::write(procfs.0.path().join(format!("{pid}/cgroup")), format!("0::/docker/{id}\n")).unwrap();
    };
    let owners = |pass: ProcessTablePass| -> Vec<String> {
        pass.groups.into_iter().map(|it| it.key.owner.unwrap().name).collect()
    };
    let mut table = ProcessTable::new(procfs.0.path());
    in_container(7, &ids[0]);
    assert_eq!(owners(table.pass(NEVER)), ["ab12ab12ab12"], "the name is not known yet");
    let names = OwnerNames::new(ids.iter().map(|id| (id.clone(), "checkout".to_owned())));
    table.set_names(Arc::new(names));
    let mut baselines = crate::culprit::UsageBaselines::default();
    for _ in 0..5 {
        procfs.set(7, "java", 0, [0, 0, 0, 1, 1]);
        let pass = table.pass(NEVER);
        baselines.learn(pass.groups.iter().map(|it| (it.key.clone(), it.now)));
        assert_eq!(owners(pass), ["checkout"]);
    }
    // The container is replaced, and what was usual stays.
    procfs.remove(7);
    in_container(8, &ids[1]);
    let pass = table.pass(NEVER);
    let usual = baselines.usual(&pass.groups[0].key).get(UsageMeasure::Memory).unwrap();
    assert!((usual - 10.0 * page_bytes()).abs() < 1.0, "{usual}");
    assert_eq!(owners(pass), ["checkout"]);
}

#[test]
fn descriptors_are_counted_where_the_kernel_does_not() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(count_entries(directory.path()), PrivateCount::Total(0));
    (0..41).for_each(|it| fs::write(directory.path().join(it.to_string()), "").unwrap());
    assert_eq!(count_entries(directory.path()), PrivateCount::Total(41));
    (41..DESCRIPTORS_MAX + 9).for_each(|it| fs::write(directory.path().join(it.to_string()), "").unwrap());
    assert_eq!(count_entries(directory.path()), PrivateCount::Total(DESCRIPTORS_MAX as u64));
    assert_eq!(count_descriptors(Path::new("/nonexistent/fd")), PrivateCount::Unread);
}
