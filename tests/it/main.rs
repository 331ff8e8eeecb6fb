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
mod reference_agreement;
mod config_files;
#[cfg(target_os = "linux")]
mod demo;
mod deploy;
mod episode_description;
mod detection_forest;
mod docs;
mod engine;
mod evaluate;
mod known_events;
mod exposition;
mod reference_figures;
mod backfill;
#[cfg(target_os = "linux")]
mod malformed_kernel_files;
mod consecutive_incidents;
mod layering;
mod control_learning;
mod subject_lifecycle;
mod links;
mod simulated_host;
#[cfg(target_os = "linux")]
mod captured_machine;
mod otlp;
mod replay;
mod replay_properties;
mod table;
mod http;
mod sampler;
mod seasonal;
mod selftest;
mod simulate;
mod fault_detection;
mod snapshot;
#[cfg(target_os = "linux")]
mod sources;
mod store;
mod store_commands;
mod store_faults;
mod subject_eviction;
mod train;
mod captured_tree;
mod validate;
mod warm_start;
mod words;
