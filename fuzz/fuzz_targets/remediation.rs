//! Notifications of Alertmanager, and rules in YAML.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    hostnorm::remediate::fuzzing::notification(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        hostnorm::remediate::fuzzing::rules(text);
    }
});
