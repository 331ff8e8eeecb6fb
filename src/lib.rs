//! hostnorm learns what is normal on each host and tells Prometheus when it is not.
//!
//! The map of the house, from the ground up. What stands above uses what stands below, never the other way:
//!
//! | layer | modules |
//! |---|---|
//! | core: no I/O, no clock, no randomness of its own, no errors | [`metric`], [`reading`], [`signal`], [`window`], [`detect`], [`report`] |
//! | shell: may touch the world | [`clock`], [`sources`], [`serve`] |
//!
//! `tests/layering.rs` and clippy's disallowed methods keep it so; ARCHITECTURE.md tells why.

pub mod metric;
pub mod reading;
pub mod signal;
pub mod window;
pub mod report;
pub mod detect;
pub mod episode;
pub mod training;
pub mod engine;

pub mod clock;
pub mod sources;
pub mod serve;
pub mod sampler;
