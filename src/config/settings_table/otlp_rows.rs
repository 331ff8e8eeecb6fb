//! The settings of traces.

use super::row;
use crate::config::{Setting, SettingType};

pub(super) static SETTINGS: &[Setting] = &[
    row(
        "otlp.enabled",
        SettingType::Bool,
        "Send traces by OTLP. This needs an endpoint; OTEL_SDK_DISABLED=true switches it off",
    ),
    row(
        "otlp.endpoint",
        SettingType::Text,
        "URL of the OTLP endpoint, such as http://localhost:4318; http/protobuf appends /v1/traces. Empty for none (OTEL_EXPORTER_OTLP_ENDPOINT)",
    ),
    row(
        "otlp.traces_endpoint",
        SettingType::Text,
        "URL for traces, used unchanged instead of otlp.endpoint (OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)",
    ),
    row(
        "otlp.protocol",
        SettingType::OneOf(&["http/protobuf", "grpc"]),
        "Protocol of the OTLP endpoint (OTEL_EXPORTER_OTLP_PROTOCOL)",
    ),
    row(
        "otlp.headers",
        SettingType::TextList,
        "Further headers, such as 'Authorization: Bearer …'. hostnorm never shows their values (OTEL_EXPORTER_OTLP_HEADERS, as name=value)",
    ),
    row(
        "otlp.timeout",
        SettingType::Duration,
        "Timeout of a batch (OTEL_EXPORTER_OTLP_TIMEOUT, in milliseconds)",
    ),
    row(
        "otlp.compression",
        SettingType::OneOf(&["none", "gzip"]),
        "Compression of batches (OTEL_EXPORTER_OTLP_COMPRESSION)",
    ),
    row(
        "otlp.ca_file",
        SettingType::Text,
        "CA certificates to trust instead of those of the host, in PEM (OTEL_EXPORTER_OTLP_CERTIFICATE)",
    ),
    row(
        "otlp.cert_file",
        SettingType::Text,
        "Client certificate, in PEM (OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE)",
    ),
    row(
        "otlp.key_file",
        SettingType::Text,
        "Key of the client certificate, in PEM (OTEL_EXPORTER_OTLP_CLIENT_KEY)",
    ),
    row(
        "otlp.sampler",
        SettingType::OneOf(&[
            "always_on",
            "always_off",
            "traceidratio",
            "parentbased_always_on",
            "parentbased_always_off",
            "parentbased_traceidratio",
        ]),
        "Sampler that chooses the traces to record (OTEL_TRACES_SAMPLER)",
    ),
    row(
        "otlp.sampler_arg",
        SettingType::Number,
        "Share of the traces that the ratio samplers record, 0 to 1 (OTEL_TRACES_SAMPLER_ARG)",
    ),
    row("otlp.service_name", SettingType::Text, "Attribute service.name of all spans (OTEL_SERVICE_NAME)"),
    row(
        "otlp.resource_attributes",
        SettingType::TextList,
        "Further attributes of all spans, such as deployment.environment.name=test (OTEL_RESOURCE_ATTRIBUTES)",
    ),
    row(
        "otlp.propagators",
        SettingType::TextList,
        "Trace context accepted from a scrape's headers: tracecontext (W3C), baggage (ignored) or none (OTEL_PROPAGATORS)",
    ),
    row(
        "otlp.continue_traces_of",
        SettingType::TextList,
        "Addresses and networks, such as 10.0.0.0/8, of clients whose trace context is accepted. A request of another client starts a new trace",
    ),
    row(
        "otlp.queue_size",
        SettingType::Integer,
        "Maximum number of spans waiting to be sent, 1 to 65536; further spans are dropped and counted (OTEL_BSP_MAX_QUEUE_SIZE)",
    ),
    row(
        "otlp.schedule_delay",
        SettingType::Duration,
        "Interval between batches, 100ms to 10m (OTEL_BSP_SCHEDULE_DELAY, in milliseconds)",
    ),
];
