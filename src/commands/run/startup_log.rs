//! What the log says at the start.

use std::net::TcpListener;

use super::sampler_from_settings;
use crate::config::Config;
use crate::detect::detector_settings::OnOff;
use crate::sources;
use crate::version;

/// Logs what is learned, where it is served, and when the first score is expected.
pub(super) fn log_startup(config: &Config, listeners: &[TcpListener]) {
    let addresses: Vec<String> =
        listeners.iter().filter_map(|it| it.local_addr().ok()).map(|it| it.to_string()).collect();
    let signals = sources::host_signals(|source| config.collects(source)).count();
    let switches = config.detection.detector_settings().switches;
    let detectors = switches.described().filter(|(_, it)| **it == OnOff::On).map(|(row, _)| row.name);
    let detectors: Vec<&str> = detectors.collect();
    tracing::info!(
        version = version::VERSION,
        address = addresses.join(" "),
        interval = %config.detection.interval,
        "hostnorm is listening"
    );
    tracing::info!(
        signals,
        detectors = detectors.join(" "),
        warmup = %config.detection.warmup,
        "learning; the first score follows after the warm-up"
    );
    sampler_from_settings::warn_if_root();
}
