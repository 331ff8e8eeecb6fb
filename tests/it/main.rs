//! All integration tests: one binary, so that the library is linked once. A module a subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::float_cmp,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests"
)]

mod absence;
mod agreement;
mod config_files;
#[cfg(target_os = "linux")]
mod demo;
mod deploy;
mod described;
mod detection_forest;
mod docs;
mod engine;
mod evaluate;
mod events;
mod exposition;
mod figures;
mod history;
#[cfg(target_os = "linux")]
mod hostile;
mod incident;
mod layering;
mod learned;
mod lifecycle;
mod links;
mod living;
#[cfg(target_os = "linux")]
mod machine;
mod otlp;
mod replay;
mod replay_properties;
mod rows;
mod http;
mod sampler;
mod seasonal;
mod selftest;
mod simulate;
mod simulated;
mod snapshot;
#[cfg(target_os = "linux")]
mod sources;
mod store;
mod store_commands;
mod store_faults;
mod subjects;
mod train;
mod tree;
mod validate;
mod warm;
mod words;
