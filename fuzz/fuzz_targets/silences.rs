//! Silences of Alertmanager.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostnorm::alertmanager_silences::fuzzing::parse(bytes));
