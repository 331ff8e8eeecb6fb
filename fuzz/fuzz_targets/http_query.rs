//! Requests: a line with path and query, then headers.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostnorm::http::fuzzing::request(bytes));
