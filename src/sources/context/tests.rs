//! Tests of [`GraceContextSource`] and its triggers.

use std::sync::mpsc::{Receiver, channel};

use proptest::prelude::*;

use super::*;
use crate::reading::Timestamp;

/// Values of the previous and the present reading, seconds between them, and the expected active triggers with
/// their age.
fn check_cues(before: &[(&'static Metric, f64)], now: &[(&'static Metric, f64)], at: f64, expect: &str) {
    let reading = |at: f64, values: &[(&'static Metric, f64)]| {
        let mut reading = Reading::new(Timestamp(1e9 + at));
        for (metric, value) in values {
            let labels = match metric.labels {
                [] => MetricLabels::NONE,
                _ if **metric == BOOT => MetricLabels::new([value.to_string().as_str()]),
                _ => MetricLabels::new(["dpkg"]),
            };
            reading.host().set_by(metric, &labels, *value);
        }
        reading
    };
    let (before, now) = (reading(0.0, before), reading(at, now));
    let triggered = CUES.iter().filter_map(|it| Some((it.reason.name(), (it.last_seen)(&before, &now)?)));
    let triggered: Vec<_> = triggered.map(|(name, ago)| format!("{name} {ago}")).collect();
    assert_eq!(triggered.join(", "), expect);
}

#[test]
fn readings_show_the_reasons_for_grace() {
    check_cues(&[], &[], 1.0, "");
    check_cues(&[(&UPTIME, 7.0)], &[(&UPTIME, 8.0)], 1.0, "boot 8");
    check_cues(&[(&UPTIME, 7.0)], &[(&UPTIME, 8.0)], 3600.0, "boot 8, clock_step 0");
    check_cues(&[(&UPTIME, 7.0)], &[(&UPTIME, 8.0)], -5.0, "boot 8, clock_step 0");
    check_cues(&[(&UPTIME, 7e5)], &[(&UPTIME, 8.0)], 3600.0, "boot 8");
    // The host booted while hostnorm was stopped, and is up for longer than before.
    check_cues(&[(&UPTIME, 100.0), (&BOOT, 1.0)], &[(&UPTIME, 300.0), (&BOOT, 2.0)], 3600.0, "boot 300");
    check_cues(
        &[(&UPTIME, 100.0), (&BOOT, 1.0)],
        &[(&UPTIME, 300.0), (&BOOT, 1.0)],
        3600.0,
        "boot 300, clock_step 0",
    );
    check_cues(&[(&SUSPENDED, 0.0)], &[(&SUSPENDED, 0.4)], 1.0, "");
    check_cues(&[(&SUSPENDED, 0.0)], &[(&SUSPENDED, 3599.0)], 3600.0, "resume 0");
    check_cues(&[], &[(&LOCK_HELD, 1.0)], 1.0, "upgrade 0");
    check_cues(&[], &[(&LOCK_HELD, 0.0)], 1.0, "");
    check_cues(&[], &[(&MARKER, 1e9 - 59.0)], 1.0, "deploy 60");
    check_cues(&[], &[(&MARKER, 2e9)], 1.0, "");
}

#[test]
fn an_id_of_a_boot_is_what_the_kernel_writes() {
    let id = "6f1e8d8a-3c5b-4c0e-9d5b-2a7f4b1c9e30";
    assert_eq!(parse_boot_id(&format!("{id}\n")), Some(id));
    for text in ["", "\n", "6f1e8d8a", "6f1e8d8a-3c5b-4c0e-9d5b-2a7f4b1c9e3x", &id.repeat(2)] {
        assert_eq!(parse_boot_id(text), None, "{text}");
    }
}

/// What a reading says while what `ask` asks for does not answer.
#[expect(clippy::disallowed_methods, reason = "tests make files")]
fn while_it_hangs(ask: impl Fn(&GraceContextSource, Receiver<()>)) -> String {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("uptime"), "9.00 1.00\n").unwrap();
    let mut settings = SourceSettings { deploy_marker: "/share/deployed".into(), ..Default::default() };
    settings.roots.procfs = dir.path().into();
    settings.roots.rootfs = dir.path().into();
    let mut source = GraceContextSource::new(&settings);
    let (release, released) = channel();
    ask(&source, released);
    settings.blocking.make_late();
    let mut reading = Reading::default();
    let error = source.read(&mut reading).unwrap_err().to_string();
    assert_eq!(reading.host().get(&UPTIME), Some(9.0));
    drop(release);
    error.replace(&*dir.path().display().to_string(), "")
}

#[test]
fn a_deploy_marker_that_hangs_is_named_and_delays_nothing() {
    let said = while_it_hangs(|source, released| {
        let hang = move |_: &Path| released.recv().map(|()| None).or(Ok(None));
        source.touched.request(source.marker.as_ref().unwrap(), hang).unwrap();
    });
    assert_eq!(said, "cannot read /share/deployed: no answer within 3 s");
}

#[test]
fn a_list_of_locks_that_hangs_is_named_and_delays_nothing() {
    let said = while_it_hangs(|source, released| {
        let hang =
            move |_: &Path| released.recv().map(|()| LockedFiles::default()).or(Ok(LockedFiles::default()));
        source.locks.request(&source.lock_list, hang).unwrap();
    });
    assert_eq!(said, "cannot read /locks: no answer within 3 s");
}

#[test]
fn a_lock_file_that_must_not_be_seen_is_no_failure() {
    let mut source = GraceContextSource::new(&SourceSettings::default());
    for (_, path) in &source.managers {
        let forbid = |path: &Path| match path.ends_with("lock-frontend") {
            true => Err(SourceError::Read { path: path.into(), source: ErrorKind::PermissionDenied.into() }),
            false => Ok(None),
        };
        source.identities.request(path, forbid).unwrap();
    }
    source.identities.wait(FIRST_WAIT * 100);
    let now = clock::instant();
    source.identities.update(now);
    assert_eq!(source.wanted_files(now).unwrap().unwrap().len(), 0);
    let said: Vec<_> = source.forbidden.iter().map(|it| &*it.what).collect();
    let expect =
        "cannot read /var/lib/dpkg/lock-frontend: permission denied; upgrades that lock it are not noticed";
    assert_eq!(said, [expect]);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,60}") {
        let text = KernelText::of(Path::new("uptime"), &text);
        let _ = (set_uptime(text, &mut SubjectValues::default()), parse_boot_id(text.text));
    }
}
