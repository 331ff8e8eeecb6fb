//! Passes over a procfs made of files.

use super::*;

const NEVER: Duration = Duration::from_secs(3_600);

struct Procfs(tempfile::TempDir);

impl Procfs {
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

fn usage(pass: &Pass, command: &str, measure: Measure) -> f64 {
    pass.groups.iter().find(|it| &*it.key.command == command).unwrap().now.get(measure).unwrap()
}

#[test]
fn the_second_pass_has_what_was_used_since_the_first() {
    let procfs = Procfs::new();
    procfs.set(1, "init", 0, [100, 0, 0, 1, 1]);
    procfs.set(7, "worker", 1, [100, 0, 0, 1, 5]);
    procfs.set(8, "worker", 1, [100, 0, 0, 1, 6]);
    let mut table = ProcessTable::new(procfs.0.path());
    assert!(!table.pass(NEVER).has_rates);
    procfs.set(8, "worker", 1, [200, 0, 0, 4, 6]);
    let pass = table.pass(NEVER);
    assert!(pass.has_rates && pass.unread == 0 && pass.processes == 3);
    assert!(usage(&pass, "worker", Measure::Cpu) > 1.0 && usage(&pass, "init", Measure::Cpu) == 0.0);
    assert!(usage(&pass, "worker", Measure::Starts) > 0.0);
    let group = pass.groups.iter().find(|it| &*it.key.command == "worker").unwrap();
    assert_eq!((group.processes, group.threads), (2, 5));
    assert_eq!(group.key.owner.as_ref().map(|it| it.name.as_str()), Some("nginx"));
    assert!((usage(&pass, "worker", Measure::Memory) - 20.0 * page_bytes()).abs() < 1.0);
}

#[test]
fn a_number_that_is_used_again_is_another_process() {
    let procfs = Procfs::new();
    procfs.set(7, "old", 1, [1_000_000, 0, 0, 1, 5]);
    let mut table = ProcessTable::new(procfs.0.path());
    table.pass(NEVER);
    procfs.set(7, "new", 1, [0, 0, 0, 1, 9]);
    let pass = table.pass(NEVER);
    assert!(usage(&pass, "new", Measure::Cpu) == 0.0);
}

#[test]
fn what_a_child_used_before_is_not_used_when_it_ends() {
    let procfs = Procfs::new();
    procfs.set(1, "make", 0, [0, 0, 0, 1, 1]);
    procfs.set(7, "cc", 1, [1_000_000, 0, 0, 1, 5]);
    let mut table = ProcessTable::new(procfs.0.path());
    table.pass(NEVER);
    procfs.remove(7);
    procfs.set(1, "make", 0, [0, 1_000_000, 0, 1, 1]);
    assert!(usage(&table.pass(NEVER), "make", Measure::Cpu) == 0.0);
    // What children used that came and went since is.
    procfs.set(1, "make", 0, [0, 1_000_100, 9_000, 1, 1]);
    let pass = table.pass(NEVER);
    assert!(usage(&pass, "make", Measure::Cpu) > 1.0 && usage(&pass, "make", Measure::Starts) > 1.0);
}

#[test]
fn children_that_stay_are_started_by_their_parent() {
    let procfs = Procfs::new();
    procfs.set(1, "forker", 0, [0, 0, 0, 1, 1]);
    let mut table = ProcessTable::new(procfs.0.path());
    table.pass(NEVER);
    (2..50).for_each(|pid| procfs.set(pid, "child", 1, [0, 0, 0, 1, 9]));
    let pass = table.pass(NEVER);
    assert!(usage(&pass, "forker", Measure::Starts) > 0.0 && usage(&pass, "child", Measure::Starts) == 0.0);
}

#[test]
fn without_cpu_time_nothing_is_read_and_that_is_counted() {
    let procfs = Procfs::new();
    procfs.set(1, "init", 0, [0, 0, 0, 1, 1]);
    let pass = ProcessTable::new(procfs.0.path()).pass(Duration::ZERO);
    assert_eq!((pass.processes, pass.unread, pass.groups.len()), (1, 1, 0));
}

#[test]
fn files_that_are_no_processes_are_skipped() {
    let procfs = Procfs::new();
    procfs.set(1, "init", 0, [0, 0, 0, 1, 1]);
    fs::create_dir_all(procfs.0.path().join("3")).unwrap();
    fs::create_dir_all(procfs.0.path().join("4")).unwrap();
    fs::write(procfs.0.path().join("4/stat"), b"\xff\xfe").unwrap();
    fs::write(procfs.0.path().join("5"), "no directory").unwrap();
    let pass = ProcessTable::new(procfs.0.path()).pass(NEVER);
    assert_eq!(pass.groups.len(), 1);
    assert_eq!(ProcessTable::new(Path::new("/nonexistent")).pass(NEVER).groups.len(), 0);
}
