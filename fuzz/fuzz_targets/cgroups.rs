//! Files and names of control groups: the first byte chooses the parser.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostnorm::sources::fuzzing::parse_cgroup(bytes));
