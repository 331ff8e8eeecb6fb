//! The attributes of the resource, by the semantic conventions.

use opentelemetry::trace::TraceId;
use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{IdGenerator as _, RandomIdGenerator};

use super::settings::OtlpSettings;
use crate::host_name::host_name;
use crate::version;

/// Attributes of this process; the settings override them.
pub(super) fn resource(settings: &OtlpSettings) -> Resource {
    let text = |key: &'static str, value: String| KeyValue::new(key, value);
    let mut known = vec![
        text("service.version", version::VERSION.into()),
        text("service.instance.id", uuid(RandomIdGenerator::default().new_trace_id())),
        text("telemetry.sdk.name", "opentelemetry".into()),
        text("telemetry.sdk.language", "rust".into()),
        text("os.type", std::env::consts::OS.into()),
        text("host.arch", arch().into()),
        KeyValue::new("process.pid", Value::I64(i64::from(std::process::id()))),
    ];
    known.extend(host_name().map(|it| text("host.name", it)));
    let given = settings.attributes().map(|(key, value)| KeyValue::new(key.to_owned(), value.to_owned()));
    let resource = Resource::builder_empty().with_attributes(known).with_attributes(given);
    // A name in the attributes is overridden only by an explicit service name.
    let named = settings.attributes().any(|(key, _)| key == "service.name");
    match named && settings.service_name == OtlpSettings::default().service_name {
        true => resource.build(),
        false => resource.with_service_name(settings.service_name.clone()).build(),
    }
}

/// A random UUID (RFC 9562, version 4), from as many random bits as a trace has.
fn uuid(id: TraceId) -> String {
    let mut bytes = id.to_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|it| format!("{it:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// The architecture in the terms of the semantic conventions.
fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "arm32",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::Key;

    use super::*;

    #[test]
    fn settings_override_detected_attributes() {
        let check = |service: &str, given: &[&str], key: &'static str, expect: &str| {
            let settings = OtlpSettings {
                service_name: service.into(),
                resource_attributes: given.iter().map(|it| (*it).into()).collect(),
                ..OtlpSettings::default()
            };
            let found = resource(&settings).get(&Key::new(key)).map(|it| it.to_string());
            assert_eq!(found.as_deref(), Some(expect));
        };
        check("hostnorm", &[], "service.name", "hostnorm");
        check("hostnorm", &["service.name=mine"], "service.name", "mine");
        check("chosen", &["service.name=mine"], "service.name", "chosen");
        check("hostnorm", &["host.name=web-1", "a=b"], "host.name", "web-1");
        check("hostnorm", &["host.name=web-1", "a=b"], "a", "b");
        check("hostnorm", &[], "service.version", version::VERSION);
    }

    #[test]
    fn instances_have_uuids() {
        let id = TraceId::from_bytes([0xff; 16]);
        assert_eq!(uuid(id), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
