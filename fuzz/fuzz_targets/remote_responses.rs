//! Responses of Prometheus and InfluxDB: the first byte chooses the server and the request.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hostnorm::backfill::fuzzing::parse(bytes));
