//! Anomaly detection for hosts, exported to Prometheus.
//!
//! A map of the modules, from the bottom up. Each layer uses only the layers above it in this table:
//!
//! | layer | modules |
//! |---|---|
//! | core: no I/O, no clock, no unseeded randomness, no errors | [`version`], [`duration`], [`byte_size`], [`roc`], [`learned_state_codec`], [`alert_budget`], [`url_credentials`], [`secret_text`], [`control_characters`], [`metric`], [`reading`], [`time_zone`], [`signal`], [`grace`], [`maintenance`], [`silence`], [`cost_limit`], [`episode_pattern`], [`counter_reset`], [`log_line`], [`log_mask`], [`log_template`], [`log_stats`], [`window`], [`drift`], [`detect`], [`forecast`], [`impact`], [`culprit`], [`report`], [`episode`], [`alert`], [`episode_text`], [`explanation`], [`training`], [`evaluate`], [`simulate`], [`model_registry`], [`scorer`], [`selftest`], [`engine`], [`replay`], [`settings_search`] |
//! | shell: does I/O | [`clock`], [`third_party_forest`], [`whole_file`], [`open_files`], [`file_size_limit`], [`thread_limit`], [`yaml_text`], [`host_time_zone`], [`scene`], [`request_cpu`], [`control_command`], [`log_stream`], [`host_name`], [`remote`], [`telemetry`], [`sources`], [`table`], [`store`], [`backfill`], [`alertmanager_silences`], [`sd_notify`], [`logs`], [`dataset`], [`config`], [`stored_explanation`], [`mcp`], [`http`], [`remediate`], [`sampler`] |
//! | program: joins the layers | [`cli`], [`commands`] |
//!
//! `tests/it/layering.rs` and clippy's disallowed methods enforce the layers. ARCHITECTURE.md explains them.

pub mod version;
pub mod duration;
pub mod byte_size;
pub mod control_characters;
pub mod url_credentials;
pub mod secret_text;
pub mod roc;
pub mod learned_state_codec;
pub mod alert_budget;
pub mod metric;
pub mod reading;
pub mod time_zone;
pub mod signal;
pub mod grace;
pub mod maintenance;
pub mod silence;
pub mod cost_limit;
pub mod episode_pattern;
pub mod counter_reset;
pub mod log_line;
pub mod log_mask;
pub mod log_template;
pub mod log_stats;
pub mod window;
pub mod drift;
pub mod forecast;
pub mod detect;
pub mod culprit;
pub mod impact;
pub mod report;
pub mod episode_text;
pub mod explanation;
pub mod episode;
pub mod alert;
pub mod training;
pub mod evaluate;
pub mod simulate;
pub mod model_registry;
pub mod scorer;
pub mod selftest;
pub mod engine;
pub mod replay;
pub mod settings_search;

pub mod clock;
pub mod control_command;
pub mod third_party_forest;
pub mod whole_file;
pub mod open_files;
pub mod file_size_limit;
pub mod thread_limit;
pub mod yaml_text;
pub mod request_cpu;
pub mod host_name;
pub mod remote;
pub mod host_time_zone;
pub mod log_stream;
pub mod telemetry;
pub mod sources;
pub mod table;
pub mod backfill;
pub mod alertmanager_silences;
pub mod store;
pub mod sd_notify;
pub mod mcp;
pub mod logs;
pub mod scene;
pub mod stored_explanation;
pub mod dataset;
pub mod config;
pub mod http;
pub mod remediate;
pub mod sampler;

pub mod cli;
pub mod commands;
