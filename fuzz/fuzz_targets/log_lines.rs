//! Lines of logs, one a line of the input: severity, mask, templates and figures.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostnorm::log_stream::fuzzing::lines(bytes));
