//! Files of procfs: the first byte chooses the parser.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostnorm::scene::fuzzing::parse(bytes));
