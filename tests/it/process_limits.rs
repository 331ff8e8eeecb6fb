//! Limits of the process, as `ulimit` sets them: each has a sentence that names it.

use std::path::Path;
use std::process::{Command, Output};

/// Runs a line of the shell in a directory, in which `$0` is hostnorm.
fn shell(directory: &Path, line: &str) -> Output {
    let mut command = Command::new("sh");
    command.env_clear().current_dir(directory).args(["-c", line, env!("CARGO_BIN_EXE_hostnorm")]);
    command.output().unwrap()
}

#[test]
fn a_limit_of_file_sizes_is_named_by_each_command() {
    let directory = tempfile::tempdir().unwrap();
    let made = shell(directory.path(), "\"$0\" simulate --for 2d --faults 1 --output in.csv");
    assert!(made.status.success(), "{made:?}");
    for command in [
        "simulate --for 2d --faults 1 --output out.csv",
        "replay --input in.csv --output out.csv",
        "replay --input in.csv >out.csv",
        "train --from csv:in.csv --output out.csv",
        "man >out.txt",
        "check --print-defaults >out.txt",
    ] {
        // In blocks of 512 bytes.
        let found = shell(directory.path(), &format!("ulimit -f 8; exec \"$0\" {command}"));
        let said = String::from_utf8_lossy(&found.stderr);
        assert_eq!(found.status.code(), Some(1), "{command}: {found:?}");
        assert!(
            said.contains("may not write files of more than 4096 bytes; raise ulimit -f"),
            "{command}: {said}"
        );
    }
}

/// The limit does not count for root, and counts all threads of a user.
#[test]
fn a_limit_of_threads_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let is_root = rustix::process::geteuid().is_root();
    let as_nobody = if is_root { "setpriv --reuid 65534 --regid 65534 --clear-groups " } else { "" };
    if is_root {
        use std::os::unix::fs::PermissionsExt as _;
        let public = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(directory.path(), public).unwrap();
    }
    // A child of another test would hold a file open that this process writes.
    assert!(shell(directory.path(), "cp \"$0\" hostnorm").status.success());
    for limit in [1, 3] {
        let line = format!(
            "exec {as_nobody}prlimit --nproc={limit} ./hostnorm --storage.path=off --web.listen-address=127.0.0.1:0"
        );
        let found = shell(directory.path(), &line);
        let said = String::from_utf8_lossy(&found.stderr);
        assert_eq!(found.status.code(), Some(1), "{limit}: {found:?}");
        assert!(
            said.starts_with("8 threads are needed, and ") && said.contains("ulimit -u"),
            "{limit}: {said}"
        );
    }
}

#[test]
fn few_descriptors_panic_no_command() {
    let directory = tempfile::tempdir().unwrap();
    for limit in 4..16 {
        let found =
            shell(directory.path(), &format!("ulimit -n {limit}; exec \"$0\" episodes --storage.path=."));
        let said = String::from_utf8_lossy(&found.stderr);
        assert!(found.status.code() == Some(1) && !said.contains("panicked"), "{limit}: {found:?}");
    }
}
