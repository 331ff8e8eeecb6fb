//! The table of settings. Flags, environment variables, help and documentation derive from it.
//!
//! Defaults are not in it; they come from [`Config::default`](super::Config).

use std::borrow::Cow;

use super::{Setting, ValueType};
use crate::detect::DETECTORS;
use crate::detect::detector_settings::{DecisionRule, OnOff};
use crate::sources::SOURCES;

mod alertmanager_rows;
mod otlp_rows;

const fn row(key: &'static str, takes: ValueType, help: &'static str) -> Setting {
    Setting { key: Cow::Borrowed(key), takes, help: Cow::Borrowed(help) }
}

/// In the order of the documentation; collectors are added from their own table.
static SETTINGS: &[Setting] = &[
    row("interval", ValueType::Duration, "Time between two readings, at least 100ms"),
    row(
        "warmup",
        ValueType::Duration,
        "Learning time before the first score. At least one window; the first score also needs two points, which are learned once the first window is full, thus three windows",
    ),
    row(
        "threshold",
        ValueType::Number,
        "Raw score from which a subject is unusual. anomaly_score is the raw score divided by this, so 1 is the unusual level. Raise it for fewer anomalies and alerts",
    ),
    row(
        "alert_level",
        ValueType::Number,
        "Score from which an anomaly is worth an alert, 1 to 100; raise it for fewer alerts. With a budget, it is the middle of the range in which hostnorm adjusts this level",
    ),
    row(
        "budget",
        ValueType::Budget,
        "Alerts allowed per subject, such as 1 per week. After three days, hostnorm adjusts the alert level to this number, between half and twice alert_level",
    ),
    row(
        "decide",
        ValueType::OneOf(&DecisionRule::NAMES),
        "What decides whether there is an anomaly: the score, or the vote of more than half of the voting detectors",
    ),
    row(
        "accept_after",
        ValueType::Duration,
        "Time after which a lasting anomaly is accepted as normal, at least 1m. A host that has learned for less time accepts an anomaly once it has lasted as long as the host has learned, but not before 1h",
    ),
    row(
        "window",
        ValueType::Whole,
        "Number of readings whose mean is one point, 1 to 4096. Each reading is scored; one point per window is learned",
    ),
    row(
        "score_hold",
        ValueType::Duration,
        "anomaly_score is the highest score within this time, at most 1h. Make it longer than the scrape interval",
    ),
    row(
        "smoothing",
        ValueType::Number,
        "Half-life of the score, 0.5 to 10 readings. Raise it for fewer, later alerts",
    ),
    row("half_life", ValueType::Duration, "Age at which learned values have half their weight, at least 1m"),
    row(
        "anomaly_weight",
        ValueType::Number,
        "Weight of points learned during an anomaly that is not yet accepted: 0 ignores them, 1 learns them like any other",
    ),
    row(
        "retrain_interval",
        ValueType::Duration,
        "Time between two trainings of the model, at least 1m. A new host trains sooner: each time its data has doubled",
    ),
    row("retrain_on_drift", ValueType::Switch, "Retrain on drift. At most hourly, with back-off"),
    row(
        "shadow_duration",
        ValueType::Duration,
        "Time for which a new model is evaluated beside the current one before it replaces it, at most 1w. 0 replaces it at once",
    ),
    row(
        "culprits",
        ValueType::Switch,
        "Name the processes behind an anomaly of the host. Reads command names and usage of all processes, never arguments",
    ),
    row(
        "time_zone",
        ValueType::Text,
        "Time zone of times of day and of maintenance windows, such as Europe/Berlin or UTC. Empty for the zone of the host, which etc/localtime below path.rootfs has; hostnorm replay then uses UTC",
    ),
    row(
        "log_templates",
        ValueType::Switch,
        "Name the kinds of lines behind an anomaly of a log. At most five templates are stored with an anomaly, with everything variable masked; lines are never stored",
    ),
    row(
        "seed",
        ValueType::Whole,
        "Seed for the random numbers of training. Equal seeds and points give equal models",
    ),
    row(
        "maintenance",
        ValueType::Windows,
        "Maintenance windows: each has a cron schedule in time_zone, a duration of 1m to 7d, and a name. Within a window nothing is learned, and an episode starts only at a score of 2",
    ),
    row(
        "logs",
        ValueType::Logs,
        "Logs to watch, at most 64: each has a name, which is its subject, and one of file, journald, syslog, loki and victorialogs, see docs/logs.md",
    ),
    row(
        "web.listen_address",
        ValueType::Texts,
        "Address to listen on, host:port or :port. :port is all interfaces; IPv6 is [address]:port. One or more",
    ),
    row(
        "web.enable_lifecycle",
        ValueType::Switch,
        "Serve POST /-/reload, which reads the settings again, to clients that may send commands",
    ),
    row(
        "web.cors_origins",
        ValueType::Texts,
        "Origin whose web pages may read responses, such as https://grafana.example, or *. None by default",
    ),
    row("web.telemetry_path", ValueType::Text, "Path under which metrics are served"),
    row(
        "web.control_socket",
        ValueType::Text,
        "Unix socket for local commands such as hostnorm accept, or off. auto is hostnorm.sock in the store's directory",
    ),
    row(
        "web.config_file",
        ValueType::Text,
        "File with certificates, users and headers, in the format of Prometheus' exporter-toolkit. Read again when it changes; empty for plain HTTP without passwords",
    ),
    row(
        "web.enable_admin_api",
        ValueType::Switch,
        "Accept commands over TCP from authenticated users (web.config_file). By default only the control socket accepts commands",
    ),
    row(
        "web.health_auth_exempt",
        ValueType::Switch,
        "Exempt /-/healthy and /-/ready from authentication and rate limit",
    ),
    row(
        "web.systemd_socket",
        ValueType::Switch,
        "Use the sockets of a systemd socket unit instead of web.listen_address. Changes need a restart",
    ),
    row(
        "storage.path",
        ValueType::Directory,
        "Directory for the store, or off. off keeps everything in memory; auto is the first of $STATE_DIRECTORY, /var/lib/hostnorm if it exists, $XDG_STATE_HOME/hostnorm and $HOME/.local/state/hostnorm",
    ),
    row(
        "storage.max_bytes",
        ValueType::Size,
        "Maximum size of the store, at least 8MiB. The oldest readings are deleted first",
    ),
    row("storage.retention.readings", ValueType::Duration, "Retention of readings"),
    row(
        "storage.retention.points",
        ValueType::Duration,
        "Retention of points, scores and episodes. Points of containers, pods, services and logs are kept for a day",
    ),
    row(
        "storage.episode_bytes",
        ValueType::Size,
        "Largest size of the readings and snapshots that are kept beyond their retention to explain episodes. Readings and snapshots of the oldest episode are deleted first",
    ),
    row(
        "storage.commit_interval",
        ValueType::Duration,
        "Interval between commits, 100ms to 10m; a crash of hostnorm loses at most this much",
    ),
    row("log.level", ValueType::OneOf(&["error", "warn", "info", "debug", "trace"]), "Log level"),
    row("log.format", ValueType::OneOf(&["logfmt", "json"]), "Format of log lines on standard error"),
    row("metrics.raw", ValueType::Switch, "Expose the raw host metrics beside the scores"),
    row(
        "path.procfs",
        ValueType::Directory,
        "Mount point of procfs. In a container that monitors its host: /host/proc",
    ),
    row(
        "path.sysfs",
        ValueType::Directory,
        "Mount point of sysfs. In a container that monitors its host: /host/sys",
    ),
    row(
        "path.rootfs",
        ValueType::Directory,
        "Mount point of the root filesystem. In a container that monitors its host: /host/root",
    ),
    row(
        "path.cgroupfs",
        ValueType::Directory,
        "Mount point of the control groups. Empty for fs/cgroup below path.sysfs",
    ),
    row(
        "context.deploy_marker",
        ValueType::Text,
        "File below path.rootfs that deploys touch to start a grace period. Empty for none",
    ),
    row(
        "context.deploy_grace",
        ValueType::Duration,
        "Grace period after the deploy marker was touched, at most 1d. During grace, an episode starts only at a score of 2",
    ),
    row(
        "subjects.evict_after",
        ValueType::Duration,
        "Time until a container, pod or service that is gone is evicted from memory, 1m to 1d. Its learned state is stored",
    ),
    row(
        "resolve.below",
        ValueType::Number,
        "An anomaly ends when its score stays below this for resolve.for; above 0 and at most 1",
    ),
    row(
        "resolve.for",
        ValueType::Duration,
        "Time the score must stay below resolve.below until the anomaly ends, at most 1d",
    ),
    row(
        "forest.trees",
        ValueType::Whole,
        "Trees in the isolation forest, 10 to 1000. More trees need more time and memory",
    ),
    row(
        "forest.sample_size",
        ValueType::Whole,
        "Points drawn at random for each tree, 16 to 4096. More points need more memory",
    ),
    row(
        "disk.device_exclude",
        ValueType::Text,
        "Disks to exclude, as a regular expression; by default RAM disks, loop devices, floppies and partitions",
    ),
    row(
        "filesystem.mount_exclude",
        ValueType::Text,
        "Mount points to exclude, as a regular expression; by default those of the kernel and of containers",
    ),
    row(
        "filesystem.fstype_exclude",
        ValueType::Text,
        "Filesystem types to exclude, as a regular expression; by default virtual and read-only ones",
    ),
    row(
        "network.device_exclude",
        ValueType::Text,
        "Network devices to exclude, as a regular expression; by default those of containers and virtual machines",
    ),
    row(
        "cgroup.include",
        ValueType::Text,
        "Containers, pods and services to score, as a regular expression on kind/name, such as ^pod/shop/. Empty for all",
    ),
    row(
        "cgroup.exclude",
        ValueType::Text,
        "Containers, pods and services to exclude, as a regular expression on kind/name, such as ^service/; by default services of systemd-run",
    ),
    row(
        "cgroup.subjects_max",
        ValueType::Whole,
        "Largest number of containers, pods and services, 0 to 500. Further ones are counted in hostnorm_cgroup_groups_dropped",
    ),
    row(
        "cgroup.raw",
        ValueType::Switch,
        "Expose all metrics of containers, pods and services, and store their readings and those of logs. Without it, each container, pod and service has its score, is_anomaly, anomaly_alert, anomaly_ready and three contributions",
    ),
    row(
        "limits.series",
        ValueType::Whole,
        "Largest number of series in a response of /metrics, at least 500, or 0 for no limit. Beyond it, these are left out in this order: raw values of containers, pods, services and logs; their contributions; all of their series; raw values of the host",
    ),
    row(
        "limits.memory",
        ValueType::Size,
        "Resident memory, at least 32MiB, or 0 for no limit. Above it, hostnorm switches off retraining, then the self-test, then the detector novelty, then scores of containers, pods, services and logs",
    ),
    row(
        "limits.cpu",
        ValueType::Number,
        "CPUs in use as a mean of ten minutes, at least 0.01, or 0 for no limit. Above it, parts are switched off as for limits.memory",
    ),
    row(
        "backfill.from",
        ValueType::Text,
        "Server or file with this host's history, to learn from at the first start: csv:FILE, prometheus:URL or influxdb:URL/DATABASE; or store:FILE, the store of a similar host. Empty for none",
    ),
    row("backfill.lookback", ValueType::Duration, "Length of the history to learn from, 1h to 90d"),
    row(
        "backfill.host",
        ValueType::Text,
        "Host on the server: the label instance with or without its port, or Telegraf's tag host. Empty if there is only one",
    ),
    row(
        "backfill.match",
        ValueType::Text,
        "Further selector for series, such as job=\"node\", or an InfluxQL condition",
    ),
    row(
        "backfill.mapping",
        ValueType::Text,
        "File with the server's metric names: an edited copy of hostnorm train --print-mapping",
    ),
    row("backfill.user", ValueType::Text, "User name at the server; empty for none"),
    row("backfill.password_file", ValueType::Text, "File with the user's password"),
    row(
        "backfill.token_file",
        ValueType::Text,
        "File with a token: Bearer for Prometheus, Token for InfluxDB",
    ),
    row("backfill.headers", ValueType::Texts, "Further HTTP headers, such as 'X-Scope-OrgID: tenant'"),
    row(
        "backfill.ca_file",
        ValueType::Text,
        "CA certificates to trust in addition to those of the host, in PEM",
    ),
    row("backfill.cert_file", ValueType::Text, "Client certificate, in PEM"),
    row("backfill.key_file", ValueType::Text, "Key of the client certificate, in PEM"),
    row(
        "backfill.insecure",
        ValueType::Switch,
        "Accept any certificate. Anyone between here and the server can then read and change everything",
    ),
];

/// Every setting, including one for each collector and detector.
pub fn settings() -> Vec<Setting> {
    let collectors = SOURCES.iter().map(|source| Setting {
        key: format!("collector.{}", source.name).into(),
        takes: ValueType::Switch,
        help: format!("Collect {}", lower_first(source.help)).into(),
    });
    let detectors = DETECTORS.each().into_iter().map(|detector| Setting {
        key: format!("detectors.{}", detector.name).into(),
        takes: ValueType::OneOf(&OnOff::NAMES),
        help: format!("Whether to use this detector. {}", detector.help).into(),
    });
    let server = SETTINGS.iter().chain(alertmanager_rows::SETTINGS).chain(otlp_rows::SETTINGS).cloned();
    server.chain(detectors).chain(collectors).collect()
}

/// The text with a lowercase first letter, unless it starts with an abbreviation such as CPU.
pub(crate) fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.as_str()) {
        (Some(first), rest) if rest.starts_with(char::is_lowercase) => {
            format!("{}{rest}", first.to_lowercase())
        }
        _ => text.to_owned(),
    }
}
