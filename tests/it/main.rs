//! All integration tests in one binary, so that the library is linked once. One module per subject.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::float_cmp,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests"
)]

mod absence;
mod backfill;
#[cfg(target_os = "linux")]
mod captured_machine;
mod captured_tree;
#[cfg(target_os = "linux")]
mod cgroup;
#[cfg(target_os = "linux")]
mod cgroup_churn;
mod cgroup_processes;
mod cgroup_turns;
mod config_files;
mod consecutive_incidents;
mod control_learning;
mod counter_restart;
#[cfg(target_os = "linux")]
mod demo;
mod deploy;
mod detection_forest;
mod docs;
mod engine;
mod episode_description;
mod evaluate;
mod exposition;
mod fault_detection;
mod forecast;
mod http;
mod known_events;
mod impact_formulas;
mod layering;
mod links;
mod log_description;
mod log_restart;
mod logs;
#[cfg(target_os = "linux")]
mod malformed_group_files;
#[cfg(target_os = "linux")]
mod malformed_kernel_files;
#[cfg(target_os = "linux")]
mod learned_host;
#[cfg(target_os = "linux")]
mod odd_readings;
mod otlp;
#[cfg(target_os = "linux")]
mod process_limits;
mod project_files;
mod quiet_hosts;
mod reference_agreement;
mod reference_figures;
#[cfg(target_os = "linux")]
mod remediate;
mod remote_logs;
mod replay;
mod replay_properties;
mod restart_after_clock_was_ahead;
#[cfg(target_os = "linux")]
mod restart_loop;
mod sampler;
mod seasonal;
mod time_zone;
mod selftest;
mod shown_input;
mod silences;
mod simulate;
mod simulated_host;
mod simulated_log;
mod snapshot;
#[cfg(target_os = "linux")]
mod sources;
mod store;
mod store_commands;
mod store_faults;
mod subject_eviction;
mod subject_lifecycle;
mod table;
mod train;
mod validate;
mod warm_start;
mod words;
