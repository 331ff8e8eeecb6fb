//! Records in the program the commit and the compiler that it was built with.
#![expect(clippy::disallowed_methods, reason = "a build script reads the environment and asks programs")]

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=BUILD_REVISION");
    // Packages are built from archives, which know no commit: there the packager says it.
    let revision = std::env::var("BUILD_REVISION").ok().or_else(|| {
        // The log of HEAD grows with each commit and each checkout.
        let log = said("git", &["rev-parse", "--git-path", "logs/HEAD"])?;
        if Path::new(&log).exists() {
            println!("cargo::rerun-if-changed={log}");
        }
        said("git", &["rev-parse", "--short=12", "HEAD"])
    });
    println!("cargo::rustc-env=BUILD_REVISION={}", revision.unwrap_or_default());
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let version = said(&rustc, &["--version"]).unwrap_or_default();
    let number = version.split(' ').nth(1).unwrap_or("unknown");
    println!("cargo::rustc-env=BUILD_RUSTC={number}");
}

/// The first line that a program prints; nothing when it is not there or fails.
fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok().filter(|it| it.status.success())?;
    String::from_utf8(output.stdout).ok()?.lines().next().map(str::to_owned)
}
