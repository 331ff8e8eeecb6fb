//! The table of settings. Flags, environment variables, help and documentation derive from it.
//!
//! Defaults are not in it; they come from [`Config::default`](super::Config).

use std::borrow::Cow;

use super::{Setting, SettingType};
use crate::detect::DETECTORS;
use crate::detect::detector_settings::{AnomalyDecisionRule, OnOff};
use crate::sources::SOURCES;

mod alertmanager_rows;
mod otlp_rows;

const fn row(key: &'static str, takes: SettingType, help: &'static str) -> Setting {
    Setting { key: Cow::Borrowed(key), takes, help: Cow::Borrowed(help) }
}

/// In the order of the documentation; collectors are added from their own table.
static SETTINGS: &[Setting] = &[
    row("interval", SettingType::Duration, "Time between two readings, at least 100ms"),
    row(
        "warmup",
        SettingType::Duration,
        "Learning time before the first score. The minimum is one window. The first score also needs three windows, even if the warm-up is shorter; with the history of another host or of a server, one",
    ),
    row(
        "threshold",
        SettingType::Number,
        "Raw score from which a subject is unusual. hostnorm smooths the raw score and divides it by this threshold, so an anomaly_score of 1 is the unusual level. The threshold is higher on a new host; anomaly_threshold has the value in effect. Raise it for fewer anomalies and alerts",
    ),
    row(
        "alert_level",
        SettingType::Number,
        "Score from which an anomaly is worth an alert, 1 to 100; raise it for fewer alerts. With a budget, hostnorm adjusts the level between half and twice this score",
    ),
    row(
        "budget",
        SettingType::Budget,
        "Accepted alerts per subject, such as 1 per week. After three days, hostnorm adjusts the alert level to this number, between half and twice alert_level",
    ),
    row(
        "alert_on_recurrence",
        SettingType::Bool,
        "Alert on anomalies that are like the first week or no larger than on earlier days, too. By default, such an anomaly is no alert, as a nightly backup",
    ),
    row(
        "decide",
        SettingType::OneOf(&AnomalyDecisionRule::NAMES),
        "How hostnorm decides whether there is an anomaly. score: by the score. vote: while more than half of the voting detectors (zscore, baseline, eif, seasonal) vote for it",
    ),
    row(
        "accept_after",
        SettingType::Duration,
        "Time after which hostnorm accepts a lasting anomaly as normal; at least 1m. A host that has learned for less time waits only as long as it has learned, but at least 1h",
    ),
    row(
        "window",
        SettingType::Integer,
        "Number of readings whose mean is one point, 1 to 4096. hostnorm scores each reading and learns one point per window",
    ),
    row(
        "score_hold",
        SettingType::Duration,
        "anomaly_score is the highest score of this last period; at most 1h. Set a longer period than the scrape interval",
    ),
    row(
        "smoothing",
        SettingType::Number,
        "Half-life of the smoothing of the score, 0.5 to 10 readings. Raise it for fewer, later alerts",
    ),
    row(
        "half_life",
        SettingType::Duration,
        "Age at which learned values have half their weight; at least 1m",
    ),
    row(
        "anomaly_learning_weight",
        SettingType::Number,
        "Weight of points during an anomaly that is not yet accepted. With 0, hostnorm learns nothing from these points; with 1, it learns them like other points",
    ),
    row(
        "retrain_interval",
        SettingType::Duration,
        "Time between two trainings of the model; at least 1m. A new host trains sooner: each time it has twice as many points",
    ),
    row(
        "retrain_on_drift",
        SettingType::Bool,
        "Retrain on drift. hostnorm does this at most once an hour, and less often if the drift does not end",
    ),
    row(
        "shadow_duration",
        SettingType::Duration,
        "Time for which a new model scores in shadow mode before it replaces the current model; at most 1w. 0 replaces the current model at once",
    ),
    row(
        "culprits",
        SettingType::Bool,
        "Name the processes behind an anomaly of the host. hostnorm reads command names and resource use of all processes, never arguments",
    ),
    row(
        "time_zone",
        SettingType::Text,
        "Time zone of times of day and of maintenance windows, such as Europe/Berlin or UTC. Empty means the zone in etc/localtime below path.rootfs; hostnorm replay uses UTC instead",
    ),
    row(
        "store_log_templates",
        SettingType::Bool,
        "Name the kinds of lines behind an anomaly of a log. With an anomaly, hostnorm stores at most five templates, in which all variable parts are masked. It never stores lines",
    ),
    row(
        "seed",
        SettingType::Integer,
        "Seed for the random numbers of training. Equal seeds and points give equal models",
    ),
    row(
        "maintenance",
        SettingType::Windows,
        "Maintenance windows: each has a cron schedule in time_zone, a duration of 1m to 7d, and a name. Within a window, nothing is learned, and an episode starts only at a score of 2",
    ),
    row(
        "logs",
        SettingType::Logs,
        "Logs to watch, at most 64. Each has a name, which becomes the label subject, and one source: file, journald, syslog, loki or victorialogs; see docs/logs.md",
    ),
    row(
        "web.listen_address",
        SettingType::TextList,
        "Listen addresses, host:port or :port. :port means all interfaces. An IPv6 address needs brackets: [address]:port",
    ),
    row(
        "web.enable_lifecycle",
        SettingType::Bool,
        "Accept POST /-/reload, which reloads the settings, from clients that may send commands",
    ),
    row(
        "web.cors_origins",
        SettingType::TextList,
        "Origins whose web pages may read responses, such as https://grafana.example, or * for all. None by default",
    ),
    row("web.telemetry_path", SettingType::Text, "Path under which metrics are served"),
    row(
        "web.control_socket",
        SettingType::Text,
        "Unix socket for local commands such as hostnorm accept. off disables it. auto is hostnorm.sock in the directory of the store",
    ),
    row(
        "web.config_file",
        SettingType::Text,
        "File with certificates, users and headers, in the format of Prometheus' exporter-toolkit. hostnorm reads the file again when it changes. Empty for plain HTTP without passwords",
    ),
    row(
        "web.enable_admin_api",
        SettingType::Bool,
        "Accept commands over TCP from authenticated users (web.config_file). By default only the control socket accepts commands",
    ),
    row(
        "web.health_auth_exempt",
        SettingType::Bool,
        "Exempt /-/healthy and /-/ready from authentication and rate limit",
    ),
    row(
        "web.systemd_socket",
        SettingType::Bool,
        "Use the sockets of a systemd socket unit instead of web.listen_address. Changes need a restart",
    ),
    row(
        "storage.path",
        SettingType::Directory,
        "Directory for the store, or off. off keeps everything in memory. auto is the first of $STATE_DIRECTORY, /var/lib/hostnorm if it exists, $XDG_STATE_HOME/hostnorm and $HOME/.local/state/hostnorm",
    ),
    row(
        "storage.max_bytes",
        SettingType::Size,
        "Maximum size of the store; at least 8MiB. The oldest readings are deleted first",
    ),
    row("storage.retention.readings", SettingType::Duration, "Retention of readings"),
    row(
        "storage.retention.points",
        SettingType::Duration,
        "Retention of points, scores, episodes, baselines, and the states of subjects and logs. Points and scores of containers, pods, services and logs are kept for a day",
    ),
    row(
        "storage.episode_bytes",
        SettingType::Size,
        "Maximum size of the readings and snapshots that are kept beyond their retention to explain episodes. Those of the oldest episode are deleted first",
    ),
    row(
        "storage.commit_interval",
        SettingType::Duration,
        "Interval between commits, 100ms to 10m. A crash of hostnorm loses at most the data of one interval",
    ),
    row(
        "log.level",
        SettingType::OneOf(&["error", "warn", "info", "debug", "trace"]),
        "Lowest level that is logged",
    ),
    row("log.format", SettingType::OneOf(&["logfmt", "json"]), "Format of log lines on standard error"),
    row("metrics.raw", SettingType::Bool, "Expose the raw values of the host beside the scores"),
    row(
        "path.procfs",
        SettingType::Directory,
        "Mount point of procfs. In a container that monitors its host: /host/proc",
    ),
    row(
        "path.sysfs",
        SettingType::Directory,
        "Mount point of sysfs. In a container that monitors its host: /host/sys",
    ),
    row(
        "path.rootfs",
        SettingType::Directory,
        "Mount point of the root filesystem. In a container that monitors its host: /host/root",
    ),
    row(
        "path.cgroupfs",
        SettingType::Directory,
        "Mount point of the control groups. Empty means fs/cgroup below path.sysfs",
    ),
    row(
        "context.deploy_marker",
        SettingType::Text,
        "File below path.rootfs that deploys touch to start a grace period. Empty for none",
    ),
    row(
        "context.deploy_grace",
        SettingType::Duration,
        "Length of the grace period after a change of the deploy marker; at most 1d. During grace, an episode starts only at a score of 2",
    ),
    row(
        "subjects.evict_after",
        SettingType::Duration,
        "Time until the learned state of a container, pod or service that is gone moves from memory to the store, 1m to 1d",
    ),
    row(
        "resolve.below",
        SettingType::Number,
        "An anomaly ends when its score has been below this number for resolve.for; above 0 and at most 1",
    ),
    row(
        "resolve.for",
        SettingType::Duration,
        "An anomaly ends when its score has been below resolve.below for this time; at most 1d",
    ),
    row(
        "forest.trees",
        SettingType::Integer,
        "Trees in the isolation forest, 10 to 1000. More trees need more time and memory",
    ),
    row(
        "forest.sample_size",
        SettingType::Integer,
        "Points drawn at random for each tree, 16 to 4096. More points need more memory",
    ),
    row(
        "disk.device_exclude",
        SettingType::Text,
        "Disks to exclude, as a regular expression; by default RAM disks, loop devices, floppies, and partitions of listed disks",
    ),
    row(
        "filesystem.mount_exclude",
        SettingType::Text,
        "Mount points to exclude, as a regular expression; by default those of the kernel and of containers",
    ),
    row(
        "filesystem.fstype_exclude",
        SettingType::Text,
        "Filesystem types to exclude, as a regular expression; by default virtual and read-only ones",
    ),
    row(
        "network.device_exclude",
        SettingType::Text,
        "Network devices to exclude, as a regular expression; by default those of containers and virtual machines",
    ),
    row(
        "cgroup.include",
        SettingType::Text,
        "Containers, pods and services to score, as a regular expression on kind/name, such as ^pod/shop/. Empty means all",
    ),
    row(
        "cgroup.exclude",
        SettingType::Text,
        "Containers, pods and services to exclude, as a regular expression on kind/name, such as ^service/; by default services of systemd-run",
    ),
    row(
        "cgroup.subjects_max",
        SettingType::Integer,
        "Maximum number of containers, pods and services that hostnorm reads, 0 to 500. hostnorm_cgroups_omitted counts the others",
    ),
    row(
        "cgroup.raw",
        SettingType::Bool,
        "Expose all metrics of containers, pods and services, and store their readings and those of logs. By default, a container, pod or service has seven series: its score, is_anomaly, anomaly_alert, anomaly_ready and three contributions; during an anomaly, also its identity (hostnorm_cgroup_info), description, severity and impact",
    ),
    row(
        "limits.series",
        SettingType::Integer,
        "Maximum number of series in a response of /metrics; at least 500, or 0 for no limit. To stay below it, hostnorm leaves out, in this order: raw values of containers, pods, services and logs; their contributions; all of their series; raw values of the host",
    ),
    row(
        "limits.memory",
        SettingType::Size,
        "Limit of resident memory; at least 32MiB, or 0 for no limit. Above it, hostnorm switches off retraining, then the self-test, then the detector novelty, then scores of containers, pods, services and logs",
    ),
    row(
        "limits.cpu",
        SettingType::Number,
        "Limit of CPU use without HTTP requests, in CPUs, as a mean of ten minutes; at least 0.01, or 0 for no limit. Above it, hostnorm switches off the same features as for limits.memory",
    ),
    row(
        "backfill.from",
        SettingType::Text,
        "Server or file with the history of this host, to learn from at the first start: csv:FILE, prometheus:URL or influxdb:URL/DATABASE; or the store of a similar host: store:FILE. Empty for none",
    ),
    row(
        "backfill.lookback",
        SettingType::Duration,
        "Length of the history to learn from, 1h to 90d. The history must have at least 1,440 points: 12h with the default interval and window",
    ),
    row(
        "backfill.host",
        SettingType::Text,
        "How the server names this host: its label instance, with or without the port, or Telegraf's tag host. Empty if the server knows only one host",
    ),
    row(
        "backfill.match",
        SettingType::Text,
        "Further selector for series, such as job=\"node\", or an InfluxQL condition",
    ),
    row(
        "backfill.mapping",
        SettingType::Text,
        "File with the server's metric names: an edited copy of hostnorm train --print-mapping",
    ),
    row("backfill.user", SettingType::Text, "User name at the server; empty for none"),
    row("backfill.password_file", SettingType::Text, "File with the user's password"),
    row(
        "backfill.token_file",
        SettingType::Text,
        "File with a token: Bearer for Prometheus, Token for InfluxDB",
    ),
    row("backfill.headers", SettingType::TextList, "Further HTTP headers, such as 'X-Scope-OrgID: tenant'"),
    row(
        "backfill.ca_file",
        SettingType::Text,
        "CA certificates to trust instead of those of the host, in PEM",
    ),
    row("backfill.cert_file", SettingType::Text, "Client certificate, in PEM"),
    row("backfill.key_file", SettingType::Text, "Key of the client certificate, in PEM"),
    row(
        "backfill.insecure_skip_verify",
        SettingType::Bool,
        "Accept any certificate. Anyone on the network path to the server can then read and change the traffic",
    ),
];

/// Every setting, including one for each collector and detector.
pub fn settings() -> Vec<Setting> {
    let collectors = SOURCES.iter().map(|source| Setting {
        key: format!("collector.{}", source.name).into(),
        takes: SettingType::Bool,
        help: format!("Collect {}", lower_first(source.help)).into(),
    });
    let detectors = DETECTORS.each().into_iter().map(|detector| Setting {
        key: format!("detectors.{}", detector.name).into(),
        takes: SettingType::OneOf(&OnOff::NAMES),
        help: format!("Switch this detector on or off. {}", detector.help).into(),
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
