//! Lines of files, frames of container runtimes, and messages of syslog.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostnorm::logs::fuzzing::log_framing(bytes));
