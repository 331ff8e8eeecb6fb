//! The settings of hostnorm: their sources, defaults and validation.
//!
//! Flags override the environment, which overrides the file, which overrides the defaults. Variables of hostnorm override
//! those of OpenTelemetry. This module reads the settings file; environment and flags are passed in.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::alert;
use crate::alert_budget::AlertBudget;
use crate::alertmanager_silences;
use crate::backfill;
use crate::cost_limit::CostLimits;
use crate::detect::detector_settings::{AnomalyDecisionRule, DetectorSettings, OnOff};
use crate::detect::{DETECTORS, PerDetector};
use crate::duration::HumanDuration;
use crate::http;
use crate::logs::WatchedLogSettings;
use crate::maintenance::MaintenanceWindow;
use crate::scorer;
use crate::sources::{self, CgroupSettings, DiskSettings, FilesystemSettings, NetworkSettings, RootPaths};
use crate::store;
use crate::telemetry::{self, otlp_traces};

mod setting;
mod settings_table;
mod setting_source;
mod word;
mod settings_file;
mod shown_value;
mod flag_value;
mod load;
mod path_check;
mod otel_variables;
mod setting_ranges;
mod print;

pub use flag_value::FlagValue;
pub use load::{FILE_VARIABLE, LoadedConfig};
pub(crate) use print::default_of;
pub use print::{default_file, effective_settings_yaml};
pub use setting::{Setting, SettingType};
pub use setting_source::{ConfigProblem, ConfigProblems, ValueSource};
pub(crate) use settings_table::lower_first;
pub use settings_table::settings;

/// The settings file that is read by default, if it exists.
pub const STANDARD_FILE: &str = "/etc/hostnorm/hostnorm.yaml";
/// Name of the control socket in the directory of the store.
const SOCKET: &str = "hostnorm.sock";
const AUTO: &str = "auto";
const OFF: &str = "off";

/// The effective settings. The table in `config/settings_table.rs` documents each field under the same name; a test
/// compares both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Detection; these keys are at the top level of the file.
    #[serde(flatten)]
    pub detection: DetectionSettings,
    /// The HTTP server.
    pub web: WebSettings,
    /// Roots of the kernel's files.
    pub path: RootPaths,
    /// Excluded disks.
    pub disk: DiskSettings,
    /// Excluded mounts.
    pub filesystem: FilesystemSettings,
    /// Excluded network devices.
    pub network: NetworkSettings,
    /// Containers, pods and services.
    pub cgroup: CgroupSettings,
    /// Reasons for grace periods.
    pub context: DeployMarkerSettings,
    /// Maintenance windows.
    pub maintenance: Vec<MaintenanceWindow>,
    /// Logs to watch.
    pub logs: Vec<WatchedLogSettings>,
    /// Eviction of subjects.
    pub subjects: EvictionSettings,
    /// Whether each collector is enabled, by name; contains each row of [`sources::SOURCES`].
    pub collector: BTreeMap<String, bool>,
    /// Exposed metrics.
    pub metrics: MetricsSettings,
    /// The store.
    pub storage: store::StoreSettings,
    /// Backfill of this host's history.
    pub backfill: backfill::BackfillSettings,
    /// What hostnorm may cost.
    pub limits: CostLimits,
    /// The Alertmanager that is asked for silences.
    pub alertmanager: alertmanager_silences::AlertmanagerSettings,
    /// The log.
    pub log: telemetry::LogOutputSettings,
    /// Export of traces.
    pub otlp: otlp_traces::OtlpSettings,
}

/// Settings of detection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectionSettings {
    /// Time between two readings.
    pub interval: HumanDuration,
    /// Readings that a point averages.
    pub window: u64,
    /// Learning time before the first score.
    pub warmup: HumanDuration,
    /// Time for which a score is held, so that no scrape misses a spike.
    pub score_hold: HumanDuration,
    /// Seed of the random numbers for training.
    pub seed: u64,
    /// The raw score that is exposed as 1.0: the unusual level.
    pub threshold: f64,
    /// The score from which an episode is an alert.
    pub alert_level: f64,
    /// Accepted number of alerts; adjusts the alert level.
    pub budget: AlertBudget,
    /// Whether an episode whose like is known from the past is an alert, too.
    pub alert_on_recurrence: bool,
    /// What decides whether there is an anomaly.
    pub decide: AnomalyDecisionRule,
    /// Whether each detector counts, by name; contains each row of [`DETECTORS`].
    pub detectors: BTreeMap<String, OnOff>,
    /// Size of the isolation forest.
    pub forest: ForestSettings,
    /// When an anomaly ends.
    pub resolve: EpisodeEndSettings,
    /// Half-life of the smoothed score, in readings.
    pub smoothing: f64,
    /// Half-life of learned statistics.
    pub half_life: HumanDuration,
    /// Time between two trainings.
    pub retrain_interval: HumanDuration,
    /// Whether drift also starts a training.
    pub retrain_on_drift: bool,
    /// Time for which a new model stays in shadow mode.
    pub shadow_duration: HumanDuration,
    /// Weight with which points inside an anomaly are learned.
    pub anomaly_learning_weight: f64,
    /// Time after which an anomaly is accepted as normal.
    pub accept_after: HumanDuration,
    /// Whether processes are read, to name those behind an anomaly.
    pub culprits: bool,
    /// Name of the time zone; empty for that of the host.
    pub time_zone: String,
    /// Whether episodes of logs keep templates of their lines.
    pub store_log_templates: bool,
}

/// Size of the isolation forest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForestSettings {
    /// Number of trees.
    pub trees: u64,
    /// Number of points for each tree.
    pub sample_size: u64,
}

/// When an anomaly ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpisodeEndSettings {
    /// The score must stay below this …
    pub below: f64,
    /// … for this long.
    #[serde(rename = "for")]
    pub duration: HumanDuration,
}

/// Reasons for grace periods.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeployMarkerSettings {
    /// A file that deploys touch; empty for none.
    pub deploy_marker: PathBuf,
    /// Length of the grace period after a deploy.
    pub deploy_grace: HumanDuration,
}

/// Eviction of subjects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvictionSettings {
    /// Time after which a container, pod or service that is gone is evicted from memory.
    pub evict_after: HumanDuration,
}

/// The HTTP server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebSettings {
    /// Addresses to listen on, `host:port`; no host means all interfaces.
    pub listen_address: Vec<String>,
    /// Whether systemd passes its sockets; `listen_address` is then ignored.
    pub systemd_socket: bool,
    /// Unix socket for local commands: a path, `auto`, or `off`.
    pub control_socket: String,
    /// Path of the metrics.
    pub telemetry_path: String,
    /// Whether `POST /-/reload` is served.
    pub enable_lifecycle: bool,
    /// Origins whose pages may read responses.
    pub cors_origins: Vec<String>,
    /// File with certificates and passwords, in the format of exporter-toolkit; empty for none.
    pub config_file: PathBuf,
    /// Whether authenticated users may send commands over TCP.
    pub enable_admin_api: bool,
    /// Whether the routes for probes need no authentication.
    pub health_auth_exempt: bool,
}

/// Exposed metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricsSettings {
    /// Whether the raw host metrics are exposed beside the scores.
    pub raw: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            detection: DetectionSettings::default(),
            web: WebSettings::default(),
            path: RootPaths::default(),
            disk: DiskSettings::default(),
            filesystem: FilesystemSettings::default(),
            network: NetworkSettings::default(),
            cgroup: CgroupSettings::default(),
            context: DeployMarkerSettings::default(),
            maintenance: Vec::new(),
            logs: Vec::new(),
            subjects: EvictionSettings { evict_after: HumanDuration::minutes(15) },
            collector: sources::SOURCES.iter().map(|row| (row.name.to_owned(), true)).collect(),
            metrics: MetricsSettings { raw: true },
            storage: store::StoreSettings::default(),
            backfill: backfill::BackfillSettings::default(),
            limits: CostLimits::default(),
            alertmanager: alertmanager_silences::AlertmanagerSettings::default(),
            log: telemetry::LogOutputSettings::default(),
            otlp: otlp_traces::OtlpSettings::default(),
        }
    }
}

impl Default for DetectionSettings {
    fn default() -> Self {
        Self {
            interval: HumanDuration::seconds(1),
            window: 30,
            warmup: HumanDuration::minutes(10),
            score_hold: HumanDuration::seconds(60),
            seed: 0,
            threshold: scorer::THRESHOLD,
            alert_level: alert::LEVEL,
            budget: AlertBudget::OFF,
            alert_on_recurrence: false,
            decide: AnomalyDecisionRule::Score,
            detectors: DETECTORS.each().into_iter().map(|it| (it.name.to_owned(), OnOff::On)).collect(),
            forest: ForestSettings { trees: 100, sample_size: 256 },
            resolve: EpisodeEndSettings { below: 0.7, duration: HumanDuration::seconds(30) },
            smoothing: 1.0,
            half_life: HumanDuration::days(7),
            retrain_interval: HumanDuration::days(1),
            retrain_on_drift: true,
            shadow_duration: HumanDuration::minutes(60),
            anomaly_learning_weight: 1.0,
            accept_after: HumanDuration::minutes(360),
            culprits: true,
            time_zone: String::new(),
            store_log_templates: true,
        }
    }
}

impl DetectionSettings {
    /// Which detectors count, and what decides.
    pub fn detector_settings(&self) -> DetectorSettings {
        let mut switches = PerDetector::<OnOff>::default();
        for (row, switch) in DETECTORS.each().into_iter().zip(switches.each_mut()) {
            *switch = self.detectors.get(row.name).copied().unwrap_or_default();
        }
        DetectorSettings { switches, decide: self.decide }
    }
}

impl Default for DeployMarkerSettings {
    fn default() -> Self {
        Self { deploy_marker: PathBuf::new(), deploy_grace: HumanDuration::minutes(10) }
    }
}

impl Default for WebSettings {
    fn default() -> Self {
        Self {
            listen_address: vec![":19797".into()],
            systemd_socket: false,
            control_socket: AUTO.into(),
            telemetry_path: "/metrics".into(),
            enable_lifecycle: false,
            cors_origins: Vec::new(),
            config_file: PathBuf::new(),
            enable_admin_api: false,
            health_auth_exempt: true,
        }
    }
}

impl Config {
    /// Merges file, environment and flags.
    ///
    /// # Errors
    /// All problems of the settings, not only the first.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        flags: Vec<FlagValue>,
    ) -> Result<Self, ConfigProblems> {
        LoadedConfig::new(file, environment, flags).map(|loaded| loaded.config)
    }

    /// The settings of the sources.
    pub fn sources(&self) -> sources::SourceSettings {
        sources::SourceSettings {
            window: usize::try_from(self.detection.window).unwrap_or(usize::MAX),
            interval: self.detection.interval.duration(),
            blocking: sources::BlockingReads::default(),
            roots: self.path.clone(),
            disk: self.disk.clone(),
            filesystem: self.filesystem.clone(),
            network: self.network.clone(),
            cgroup: self.cgroup.clone(),
            logs: Vec::new(),
            deploy_marker: self.context.deploy_marker.clone(),
        }
    }

    /// Who may connect over TCP, and what they must prove.
    pub fn access(&self) -> http::AccessSettings {
        http::AccessSettings {
            config_file: Some(self.web.config_file.clone()).filter(|it| !it.as_os_str().is_empty()),
            enable_admin_api: self.web.enable_admin_api,
            health_auth_exempt: self.web.health_auth_exempt,
        }
    }

    /// The path of the Unix socket for local commands; `None` if there is none.
    pub fn control_socket(&self, place: &store::StoreLocation) -> Option<PathBuf> {
        match (self.web.control_socket.as_str(), place) {
            ("" | OFF, _) => None,
            (AUTO, store::StoreLocation::Directory(directory)) => Some(directory.join(SOCKET)),
            (AUTO, store::StoreLocation::Off | store::StoreLocation::Unknown) => None,
            (path, _) => Some(path.into()),
        }
    }

    /// Whether a collector is enabled.
    pub fn collects(&self, source: &str) -> bool {
        self.collector.get(source).copied().unwrap_or(false)
    }
}
