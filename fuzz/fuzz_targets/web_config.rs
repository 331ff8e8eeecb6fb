//! The file of `--web.config.file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostnorm::http::fuzzing::web_config(bytes));
