//! Responses of Loki and VictoriaLogs, and stored positions: the first byte chooses.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostnorm::logs::fuzzing::remote_logs(bytes));
