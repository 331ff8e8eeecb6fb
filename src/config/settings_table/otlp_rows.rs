//! The settings of traces.

use super::row;
use crate::config::{Setting, ValueType};

pub(super) static SETTINGS: &[Setting] = &[
    row(
        "otlp.enabled",
        ValueType::Switch,
        "Send traces by OTLP. Needs an endpoint; OTEL_SDK_DISABLED=true sets this to false",
    ),
    row(
        "otlp.endpoint",
        ValueType::Text,
        "URL of the OTLP endpoint, such as http://localhost:4318; http/protobuf appends /v1/traces. Empty for none (OTEL_EXPORTER_OTLP_ENDPOINT)",
    ),
    row(
        "otlp.traces_endpoint",
        ValueType::Text,
        "URL for traces, used as it is instead of otlp.endpoint (OTEL_EXPORTER_OTLP_TRACES_ENDPOINT)",
    ),
    row(
        "otlp.protocol",
        ValueType::OneOf(&["http/protobuf", "grpc"]),
        "Protocol of the OTLP endpoint (OTEL_EXPORTER_OTLP_PROTOCOL)",
    ),
    row(
        "otlp.headers",
        ValueType::Texts,
        "Further headers, such as 'Authorization: Bearer …'; never shown (OTEL_EXPORTER_OTLP_HEADERS, as name=value)",
    ),
    row(
        "otlp.timeout",
        ValueType::Duration,
        "Timeout of a batch (OTEL_EXPORTER_OTLP_TIMEOUT, in milliseconds)",
    ),
    row(
        "otlp.compression",
        ValueType::OneOf(&["none", "gzip"]),
        "Compression of batches (OTEL_EXPORTER_OTLP_COMPRESSION)",
    ),
    row(
        "otlp.ca_file",
        ValueType::Text,
        "CA certificates to trust instead of those of the host, in PEM (OTEL_EXPORTER_OTLP_CERTIFICATE)",
    ),
    row(
        "otlp.cert_file",
        ValueType::Text,
        "Client certificate, in PEM (OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE)",
    ),
    row(
        "otlp.key_file",
        ValueType::Text,
        "Key of the client certificate, in PEM (OTEL_EXPORTER_OTLP_CLIENT_KEY)",
    ),
    row(
        "otlp.sampler",
        ValueType::OneOf(&[
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
        ValueType::Number,
        "Share of the traces that the ratio samplers record, 0 to 1 (OTEL_TRACES_SAMPLER_ARG)",
    ),
    row("otlp.service_name", ValueType::Text, "Attribute service.name of all spans (OTEL_SERVICE_NAME)"),
    row(
        "otlp.resource_attributes",
        ValueType::Texts,
        "Further attributes of all spans, such as deployment.environment.name=test (OTEL_RESOURCE_ATTRIBUTES)",
    ),
    row(
        "otlp.propagators",
        ValueType::Texts,
        "Trace context accepted from a scrape's headers: tracecontext (W3C), baggage (ignored) or none (OTEL_PROPAGATORS)",
    ),
    row(
        "otlp.trusted_peers",
        ValueType::Texts,
        "Addresses and networks, such as 10.0.0.0/8, whose trace context is accepted; others start traces of their own",
    ),
    row(
        "otlp.queue_size",
        ValueType::Whole,
        "Maximum number of spans waiting to be sent, 1 to 65536; further spans are dropped and counted (OTEL_BSP_MAX_QUEUE_SIZE)",
    ),
    row(
        "otlp.schedule_delay",
        ValueType::Duration,
        "Interval between batches, 100ms to 10m (OTEL_BSP_SCHEDULE_DELAY, in milliseconds)",
    ),
];
