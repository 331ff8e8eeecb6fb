//! Maps the standard variables of OpenTelemetry to settings of hostnorm.
//!
//! The SDK does not read them, because it ignores some of them and does not report invalid values. See
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables> and
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter>.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use figment::value::Value;
use percent_encoding::percent_decode_str;

use super::ValueSource;

/// One variable.
struct OtelVariable {
    name: &'static str,
    /// Key of the setting.
    key: &'static str,
    /// Converts its value to that of the setting; `None` if it equals the default.
    read: ParseVariableFn,
}

/// Variables for traces come after those for all signals, and override them.
static VARIABLES: &[OtelVariable] = &[
    row("OTEL_EXPORTER_OTLP_ENDPOINT", "otlp.endpoint", text),
    row("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "otlp.traces_endpoint", text),
    row("OTEL_EXPORTER_OTLP_PROTOCOL", "otlp.protocol", word),
    row("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "otlp.protocol", word),
    row("OTEL_EXPORTER_OTLP_HEADERS", "otlp.headers", headers),
    row("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "otlp.headers", headers),
    row("OTEL_EXPORTER_OTLP_TIMEOUT", "otlp.timeout", milliseconds),
    row("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "otlp.timeout", milliseconds),
    row("OTEL_EXPORTER_OTLP_COMPRESSION", "otlp.compression", word),
    row("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "otlp.compression", word),
    row("OTEL_EXPORTER_OTLP_CERTIFICATE", "otlp.ca_file", text),
    row("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "otlp.ca_file", text),
    row("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "otlp.cert_file", text),
    row("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", "otlp.cert_file", text),
    row("OTEL_EXPORTER_OTLP_CLIENT_KEY", "otlp.key_file", text),
    row("OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", "otlp.key_file", text),
    row("OTEL_TRACES_SAMPLER", "otlp.sampler", word),
    row("OTEL_TRACES_SAMPLER_ARG", "otlp.sampler_arg", number),
    row("OTEL_SERVICE_NAME", "otlp.service_name", text),
    row("OTEL_RESOURCE_ATTRIBUTES", "otlp.resource_attributes", pairs),
    row("OTEL_PROPAGATORS", "otlp.propagators", words),
    row("OTEL_BSP_MAX_QUEUE_SIZE", "otlp.queue_size", number),
    row("OTEL_BSP_SCHEDULE_DELAY", "otlp.schedule_delay", milliseconds),
    row("OTEL_TRACES_EXPORTER", "otlp.enabled", exporter),
    row("OTEL_SDK_DISABLED", "otlp.enabled", disabled),
];

/// Key, place and value of each relevant variable, or its problem.
pub(super) fn read(
    environment: &BTreeMap<OsString, OsString>,
) -> impl Iterator<Item = (&'static str, ValueSource, Result<Value, String>)> {
    VARIABLES.iter().filter_map(|OtelVariable { name, key, read }| {
        let value = environment.get(OsStr::new(name)).filter(|it| !it.is_empty())?;
        let text = value.to_str().ok_or_else(|| "is not UTF-8".to_owned());
        let value = text.and_then(|it| read(it.trim())).transpose()?;
        Some((*key, ValueSource::Environment { name: (*name).to_owned() }, value))
    })
}

type ParseVariableFn = fn(&str) -> Result<Option<Value>, String>;

const fn row(name: &'static str, key: &'static str, read: ParseVariableFn) -> OtelVariable {
    OtelVariable { name, key, read }
}

#[expect(clippy::unnecessary_wraps, reason = "as all readers of variables")]
fn text(text: &str) -> Result<Option<Value>, String> {
    Ok(Some(text.into()))
}

/// One of several words, case-insensitive.
fn word(word: &str) -> Result<Option<Value>, String> {
    text(&word.to_ascii_lowercase())
}

/// Text that is no number stays text, and is refused later.
fn number(number: &str) -> Result<Option<Value>, String> {
    if let Ok(whole) = number.parse::<u64>() {
        return Ok(Some(whole.into()));
    }
    Ok(Some(number.parse::<f64>().map_or_else(|_| number.into(), Value::from)))
}

fn milliseconds(number: &str) -> Result<Option<Value>, String> {
    match number.parse::<u64>() {
        Ok(number) => text(&format!("{number}ms")),
        Err(_) => Err(format!("expected a whole number of milliseconds, found {number}")),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as all readers of variables")]
fn words(list: &str) -> Result<Option<Value>, String> {
    Ok(Some(parts(list).map(str::to_ascii_lowercase).collect::<Vec<_>>().into()))
}

/// `key=value,key=value`, percent-encoded.
#[expect(clippy::unnecessary_wraps, reason = "as all readers of variables")]
fn pairs(list: &str) -> Result<Option<Value>, String> {
    Ok(Some(parts(list).map(decoded).collect::<Vec<_>>().into()))
}

/// The same, as `Name: value`.
fn headers(list: &str) -> Result<Option<Value>, String> {
    let pairs = parts(list).zip(1..).map(|(pair, place)| match pair.split_once('=') {
        Some((name, value)) => Ok(format!("{}: {}", name.trim(), decoded(value.trim()))),
        // Its value may be a secret.
        None => Err(format!("header {place} is malformed: expected name=value, separated by commas")),
    });
    Ok(Some(pairs.collect::<Result<Vec<_>, _>>()?.into()))
}

fn exporter(word: &str) -> Result<Option<Value>, String> {
    match word.to_ascii_lowercase().as_str() {
        "otlp" => Ok(None),
        "none" => Ok(Some(false.into())),
        _ => Err(format!("expected otlp or none, found {word}")),
    }
}

fn disabled(word: &str) -> Result<Option<Value>, String> {
    match word.to_ascii_lowercase().as_str() {
        "true" => Ok(Some(false.into())),
        "false" => Ok(None),
        _ => Err(format!("expected true or false, found {word}")),
    }
}

fn parts(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|it| !it.is_empty())
}

/// The percent-decoded text, or the text itself if the encoding is invalid.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().map_or_else(|_| text.to_owned(), Into::into)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Config, effective_settings_yaml};
    use super::*;
    use crate::config::{FlagValue, LoadedConfig};

    /// Checks the resulting settings that are not at their default, or the problems.
    fn check(variables: &[(&str, &str)], expect: &str) {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        let found = match LoadedConfig::new(None, variables, Vec::new()) {
            Err(problems) => problems.to_string(),
            Ok(loaded) => {
                let lines = effective_settings_yaml(&loaded);
                let changed = lines.lines().filter(|it| it.contains("  # ") && !it.ends_with("# default"));
                changed
                    .map(|it| it.trim().replace("  # environment variable", " <-"))
                    .collect::<Vec<_>>()
                    .join("\n")
            }
        };
        assert_eq!(found, expect);
    }

    #[test]
    fn each_is_a_setting() {
        for (name, value, expect) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a:4318", "endpoint: http://a:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://a/b", "traces_endpoint: http://a/b"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "GRPC", "protocol: grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2500", "timeout: 2s500ms"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", "compression: gzip"),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca.pem", "ca_file: /ca.pem"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio", "sampler: parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25", "sampler_arg: 0.25"),
            ("OTEL_TRACES_SAMPLER_ARG", "0", "sampler_arg: 0.0"),
            ("OTEL_SERVICE_NAME", "mine", "service_name: mine"),
            ("OTEL_PROPAGATORS", "TraceContext, none", "propagators: [\"tracecontext\",\"none\"]"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "100", "queue_size: 100"),
            ("OTEL_BSP_SCHEDULE_DELAY", "200", "schedule_delay: 200ms"),
            ("OTEL_TRACES_EXPORTER", "none", "enabled: false"),
            ("OTEL_SDK_DISABLED", "TRUE", "enabled: false"),
        ] {
            check(&[(name, value)], &format!("{expect} <- {name}"));
        }
        check(
            &[("OTEL_RESOURCE_ATTRIBUTES", "a=b%20c, k8s.node.name=n")],
            "resource_attributes: [\"a= …\",\"k8s.node.name= …\"] <- OTEL_RESOURCE_ATTRIBUTES",
        );
        for (name, value) in
            [("OTEL_TRACES_EXPORTER", "otlp"), ("OTEL_SDK_DISABLED", "false"), ("OTEL_SERVICE_NAME", "")]
        {
            check(&[(name, value)], "");
        }
    }

    #[test]
    fn variables_for_traces_and_hostnorms_own_take_precedence() {
        check(
            &[
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
                ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
            ],
            "protocol: http/protobuf <- OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        );
        check(
            &[("OTEL_SERVICE_NAME", "a"), ("HOSTNORM_OTLP__SERVICE_NAME", "b")],
            "service_name: b <- HOSTNORM_OTLP__SERVICE_NAME",
        );
        check(
            &[("OTEL_SDK_DISABLED", "false"), ("OTEL_TRACES_EXPORTER", "none")],
            "enabled: false <- OTEL_TRACES_EXPORTER",
        );
    }

    #[test]
    fn invalid_variables_are_reported_by_name() {
        for (name, value, expect) in [
            (
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "localhost:4317",
                "\"localhost:4317\" is not a URL of an OTLP endpoint such as http://localhost:4318, or http://localhost:4317 for grpc",
            ),
            (
                "OTEL_EXPORTER_OTLP_PROTOCOL",
                "http/json",
                "expected one of http/protobuf, grpc, found http/json",
            ),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "expected a whole number of milliseconds, found 10s"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "expected one of none, gzip, found zstd"),
            ("OTEL_TRACES_SAMPLER_ARG", "much", "expected a number, found much"),
            ("OTEL_TRACES_SAMPLER_ARG", "1.5", "1.5 is out of range; expected 0 to 1"),
            ("OTEL_RESOURCE_ATTRIBUTES", "a", "attribute 1 of 1 is malformed: expected key=value"),
            ("OTEL_PROPAGATORS", "b3", "\"b3\" is unknown; expected one of tracecontext, baggage, none"),
            ("OTEL_TRACES_EXPORTER", "console", "expected otlp or none, found console"),
            ("OTEL_SDK_DISABLED", "yes", "expected true or false, found yes"),
        ] {
            check(&[(name, value)], &format!("environment variable {name}: {expect}"));
        }
    }

    #[test]
    fn headers_are_never_shown() {
        check(
            &[("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret,X-Scope-OrgID=a%3Db")],
            "headers: [\"api-key: …\",\"X-Scope-OrgID: …\"] <- OTEL_EXPORTER_OTLP_HEADERS",
        );
        check(
            &[("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=b,secret")],
            "environment variable OTEL_EXPORTER_OTLP_TRACES_HEADERS: header 2 is malformed: expected name=value, separated by commas",
        );
        check(
            &[("OTEL_EXPORTER_OTLP_HEADERS", "sec ret=secret")],
            "environment variable OTEL_EXPORTER_OTLP_HEADERS: header 1 of 1 is malformed: expected 'Name: value'",
        );
        let given = FlagValue {
            key: "otlp.headers".into(),
            flag: "otlp.headers".into(),
            words: vec!["secret".into()],
        };
        let errors = LoadedConfig::new(None, [], vec![given]).unwrap_err();
        assert!(!format!("{errors:?}").contains("secret"), "{errors:?}");
    }

    proptest! {
        #[test]
        fn any_value_is_parsed_or_refused(row in 0..VARIABLES.len(), value in ".*") {
            let _ = LoadedConfig::new(None, [(VARIABLES[row].name.into(), value.into())], Vec::new());
        }

        #[test]
        fn encoded_text_decodes_to_the_same(value in "[ -~]{1,20}") {
            let encoded: String = value.bytes().map(|it| format!("%{it:02X}")).collect();
            let variables = [("OTEL_RESOURCE_ATTRIBUTES".into(), format!("k={encoded}").into())];
            let config = Config::load(None, variables, Vec::new()).unwrap();
            prop_assert_eq!(config.otlp.resource_attributes, vec![format!("k={value}").into()]);
        }
    }
}
