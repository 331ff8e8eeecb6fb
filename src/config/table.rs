//! The table of settings, from which flags, names in the environment, help and documentation follow.
//!
//! Defaults are not in it: help and documentation take them from [`Config::default`](super::Config).

use std::borrow::Cow;

use super::{Setting, Takes};
use crate::sources::SOURCES;

const fn row(key: &'static str, takes: Takes, help: &'static str) -> Setting {
    Setting { key: Cow::Borrowed(key), takes, help: Cow::Borrowed(help) }
}

/// In the order of the documentation; collectors follow from their own table.
static SETTINGS: &[Setting] = &[
    row("interval", Takes::Duration, "Time between two readings, at least 100ms"),
    row(
        "window",
        Takes::Whole,
        "Readings whose mean is one point, 1 to 4096. Points are judged at each reading and learned once a window",
    ),
    row("warmup", Takes::Duration, "Learning time before the first score, at least one window"),
    row(
        "score_hold",
        Takes::Duration,
        "How long the highest score is held, at most 1h, so that no scrape misses a spike. Make it longer than the scrape interval",
    ),
    row(
        "seed",
        Takes::Whole,
        "Seed for the random numbers of training; equal seeds and equal points give equal models",
    ),
    row(
        "threshold",
        Takes::Number,
        "The raw joint score that is exposed as 1.0, from where on there is an anomaly. Higher is quieter",
    ),
    row(
        "budget",
        Takes::Budget,
        "Episodes that a subject may have, such as 1 per week: the limit follows from its own scores, between half and twice the setting threshold. The setting threshold alone counts while it is off, and until enough is known",
    ),
    row(
        "smoothing",
        Takes::Number,
        "Readings, 0.5 to 10, after which half of a score is left when what was odd is over. More is calmer and later",
    ),
    row("half_life", Takes::Duration, "The age at which what was learned counts half, at least 1m"),
    row(
        "retrain_interval",
        Takes::Duration,
        "Time between two trainings of the model, at least 1m. A young host's is trained each time twice as much is known",
    ),
    row("retrain_on_drift", Takes::Switch, "Retrain on drift, at most hourly and with back-off"),
    row(
        "shadow_duration",
        Takes::Duration,
        "How long a new model is tried out beside the one that judges before it takes over, at most 1w; 0 for not at all. No longer than what the old one was trained on",
    ),
    row(
        "anomaly_weight",
        Takes::Number,
        "Weight between 0 and 1 at which points inside an anomaly are learned, until it is accepted",
    ),
    row(
        "accept_after",
        Takes::Duration,
        "How long an anomaly lasts before it is taken for the new normal, at least 1m. A host that is known for less time accepts after as long as it is known, but not within the first hour of an anomaly",
    ),
    row("forest.trees", Takes::Whole, "Trees in the forest, 10 to 1000. Time and memory grow with it"),
    row(
        "forest.sample_size",
        Takes::Whole,
        "Points that each tree of the forest grows on, 16 to 4096, drawn from all that are known. Memory grows with it",
    ),
    row(
        "resolve.below",
        Takes::Number,
        "The score, without hold, below which an anomaly begins to end; above 0 and at most 1, where 1 is the limit",
    ),
    row(
        "resolve.for",
        Takes::Duration,
        "How long the score has to stay below before the anomaly is over, at most 1d",
    ),
    row(
        "web.listen_address",
        Takes::Texts,
        "Addresses to listen on, host:port, [IPv6]:port, or :port for all interfaces. The flag may be repeated",
    ),
    row(
        "web.systemd_socket",
        Takes::Switch,
        "Use the sockets of a systemd socket unit instead of web.listen_address; changes need a restart",
    ),
    row(
        "web.control_socket",
        Takes::Text,
        "Unix socket for local commands such as hostnorm accept; off for none. With auto it is hostnorm.sock in the store's directory",
    ),
    row("web.telemetry_path", Takes::Text, "Path under which metrics are served"),
    row(
        "path.procfs",
        Takes::Directory,
        "Where procfs is mounted. In a container that watches its host: /host/proc",
    ),
    row(
        "path.sysfs",
        Takes::Directory,
        "Where sysfs is mounted. In a container that watches its host: /host/sys",
    ),
    row(
        "path.rootfs",
        Takes::Directory,
        "Where the root filesystem is mounted. In a container that watches its host: /host/root",
    ),
    row(
        "disk.device_exclude",
        Takes::Text,
        "Disks to leave out, as a regular expression; by default RAM disks, loop devices, floppies and partitions",
    ),
    row(
        "filesystem.mount_exclude",
        Takes::Text,
        "Mount points to leave out, as a regular expression; by default those of the kernel and of containers",
    ),
    row(
        "filesystem.fstype_exclude",
        Takes::Text,
        "Types of filesystems to leave out, as a regular expression; by default those that are on no disk, and those that are full by nature",
    ),
    row(
        "network.device_exclude",
        Takes::Text,
        "Network devices to leave out, as a regular expression; by default the host's ends of containers and of virtual machines",
    ),
    row(
        "context.deploy_marker",
        Takes::Text,
        "A file that deploys touch, below path.rootfs: for a while after it was, anomalies are held back unless they pass twice the limit. Empty for none",
    ),
    row(
        "context.deploy_grace",
        Takes::Duration,
        "How long anomalies are held back after the deploy marker was touched, at most 1d",
    ),
    row("subjects.evict_after", Takes::Duration, "Time until a container that is gone is evicted, 1m to 1d"),
    row("metrics.raw", Takes::Switch, "Whether the raw values of the host are exposed beside the scores"),
    row(
        "storage.path",
        Takes::Directory,
        "Directory for the store, or off to keep everything in memory. With auto it is $STATE_DIRECTORY, as systemd sets it, else /var/lib/hostnorm where that exists, else $XDG_STATE_HOME/hostnorm, else $HOME/.local/state/hostnorm",
    ),
    row(
        "storage.max_bytes",
        Takes::Size,
        "Largest size of the store with its log, 8MiB or more; the oldest readings are deleted first",
    ),
    row("storage.retention.readings", Takes::Duration, "Retention of raw readings"),
    row("storage.retention.points", Takes::Duration, "Retention of points, scores and episodes"),
    row(
        "storage.episode_bytes",
        Takes::Size,
        "Bytes of readings and snapshots kept beyond storage.retention.readings to explain episodes; those of the oldest episode are deleted first",
    ),
    row(
        "storage.commit_interval",
        Takes::Duration,
        "Interval between commits, 100ms to 10m; a crash loses at most this much",
    ),
    row(
        "backfill.from",
        Takes::Text,
        "Where the past of this host is asked for at the first start, as by hostnorm train --from: csv:FILE, prometheus:URL or influxdb:URL. Empty for nowhere",
    ),
    row("backfill.lookback", Takes::Duration, "How far back to learn from, 1h to 90d"),
    row(
        "backfill.host",
        Takes::Text,
        "Which host of the server it is: the label instance with or without its port, or Telegraf's tag host. Empty where there is one",
    ),
    row(
        "backfill.match",
        Takes::Text,
        "More to choose series by, such as job=\"node\", or a condition of InfluxQL",
    ),
    row(
        "backfill.mapping",
        Takes::Text,
        "A changed copy of what hostnorm train --print-mapping prints: the names that the server has",
    ),
    row("backfill.user", Takes::Text, "User at the server; empty for none"),
    row("backfill.password_file", Takes::Text, "File with the password of the user"),
    row("backfill.token_file", Takes::Text, "File with a token: Bearer for Prometheus, Token for InfluxDB"),
    row("backfill.headers", Takes::Texts, "More headers, such as 'X-Scope-OrgID: tenant'"),
    row(
        "backfill.ca_file",
        Takes::Text,
        "Certificates of authorities to trust beside those of the host, in PEM",
    ),
    row("backfill.cert_file", Takes::Text, "Our own certificate, for servers that ask for one"),
    row("backfill.key_file", Takes::Text, "The key of our own certificate"),
    row(
        "backfill.insecure",
        Takes::Switch,
        "Whether any certificate is taken; whoever stands between can then read and change everything",
    ),
    row(
        "log.level",
        Takes::OneOf(&["error", "warn", "info", "debug", "trace"]),
        "The least important events that are logged",
    ),
    row("log.format", Takes::OneOf(&["logfmt", "json"]), "How events are written to standard error"),
    row(
        "otlp.enabled",
        Takes::Switch,
        "Whether traces are sent by OTLP, when there is an endpoint (OTEL_SDK_DISABLED)",
    ),
    row(
        "otlp.endpoint",
        Takes::Text,
        "URL of a collector of OpenTelemetry, such as http://localhost:4318; with http/protobuf spans go to /v1/traces below it. Empty for none (OTEL_EXPORTER_OTLP_ENDPOINT)",
    ),
    row(
        "otlp.traces_endpoint",
        Takes::Text,
        "URL for spans that is taken as it is, instead of the endpoint (OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)",
    ),
    row(
        "otlp.protocol",
        Takes::OneOf(&["http/protobuf", "grpc"]),
        "How the collector is spoken to (OTEL_EXPORTER_OTLP_PROTOCOL)",
    ),
    row(
        "otlp.headers",
        Takes::Texts,
        "More headers, such as 'Authorization: Bearer …'; never shown (OTEL_EXPORTER_OTLP_HEADERS, as name=value)",
    ),
    row(
        "otlp.timeout",
        Takes::Duration,
        "How long one batch may take (OTEL_EXPORTER_OTLP_TIMEOUT, in milliseconds)",
    ),
    row(
        "otlp.compression",
        Takes::OneOf(&["none", "gzip"]),
        "How batches are packed (OTEL_EXPORTER_OTLP_COMPRESSION)",
    ),
    row(
        "otlp.ca_file",
        Takes::Text,
        "Certificates of the authorities to trust instead of those of the host, in PEM (OTEL_EXPORTER_OTLP_CERTIFICATE)",
    ),
    row(
        "otlp.cert_file",
        Takes::Text,
        "Our own certificate, for collectors that ask for one (OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE)",
    ),
    row("otlp.key_file", Takes::Text, "The key of our own certificate (OTEL_EXPORTER_OTLP_CLIENT_KEY)"),
    row(
        "otlp.sampler",
        Takes::OneOf(&[
            "always_on",
            "always_off",
            "traceidratio",
            "parentbased_always_on",
            "parentbased_always_off",
            "parentbased_traceidratio",
        ]),
        "Which traces are recorded (OTEL_TRACES_SAMPLER)",
    ),
    row(
        "otlp.sampler_arg",
        Takes::Number,
        "Share of the traces, 0 to 1, that the samplers by ratio record (OTEL_TRACES_SAMPLER_ARG)",
    ),
    row("otlp.service_name", Takes::Text, "The attribute service.name of all spans (OTEL_SERVICE_NAME)"),
    row(
        "otlp.resource_attributes",
        Takes::Texts,
        "More attributes of all spans, such as deployment.environment.name=test (OTEL_RESOURCE_ATTRIBUTES)",
    ),
    row(
        "otlp.propagators",
        Takes::Texts,
        "By which headers a scrape may bring a trace along: tracecontext (W3C), baggage (which says nothing here) or none (OTEL_PROPAGATORS)",
    ),
    row(
        "otlp.queue_size",
        Takes::Whole,
        "Largest number of spans waiting to be sent, including the current batch, 1 to 65536; further spans are dropped and counted (OTEL_BSP_MAX_QUEUE_SIZE)",
    ),
    row(
        "otlp.schedule_delay",
        Takes::Duration,
        "Time between two batches, 100ms to 10m (OTEL_BSP_SCHEDULE_DELAY, in milliseconds)",
    ),
];

/// Every setting, one for each source included.
pub fn settings() -> Vec<Setting> {
    let collectors = SOURCES.iter().map(|source| Setting {
        key: format!("collector.{}", source.name).into(),
        takes: Takes::Switch,
        help: source.help.into(),
    });
    SETTINGS.iter().cloned().chain(collectors).collect()
}
