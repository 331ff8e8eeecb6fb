//! The settings of hostnorm: their sources, defaults and validation.
//!
//! Flags override the environment, which overrides the file, which overrides the defaults. Variables of hostnorm override
//! those of OpenTelemetry. This module reads the settings file; environment and flags are passed in.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::backfill;
use crate::budget::Budget;
use crate::duration::HumanDuration;
use crate::sources::{self, DiskSettings, FilesystemSettings, NetworkSettings, RootPaths};
use crate::store;
use crate::telemetry::{self, otlp_traces};

mod setting;
mod settings_table;
mod value_source;
mod settings_file;
mod load;
mod otel_variables;
mod validation;
mod print;

pub use load::{FILE_VARIABLE, FlagValue, LoadedConfig};
pub(crate) use print::default_of;
pub use print::{default_file, effective};
pub use setting::{Setting, ValueType};
pub(crate) use settings_table::lower_first;
pub use settings_table::settings;
pub use value_source::{ConfigProblem, ConfigProblems, ValueSource};

/// The settings file that is read where none is named, if it exists.
pub const STANDARD_FILE: &str = "/etc/hostnorm/hostnorm.yaml";
/// The control socket within the directory of the store.
const SOCKET: &str = "hostnorm.sock";
const AUTO: &str = "auto";
const OFF: &str = "off";

/// What hostnorm does, once everything that was asked for is put together. The table in `config/settings_table.rs`
/// says more about each field; both have the same names, and a test keeps them so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// How the host is judged; these keys stand at the top level of the file.
    #[serde(flatten)]
    pub detection: DetectionSettings,
    /// What is served, and where.
    pub web: WebSettings,
    /// Where the kernel's files are.
    pub path: RootPaths,
    /// Which disks are left out.
    pub disk: DiskSettings,
    /// Which mounts are left out.
    pub filesystem: FilesystemSettings,
    /// Which network devices are left out.
    pub network: NetworkSettings,
    /// What explains an anomaly.
    pub context: ContextSettings,
    /// How long subjects that are gone are remembered.
    pub subjects: SubjectsSettings,
    /// Which sources are asked, by name; each row of [`sources::SOURCES`] is in it.
    pub collector: BTreeMap<String, bool>,
    /// Which metrics are exposed.
    pub metrics: MetricsSettings,
    /// What is stored, and where.
    pub storage: store::StoreSettings,
    /// The past of this host from elsewhere.
    pub backfill: backfill::BackfillSettings,
    /// What is logged, and how.
    pub log: telemetry::LogSettings,
    /// Where traces are sent, and which.
    pub otlp: otlp_traces::OtlpSettings,
}

/// How the host is judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectionSettings {
    /// Time between two readings.
    pub interval: HumanDuration,
    /// Readings whose mean is one point.
    pub window: u64,
    /// How long is learned before the first score.
    pub warmup: HumanDuration,
    /// How long a score is held, so that no scrape misses a spike.
    pub score_hold: HumanDuration,
    /// Where the random numbers of training begin.
    pub seed: u64,
    /// The raw joint score that is exposed as 1.0.
    pub threshold: f64,
    /// How many episodes are allowed; the limit is set by it.
    pub budget: Budget,
    /// Size of the isolation forest.
    pub forest: ForestSettings,
    /// When an anomaly is over.
    pub resolve: ResolveSettings,
    /// Readings after which half of a score is left.
    pub smoothing: f64,
    /// The age at which what was learned counts half.
    pub half_life: HumanDuration,
    /// Time between two trainings.
    pub retrain_interval: HumanDuration,
    /// Whether signals that drifted are a reason to train as well.
    pub retrain_on_drift: bool,
    /// How long a new model is tried out beside the one that judges.
    pub shadow_duration: HumanDuration,
    /// Weight at which points inside an anomaly are learned.
    pub anomaly_weight: f64,
    /// How long an anomaly lasts before it is the new normal.
    pub accept_after: HumanDuration,
}

/// Size of the isolation forest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ForestSettings {
    /// Trees in the forest.
    pub trees: u64,
    /// Points that each tree grows on.
    pub sample_size: u64,
}

/// When an anomaly is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResolveSettings {
    /// The score has to be below this, …
    pub below: f64,
    /// … for this long.
    #[serde(rename = "for")]
    pub duration: HumanDuration,
}

/// What explains an anomaly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContextSettings {
    /// A file that is touched by deploys; empty for none.
    pub deploy_marker: PathBuf,
    /// How long episodes are held back after it was.
    pub deploy_grace: HumanDuration,
}

/// How long subjects that are gone are remembered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SubjectsSettings {
    /// Time after which a container that is gone is evicted from memory.
    pub evict_after: HumanDuration,
}

/// What is served, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebSettings {
    /// Addresses to listen on, `host:port`; no host means all interfaces.
    pub listen_address: Vec<String>,
    /// Whether systemd listens and hands over its sockets; then no address is listened on.
    pub systemd_socket: bool,
    /// Unix socket for local commands: a path, `auto`, or `off`.
    pub control_socket: String,
    /// Path of the metrics.
    pub telemetry_path: String,
}

/// Which metrics are exposed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricsSettings {
    /// Whether the raw values of the host are, beside the scores.
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
            context: ContextSettings::default(),
            subjects: SubjectsSettings { evict_after: HumanDuration::minutes(15) },
            collector: sources::SOURCES.iter().map(|row| (row.name.to_owned(), true)).collect(),
            metrics: MetricsSettings { raw: true },
            storage: store::StoreSettings::default(),
            backfill: backfill::BackfillSettings::default(),
            log: telemetry::LogSettings::default(),
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
            threshold: 5.0,
            budget: Budget::OFF,
            forest: ForestSettings { trees: 100, sample_size: 256 },
            resolve: ResolveSettings { below: 0.7, duration: HumanDuration::seconds(30) },
            smoothing: 1.0,
            half_life: HumanDuration::days(7),
            retrain_interval: HumanDuration::days(1),
            retrain_on_drift: true,
            shadow_duration: HumanDuration::minutes(60),
            anomaly_weight: 1.0,
            accept_after: HumanDuration::minutes(360),
        }
    }
}

impl Default for ContextSettings {
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
        }
    }
}

impl Config {
    /// Puts the settings together from everywhere they may be.
    ///
    /// # Errors
    /// Everything that is wrong with them, not only the first thing.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        flags: Vec<FlagValue>,
    ) -> Result<Self, ConfigProblems> {
        LoadedConfig::new(file, environment, flags).map(|loaded| loaded.config)
    }

    /// What the sources are told.
    pub fn sources(&self) -> sources::SourceSettings {
        sources::SourceSettings {
            roots: self.path.clone(),
            disk: self.disk.clone(),
            filesystem: self.filesystem.clone(),
            network: self.network.clone(),
            deploy_marker: self.context.deploy_marker.clone(),
        }
    }

    /// The path of the Unix socket for local commands; `None` if there is none.
    pub fn control_socket(&self, place: &store::StoreLocation) -> Option<PathBuf> {
        match (self.web.control_socket.as_str(), place) {
            ("" | OFF, _) => None,
            (AUTO, store::StoreLocation::Directory(directory)) => Some(directory.join(SOCKET)),
            (AUTO, store::StoreLocation::Off | store::StoreLocation::Nowhere) => None,
            (path, _) => Some(path.into()),
        }
    }

    /// Whether a source is switched on.
    pub fn collects(&self, source: &str) -> bool {
        self.collector.get(source).copied().unwrap_or(false)
    }
}
