//! Settings files as users write them: those in `good` load; those in `bad` give the error in the `.err` file beside
//! them.

use std::path::{Path, PathBuf};
use std::process::Command;

use hostnorm::config::Config;

#[test]
fn good_files_load() {
    for file in files("good") {
        if let Err(problems) = Config::load(Some(&file), [], Vec::new()) {
            panic!("{problems}");
        }
    }
}

#[test]
fn good_files_change_a_setting() {
    let whole = root().join("good/whole.yaml");
    let config = Config::load(Some(&whole), [], Vec::new()).unwrap();
    let defaults = Config::default();
    assert_ne!(config.detection, defaults.detection);
    assert_ne!(config.web, defaults.web);
    assert_ne!(config.path, defaults.path);
    assert_ne!(config.collector, defaults.collector);
    assert_ne!(config.metrics, defaults.metrics);
    assert_ne!(config.log, defaults.log);
    for file in ["good/empty.yaml", "good/headings.yaml", "../../docs/hostnorm.yaml"] {
        let config = Config::load(Some(&root().join(file)), [], Vec::new()).unwrap();
        assert_eq!(config, defaults, "{file}");
    }
}

#[test]
fn bad_files_have_errors() {
    for file in files("bad") {
        let problems = match Config::load(Some(&file), [], Vec::new()) {
            Err(problems) => problems.to_string(),
            Ok(_) => panic!("{} loads", file.display()),
        };
        let errors = problems.replace(&format!("{}/", root().join("bad").display()), "") + "\n";
        golden(&file.with_extension("err"), &errors);
    }
}

/// Cargo sets variables of the build script and paths: none of them is a setting.
#[test]
fn variables_of_cargo_are_no_settings() {
    let output = Command::new(env!("CARGO_BIN_EXE_hostnorm")).arg("check").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn check_exits_with_0_or_64() {
    let file = |name: &str| root().join(name).display().to_string();
    let check = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostnorm"));
        let output = command.env_clear().arg("check").args(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let whole = file("good/whole.yaml");
    assert_eq!(check(&["--config.file", &whole]), (0, format!("{whole} is valid\n"), String::new()));
    let (code, out, err) = check(&["--config.file", &file("bad/unknown.yaml")]);
    assert_eq!((code, out.as_str()), (64, ""));
    assert!(err.contains("did you mean web.listen_address?"), "{err}");
    let (code, _, err) = check(&["--config.file", "does-not-exist.yaml"]);
    assert_eq!(code, 64);
    assert!(err.starts_with("does-not-exist.yaml: cannot be read"), "{err}");
    let folder = tempfile::tempdir().unwrap();
    let web = folder.path().join("web.yml");
    let flag = format!("--web.config.file={}", web.display());
    let (code, out, _) = check(&[&flag]);
    assert!(code == 0 && out.ends_with("web.yml was not checked: it is not on this host\n"), "{out}");
    for (text, expected) in [
        ("tls_server_config: {cert_path: a}\n", "unknown field `cert_path`"),
        ("tls_server_config: {cert_file: gone.crt, key_file: gone.key}\n", "gone.crt"),
    ] {
        std::fs::write(&web, text).unwrap();
        let (code, out, err) = check(&[&flag]);
        assert_eq!((code, out.as_str()), (64, ""), "{err}");
        assert!(err.starts_with("flag --web.config.file: ") && err.contains(expected), "{err}");
    }
    std::fs::write(&web, "http_server_config: {http2: true}\n").unwrap();
    assert_eq!(check(&[&flag]).0, 0);
    let (code, _, err) = check(&["--interval", "0"]);
    assert_eq!(
        (code, err.as_str()),
        (64, "flag --interval: 0 is too short; the shortest interval is 100ms\n")
    );
    let (code, out, _) = check(&["--print", "--score-hold=2m"]);
    assert_eq!(code, 0);
    assert!(out.contains("score_hold: 2m  # flag --score-hold\n"), "{out}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

fn files(of: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(of)).unwrap().map(|it| it.unwrap().path());
    let mut files: Vec<_> = entries.filter(|it| it.extension().is_some_and(|it| it == "yaml")).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// The text of a file; `UPDATE=1` rewrites it.
fn golden(path: &Path, expect: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, expect).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(found, expect, "{} differs; UPDATE=1 cargo test writes it anew", path.display());
}
