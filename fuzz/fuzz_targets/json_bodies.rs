//! Bodies: a line with the path, then the body of a request; the control client reads it as a response as well.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostnorm::http::fuzzing::body(bytes));
