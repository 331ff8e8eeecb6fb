//! The parts of the sampling loop, as the settings describe them.

use std::time::Duration;

use crate::commands;
use crate::config::Config;
use crate::engine::{self, Engine};
use crate::grace::GraceDurations;
use crate::host_time_zone;
use crate::maintenance::MaintenanceCalendar;
use crate::scene::SceneSettings;
use crate::sources;
use crate::time_zone::TimeZone;

/// How processes are watched: from the start on, so that ten passes are known when the warm-up ends.
pub(super) fn scene(config: &Config) -> Option<SceneSettings> {
    const PASSES_IN_WARMUP: u32 = 10;
    let interval = config.detection.warmup.duration() / PASSES_IN_WARMUP;
    let light_pass_interval = interval.clamp(Duration::from_secs(1), Duration::from_secs(60));
    let roots = config.path.clone();
    config.detection.culprits.then_some(SceneSettings { roots, light_pass_interval })
}

/// An engine without learned state, in the zone of the settings.
pub(in crate::commands) fn engine(config: &Config) -> Engine {
    engine_in(config, time_zone(config))
}

/// An engine without learned state, in a zone that was read.
pub(super) fn engine_in(config: &Config, time_zone: TimeZone) -> Engine {
    let on = |source: &str| config.collects(source);
    let settings = engine::EngineSettings { time_zone, ..engine_settings(config) };
    Engine::new(sources::signals(on), &settings)
        .with_grace_triggers(sources::grace_triggers(on))
        .with_impact_formulas(sources::impacts(on))
}

fn engine_settings(config: &Config) -> engine::EngineSettings {
    let detection = &config.detection;
    engine::EngineSettings {
        interval: detection.interval.as_seconds(),
        window: usize::try_from(detection.window).unwrap_or(usize::MAX),
        warmup: detection.warmup.as_seconds(),
        score_hold: detection.score_hold.as_seconds(),
        threshold: detection.threshold,
        alert_level: detection.alert_level,
        budget: detection.budget,
        alert_on_recurrence: detection.alert_on_recurrence,
        grace: GraceDurations {
            deploy: config.context.deploy_grace.as_seconds(),
            ..GraceDurations::default()
        },
        detectors: detection.detector_settings(),
        resolve: commands::release(detection),
        smoothing: detection.smoothing,
        half_life: detection.half_life.as_seconds(),
        anomaly_learning_weight: detection.anomaly_learning_weight,
        retrain_interval: detection.retrain_interval.as_seconds(),
        retrain_on_drift: detection.retrain_on_drift,
        time_zone: TimeZone::default(),
        evict_after: config.subjects.evict_after.as_seconds(),
    }
}

/// The maintenance windows.
pub(super) fn maintenance_calendar(config: &Config, time_zone: TimeZone) -> MaintenanceCalendar {
    MaintenanceCalendar::new(&config.maintenance, time_zone)
}

/// The zone of times of day and of maintenance windows.
fn read_time_zone(config: &Config) -> Result<TimeZone, String> {
    host_time_zone::read(&config.path.rootfs, &config.detection.time_zone)
}

/// The zone of the settings, or UTC.
pub(in crate::commands) fn time_zone(config: &Config) -> TimeZone {
    read_time_zone(config).unwrap_or_default()
}

/// The zone of the settings; logs it, or why it is UTC.
pub(super) fn logged_time_zone(config: &Config) -> TimeZone {
    match read_time_zone(config) {
        Ok(zone) => {
            tracing::info!(time_zone = zone.name(), "times of day and maintenance windows follow this zone");
            zone
        }
        Err(reason) => {
            tracing::warn!(
                reason,
                "times of day and maintenance windows are in UTC; set --time-zone or mount the file"
            );
            TimeZone::default()
        }
    }
}

/// Warns if root runs this, because nothing needs it.
pub(super) fn warn_if_root() {
    if rustix::process::geteuid().is_root() {
        tracing::warn!(
            "hostnorm runs as root, which it does not need; run it as a user of its own, as the packages do"
        );
    }
}
