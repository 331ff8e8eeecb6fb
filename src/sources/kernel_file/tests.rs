//! Tests of the files of the kernel.
#![expect(clippy::disallowed_methods, reason = "tests make files")]

use super::*;

#[test]
fn the_first_path_that_opens_is_read_and_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let (absent, present) = (dir.path().join("absent"), dir.path().join("present"));
    std::fs::write(&present, "one\n").unwrap();
    let mut file = KernelFile::first_of([absent, present.clone()]);
    assert_eq!(file.read().unwrap().text, "one\n");
    std::fs::write(&present, "2\n").unwrap();
    assert_eq!(file.read().unwrap().text, "2\n");
}

#[test]
fn a_missing_file_is_unavailable_and_may_appear() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("late");
    let mut file = KernelFile::new(path.clone());
    assert!(matches!(file.read(), Err(SourceError::Unavailable { .. })));
    assert!(optional(file.read()).unwrap().is_none());
    std::fs::write(&path, "now").unwrap();
    assert_eq!(file.read().unwrap().text, "now");
}

#[test]
fn bytes_that_are_no_text_stay_distinct() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("binary");
    std::fs::write(&path, b"good\nb\xffd\nb\xfed\n").unwrap();
    let mut file = KernelFile::new(path);
    let lines: Vec<&str> = file.read().unwrap().text.lines().collect();
    assert_eq!(lines.iter().map(|it| visible(it)).collect::<Vec<_>>(), ["good", "b\u{FFFD}d", "b\u{FFFD}d"]);
    assert_ne!(lines[1], lines[2]);
    let error = file.read().unwrap().lines().nth(1).unwrap().error().to_string();
    assert!(error.contains("binary:2: malformed: \"b\u{FFFD}d\""), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_feature_that_is_switched_off_is_told_from_a_missing_one() {
    const EOPNOTSUPP: i32 = 95;
    let error = |path: &str| failed(Path::new(path), io::Error::from_raw_os_error(EOPNOTSUPP)).to_string();
    let hint = "is switched off in this kernel; psi=1 on its command line switches it on";
    for path in ["/proc/pressure/cpu", "/sys/fs/cgroup/a/io.pressure"] {
        assert_eq!(error(path), format!("{path} {hint}"));
    }
    assert_eq!(error("/proc/other"), "/proc/other is switched off in this kernel");
}

#[test]
fn a_pipe_does_not_block() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let error = KernelFile::new(path.clone()).read().unwrap_err();
    assert!(error.to_string().contains("pipe"), "{error}");
    FileReader::default().read(&path).unwrap_err();
}

#[test]
fn numbers_below_zero_are_impossible() {
    for text in ["18446744073709551615", "9223372036854775808"] {
        assert_eq!(count(text), Some(IMPOSSIBLE), "{text}");
    }
    assert_eq!((count("-1"), decimal("-0.1")), (Some(BELOW_ZERO), Some(BELOW_ZERO)));
    assert_eq!(["0.5", "nan", "inf", "x"].map(decimal), [Some(0.5), None, None, None]);
    assert_eq!(count("9223372036854775807"), Some(crate::metric::COUNT_MAX));
    assert_eq!(count("7"), Some(7.0));
    for text in ["", "x", "1.5", "-", "99999999999999999999", "\0\0"] {
        assert_eq!(count(text), None, "{text}");
    }
}

#[cfg(unix)]
#[test]
fn few_descriptors_are_left_to_connections() {
    let file = tempfile::tempfile().unwrap();
    // Standard input, output and error come first.
    assert!(may_stay_open(&file, 1 << 20) && !may_stay_open(&file, 6));
}
