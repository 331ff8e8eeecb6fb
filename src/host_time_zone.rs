//! The time zone of the host, or of a name, from the files of the tz database below the root of the host.
#![expect(clippy::disallowed_methods, reason = "follows the link of the host's time zone")]

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::time_zone::{NAME_BYTES_MAX, TimeZone};
use crate::whole_file;

/// The file with the zone of the host.
const LOCAL: &str = "etc/localtime";
/// The directory of the tz database, and where NixOS has it.
const DATABASES: [&str; 2] = ["usr/share/zoneinfo", "etc/zoneinfo"];
/// The name of the directory of the database, wherever it is.
const DATABASE_NAME: &str = "zoneinfo";
/// Longest file; those of the database have less than 4 KiB.
const BYTES_MAX: u64 = 64 << 10;
/// Largest number of links from the file of the host to that of its zone, as in the kernel.
const LINKS_MAX: usize = 40;
/// The name that needs no file.
const UTC: &str = "UTC";

/// Longest wait for the files; their disk may hang.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// The zone of this name, or of the host for an empty name.
///
/// # Errors
/// What failed and what to do, in words that follow the name of the setting; also if the files do not answer within
/// 3 seconds.
pub fn read(rootfs: &Path, name: &str) -> Result<TimeZone, String> {
    if name == UTC {
        return Ok(TimeZone::default());
    }
    let [database, _] = DATABASES;
    let file = if name.is_empty() { rootfs.join(LOCAL) } else { rootfs.join(database).join(name) };
    let (root, own) = (rootfs.to_owned(), name.to_owned());
    answer(&file, ANSWER_MAX, move || if own.is_empty() { of_host(&root) } else { named(&root, &own) })
}

/// What `read` returns, on a thread of its own, so that a disk that hangs keeps nobody waiting for longer than `most`.
fn answer<T: Send + 'static>(
    file: &Path,
    most: Duration,
    read: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let (send, answer) = mpsc::channel();
    let started = thread::Builder::new().name("time zone".into()).spawn(move || {
        // Nobody waits for a late answer.
        let _ = send.send(read());
    });
    started.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let late = |_| Err(format!("{} does not answer within {} s", file.display(), most.as_secs()));
    answer.recv_timeout(most).unwrap_or_else(late)
}

fn named(rootfs: &Path, name: &str) -> Result<TimeZone, String> {
    let is_name = |it: char| it.is_ascii_alphanumeric() || matches!(it, '/' | '_' | '-' | '+');
    if name.len() > NAME_BYTES_MAX || name.starts_with('/') || !name.chars().all(is_name) {
        return Err(format!(
            "{name:?} is not a time zone; expected a name such as Europe/Berlin, or nothing for the host's"
        ));
    }
    let of_database = |it| target_below(rootfs, &rootfs.join(it).join(name));
    let [path, other] = DATABASES.map(of_database);
    let path = if path.exists() || !other.exists() { path } else { other };
    let wrong = |reason: String| {
        format!(
            "{} {reason}; install the package tzdata on the host, check the name, or use UTC",
            path.display()
        )
    };
    let bytes = whole_file::bytes(&path, BYTES_MAX).map_err(wrong)?;
    TimeZone::from_tzfile(Some(name), &bytes).map_err(|error| wrong(format!("is not a time zone: {error}")))
}

fn of_host(rootfs: &Path) -> Result<TimeZone, String> {
    let link = rootfs.join(LOCAL);
    let target = target_below(rootfs, &link);
    let bytes =
        whole_file::bytes(&target, BYTES_MAX).map_err(|reason| format!("{} {reason}", link.display()))?;
    // The link tells the name; a copied file is named after its rule.
    let name: PathBuf = target
        .iter()
        .rev()
        .take_while(|it| *it != DATABASE_NAME)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    let has_database = target.iter().any(|it| it == DATABASE_NAME);
    let name = name.to_str().filter(|_| has_database);
    let zone = TimeZone::from_tzfile(name, &bytes);
    zone.map_err(|error| format!("{} is not a time zone: {error}", link.display()))
}

/// Follows links as they look from below `rootfs`, also those of directories on the way: an absolute one does not lead to
/// the own root. In a loop, the path reached so far, which cannot be read.
fn target_below(rootfs: &Path, link: &Path) -> PathBuf {
    let mut ahead = parts(link.strip_prefix(rootfs).unwrap_or(link));
    let (mut below, mut links) = (PathBuf::new(), 0);
    while let Some(part) = ahead.pop() {
        match Path::new(&part).components().next() {
            Some(Component::ParentDir) => _ = below.pop(),
            Some(Component::RootDir) => below.clear(),
            _ => {
                below.push(&part);
                let Ok(target) = std::fs::read_link(rootfs.join(&below)) else { continue };
                links += 1;
                if links > LINKS_MAX {
                    break;
                }
                below.pop();
                ahead.extend(parts(&target));
            }
        }
    }
    rootfs.join(below)
}

/// The parts of a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let walked = path.components().filter(|it| !matches!(it, Component::CurDir | Component::Prefix(_)));
    walked.rev().map(|it| it.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::reading::Timestamp;

    /// A file of the database with a rule and no list of past changes.
    fn tzfile(rule: &str) -> Vec<u8> {
        // Counts of: UTC flags, standard flags, leap seconds, changes, types, bytes of abbreviations.
        let counts: Vec<u8> = [0_u32, 0, 0, 0, 1, 4].iter().flat_map(|it| it.to_be_bytes()).collect();
        let block = [b"TZif2".as_slice(), &[0; 15], &counts, &[0; 6], b"LMT\0"].concat();
        [&block, &block, b"\n".as_slice(), rule.as_bytes(), b"\n"].concat()
    }

    const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
    /// An instant in July 2026.
    const SUMMER: Timestamp = Timestamp(1.784e9);

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let database = root.path().join(DATABASES[0]);
        fs::create_dir_all(database.join("Europe")).unwrap();
        fs::create_dir_all(root.path().join("etc")).unwrap();
        fs::write(database.join("Europe/Berlin"), tzfile(BERLIN)).unwrap();
        root
    }

    fn check(root: &Path, name: &str, expect: &str) {
        match read(root, name) {
            Ok(zone) => assert_eq!(format!("{zone} {}", zone.offset(SUMMER)), expect),
            Err(error) => assert!(error.contains(expect), "{error}"),
        }
    }

    #[test]
    fn the_host_is_in_the_zone_of_its_link_or_file() {
        let root = root();
        let local = root.path().join(LOCAL);
        check(root.path(), "", "etc/localtime cannot be read: No such file");
        // Both forms of links occur; an absolute one must not lead to the own root.
        for target in ["/usr/share/zoneinfo/Europe/Berlin", "../usr/share/zoneinfo/Europe/Berlin"] {
            std::os::unix::fs::symlink(target, &local).unwrap();
            check(root.path(), "", "Europe/Berlin 7200");
            fs::remove_file(&local).unwrap();
        }
        fs::write(&local, tzfile("EST5EDT,M3.2.0,M11.1.0")).unwrap();
        check(root.path(), "", "EST5EDT,M3.2.0,M11.1.0 -14400");
        fs::write(&local, "Europe/Berlin\n").unwrap();
        check(root.path(), "", "etc/localtime is not a time zone");
        fs::remove_file(&local).unwrap();
        std::os::unix::fs::symlink("localtime", &local).unwrap();
        check(root.path(), "", "etc/localtime cannot be read");
    }

    /// As on NixOS, where both the directory and the database are links.
    #[test]
    fn links_of_directories_stay_below_the_root() {
        use std::os::unix::fs::symlink;
        let root = tempfile::tempdir().unwrap();
        let below = |path: &str| root.path().join(path);
        fs::create_dir_all(below("nix/store/tzdata/share/zoneinfo/Europe")).unwrap();
        fs::write(below("nix/store/tzdata/share/zoneinfo/Europe/Berlin"), tzfile(BERLIN)).unwrap();
        fs::create_dir_all(below("etc")).unwrap();
        symlink("/nix/store/tzdata/share/zoneinfo", below("etc/zoneinfo")).unwrap();
        for target in [
            "/etc/zoneinfo/Europe/Berlin",
            "../etc/./zoneinfo/../zoneinfo/Europe/Berlin",
            "zoneinfo/Europe/Berlin",
        ] {
            let local = below(LOCAL);
            symlink(target, &local).unwrap();
            check(root.path(), "", "Europe/Berlin 7200");
            fs::remove_file(&local).unwrap();
        }
        check(root.path(), "Europe/Berlin", "Europe/Berlin 7200");
        // Nothing leads out of the root.
        symlink("../../../../../../etc/zoneinfo/Europe/Berlin", below(LOCAL)).unwrap();
        check(root.path(), "", "Europe/Berlin 7200");
    }

    #[test]
    fn a_disk_that_hangs_keeps_nobody_waiting() {
        let (release, released) = mpsc::channel::<()>();
        let hangs = move || released.recv().map_err(|_| "released".to_owned());
        let error = answer(Path::new("/etc/localtime"), Duration::ZERO, hangs).unwrap_err();
        assert_eq!(error, "/etc/localtime does not answer within 0 s");
        drop(release);
    }

    #[test]
    fn a_name_is_looked_up_below_the_root() {
        let root = root();
        check(root.path(), "Europe/Berlin", "Europe/Berlin 7200");
        check(root.path(), "UTC", "UTC 0");
        check(
            root.path(),
            "Europe/Berlyn",
            "install the package tzdata on the host, check the name, or use UTC",
        );
        for name in ["../etc/shadow", "/etc/localtime", "Europe\0", "a b", &"a".repeat(65)] {
            check(root.path(), name, "is not a time zone; expected a name such as Europe/Berlin");
        }
    }
}
