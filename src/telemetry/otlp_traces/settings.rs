//! The settings of the section `otlp`.

use std::net::IpAddr;
use std::path::PathBuf;

use hyper::Uri;
use hyper::header::{HeaderName, HeaderValue};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::duration::HumanDuration;
use crate::secret_text::SecretText;
use crate::url_credentials::AddressText;

/// Largest queue; each waiting span takes about a kilobyte.
const QUEUE_MAX: u64 = 65_536;
/// Range of the time between two batches: below it the endpoint is busy with little, above it traces are late.
const SCHEDULE_DELAY: [HumanDuration; 2] = [HumanDuration::millis(100), HumanDuration::minutes(10)];
/// Longest timeout of a batch.
const TIMEOUT_MAX: HumanDuration = HumanDuration::minutes(10);
/// Largest number of headers, and of resource attributes.
const PAIRS_MAX: usize = 64;
/// Path for spans by HTTP, below the base URL of a collector.
const TRACES_PATH: &str = "/v1/traces";

/// Settings of the export of traces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OtlpSettings {
    /// Whether traces are exported if there is an endpoint.
    pub enabled: bool,
    /// Base URL of the collector; empty for none.
    pub endpoint: AddressText,
    /// URL for spans, used unchanged; empty to derive it from `endpoint`.
    pub traces_endpoint: AddressText,
    /// Protocol of the collector.
    pub protocol: OtlpProtocol,
    /// Additional headers, `Name: value`. They may be secrets.
    pub headers: Vec<SecretText>,
    /// Timeout of a batch.
    pub timeout: HumanDuration,
    /// Compression of batches.
    pub compression: OtlpCompression,
    /// Certificates of trusted authorities; empty for those of the host.
    pub ca_file: PathBuf,
    /// Client certificate; empty for none.
    pub cert_file: PathBuf,
    /// Private key of the client certificate.
    pub key_file: PathBuf,
    /// Which traces are recorded.
    pub sampler: TraceSampler,
    /// The share of traces that ratio samplers record.
    pub sampler_arg: f64,
    /// The resource attribute `service.name`.
    pub service_name: String,
    /// Additional resource attributes, `key=value`.
    pub resource_attributes: Vec<SecretText>,
    /// Header formats for the trace context of scrapes.
    pub propagators: Vec<String>,
    /// Networks whose clients may pass a trace context, such as `10.0.0.0/8`.
    pub continue_traces_of: Vec<String>,
    /// Largest number of waiting spans, including the current batch.
    pub queue_size: u64,
    /// Time between two batches.
    pub schedule_delay: HumanDuration,
}

/// Protocol of the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OtlpProtocol {
    /// Protobuf in the body of a POST.
    #[serde(rename = "http/protobuf")]
    Http,
    /// gRPC.
    #[serde(rename = "grpc")]
    Grpc,
}

/// Compression of batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OtlpCompression {
    /// None.
    None,
    /// gzip.
    Gzip,
}

/// Which traces are recorded, with the names of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceSampler {
    /// All.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// A share, regardless of the trace context.
    #[serde(rename = "traceidratio")]
    Ratio,
    /// Those that a scrape marks as recorded, and all that start here.
    #[serde(rename = "parentbased_always_on")]
    ParentOrOn,
    /// Those that a scrape marks as recorded.
    #[serde(rename = "parentbased_always_off")]
    ParentOrOff,
    /// Those that a scrape marks as recorded, and a share of those that start here.
    #[serde(rename = "parentbased_traceidratio")]
    ParentOrRatio,
}

impl Default for OtlpSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            endpoint: AddressText::default(),
            traces_endpoint: AddressText::default(),
            protocol: OtlpProtocol::Http,
            headers: Vec::new(),
            timeout: HumanDuration::seconds(10),
            compression: OtlpCompression::None,
            ca_file: PathBuf::new(),
            cert_file: PathBuf::new(),
            key_file: PathBuf::new(),
            sampler: TraceSampler::ParentOrOn,
            sampler_arg: 1.0,
            service_name: "hostnorm".into(),
            resource_attributes: Vec::new(),
            propagators: vec!["tracecontext".into(), "baggage".into()],
            continue_traces_of: vec!["127.0.0.0/8".into(), "::1".into()],
            queue_size: 2048,
            schedule_delay: HumanDuration::seconds(5),
        }
    }
}

impl OtlpSettings {
    /// URL for spans; `None` if none are exported.
    pub(super) fn url(&self) -> Option<String> {
        match (&*self.traces_endpoint, &*self.endpoint) {
            _ if !self.enabled => None,
            ("", "") => None,
            ("", base) if self.protocol == OtlpProtocol::Http => {
                Some(format!("{}{TRACES_PATH}", base.trim_end_matches('/')))
            }
            ("", base) => Some(base.to_owned()),
            (own, _) => Some(own.to_owned()),
        }
    }

    /// Whether spans are exported.
    pub fn is_on(&self) -> bool {
        self.url().is_some()
    }

    /// Networks whose clients may pass a trace context; none if that is disabled. Invalid ones were reported before.
    pub fn continue_traces_of(&self) -> Vec<IpNet> {
        if !self.propagators.iter().any(|it| it == "tracecontext") {
            return Vec::new();
        }
        self.continue_traces_of.iter().filter_map(|it| network(it)).collect()
    }

    /// Names and values of the headers; invalid ones were reported before.
    pub(super) fn headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        self.headers.iter().filter_map(|it| header(it))
    }

    /// Keys and values of the attributes; invalid ones were reported before.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.resource_attributes.iter().filter_map(|it| attribute(it))
    }

    /// All invalid settings, with their keys.
    pub fn errors(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let urls = [("otlp.endpoint", &self.endpoint), ("otlp.traces_endpoint", &self.traces_endpoint)];
        found.extend(urls.into_iter().filter_map(|(key, url)| Some((key, complaint(url)?))));
        let count = self.headers.len();
        if let Some(at) = self.headers.iter().position(|it| header(it).is_none()) {
            // The whole header may be a secret, so the error does not contain it.
            let sentence = format!("header {} of {count} is malformed: expected 'Name: value'", at + 1);
            found.push(("otlp.headers", sentence));
        }
        let count = self.resource_attributes.len();
        if let Some(at) = self.resource_attributes.iter().position(|it| attribute(it).is_none()) {
            let sentence = format!("attribute {} of {count} is malformed: expected key=value", at + 1);
            found.push(("otlp.resource_attributes", sentence));
        }
        for (key, pairs) in
            [("otlp.headers", &self.headers), ("otlp.resource_attributes", &self.resource_attributes)]
        {
            if pairs.len() > PAIRS_MAX {
                found.push((key, format!("{} given; the maximum is {PAIRS_MAX}", pairs.len())));
            }
        }
        let known = ["tracecontext", "baggage", "none"];
        if let Some(it) = self.propagators.iter().find(|it| !known.contains(&it.as_str())) {
            let sentence = format!("{it:?} is unknown; expected one of {}", known.join(", "));
            found.push(("otlp.propagators", sentence));
        }
        if let Some(it) = self.continue_traces_of.iter().find(|it| network(it).is_none()) {
            let sentence = format!("{it:?} is not an address or a network such as 10.0.0.0/8");
            found.push(("otlp.continue_traces_of", sentence));
        }
        if !(0.0..=1.0).contains(&self.sampler_arg) {
            found
                .push(("otlp.sampler_arg", format!("{} is out of range; expected 0 to 1", self.sampler_arg)));
        }
        if !(1..=QUEUE_MAX).contains(&self.queue_size) {
            found.push((
                "otlp.queue_size",
                format!("{} is out of range; expected 1 to {QUEUE_MAX} spans", self.queue_size),
            ));
        }
        let [least, most] = SCHEDULE_DELAY;
        if !(least..=most).contains(&self.schedule_delay) {
            found.push((
                "otlp.schedule_delay",
                format!("{} is out of range; expected {least} to {most}", self.schedule_delay),
            ));
        }
        if !(HumanDuration::millis(1)..=TIMEOUT_MAX).contains(&self.timeout) {
            let sentence = format!("{} is out of range; expected 1ms to {TIMEOUT_MAX}", self.timeout);
            found.push(("otlp.timeout", sentence));
        }
        if self.service_name.is_empty() {
            found.push(("otlp.service_name", "the name is empty".into()));
        }
        found
    }
}

/// The problem of a URL, if any.
fn complaint(url: &str) -> Option<String> {
    if url.is_empty() {
        return None;
    }
    // The part before an @ may be a password.
    if url.contains('@') {
        return Some("contains a user; set otlp.headers to 'Authorization: …' instead".into());
    }
    let parsed = url.parse::<Uri>().ok();
    let is_url = parsed.is_some_and(|it| {
        let (host, place) = (it.host().unwrap_or_default(), it.authority().map_or("", |it| it.as_str()));
        // Only a port may follow the host; the parser accepts anything.
        let is_place =
            place.strip_prefix(host).is_some_and(|port| port.is_empty() || it.port_u16().is_some());
        matches!(it.scheme_str(), Some("http" | "https")) && !host.is_empty() && is_place
    });
    (!is_url).then(|| {
        format!("{url:?} is not a URL of an OTLP endpoint such as http://localhost:4318, or http://localhost:4317 for grpc")
    })
}

fn header(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':')?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
    let mut value = HeaderValue::from_str(value.trim()).ok().filter(|it| !it.is_empty())?;
    // So debug output does not show it.
    value.set_sensitive(true);
    Some((name, value))
}

/// A network, or an address as the network of itself.
fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn attribute(text: &str) -> Option<(&str, &str)> {
    let (key, value) = text.split_once('=')?;
    let key = key.trim();
    (!key.is_empty()).then_some((key, value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut OtlpSettings), expect: &[&str]) {
        let mut settings = OtlpSettings::default();
        change(&mut settings);
        let found: Vec<_> =
            settings.errors().into_iter().map(|(key, sentence)| format!("{key}: {sentence}")).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn impossible_settings_are_refused() {
        check(|_| (), &[]);
        for url in ["http://localhost:4318", "https://collector.example/otlp/", "http://[::1]:4317"] {
            check(|it| it.endpoint = url.into(), &[]);
        }
        for url in ["localhost:4318", "http://", "ftp://a", "http://a:port", "a b", "http:///v1"] {
            let found = format!(
                "otlp.endpoint: {url:?} is not a URL of an OTLP endpoint such as http://localhost:4318, or http://localhost:4317 for grpc"
            );
            check(|it| it.endpoint = url.into(), &[&found]);
        }
        check(
            |it| it.traces_endpoint = "http://anna:secret@a/".into(),
            &["otlp.traces_endpoint: contains a user; set otlp.headers to 'Authorization: …' instead"],
        );
        check(|it| it.headers = vec!["X-Scope-OrgID: a".into(), "api-key: b".into()], &[]);
        check(
            |it| it.headers = vec!["a: b".into(), "secret".into()],
            &["otlp.headers: header 2 of 2 is malformed: expected 'Name: value'"],
        );
        check(
            |it| it.resource_attributes = vec!["a=b".into(), "=c".into()],
            &["otlp.resource_attributes: attribute 2 of 2 is malformed: expected key=value"],
        );
        check(
            |it| it.propagators = vec!["b3".into()],
            &["otlp.propagators: \"b3\" is unknown; expected one of tracecontext, baggage, none"],
        );
        check(
            |it| {
                it.continue_traces_of = vec!["10.0.0.0/8".into(), "192.0.2.1".into(), "2001:db8::/32".into()];
            },
            &[],
        );
        for peer in ["prometheus", "10.0.0.0/33", ""] {
            let found = format!(
                "otlp.continue_traces_of: {peer:?} is not an address or a network such as 10.0.0.0/8"
            );
            check(|it| it.continue_traces_of = vec![peer.into()], &[&found]);
        }
        check(|it| it.sampler_arg = f64::NAN, &["otlp.sampler_arg: NaN is out of range; expected 0 to 1"]);
        check(|it| it.queue_size = 0, &["otlp.queue_size: 0 is out of range; expected 1 to 65536 spans"]);
        check(
            |it| it.schedule_delay = HumanDuration::millis(99),
            &["otlp.schedule_delay: 99ms is out of range; expected 100ms to 10m"],
        );
        check(
            |it| it.timeout = HumanDuration::default(),
            &["otlp.timeout: 0s is out of range; expected 1ms to 10m"],
        );
        check(|it| it.service_name.clear(), &["otlp.service_name: the name is empty"]);
    }

    #[test]
    fn debug_output_of_headers_shows_no_secret() {
        let headers = vec!["Authorization: Bearer s3cret".into()];
        let settings =
            OtlpSettings { headers, endpoint: "http://h/?token=s3cret".into(), ..OtlpSettings::default() };
        let sent: hyper::HeaderMap = settings.headers().collect();
        assert_eq!(sent["authorization"], "Bearer s3cret");
        let text = format!("{settings:?} {sent:?}");
        assert!(!text.contains("s3cret"), "{text}");
    }

    #[test]
    fn the_url_follows_from_the_protocol() {
        let check = |protocol, base: &str, own: &str, expect: Option<&str>| {
            let settings = OtlpSettings {
                protocol,
                endpoint: base.into(),
                traces_endpoint: own.into(),
                ..OtlpSettings::default()
            };
            assert_eq!(settings.url().as_deref(), expect);
            assert!(!OtlpSettings { enabled: false, ..settings }.is_on());
        };
        check(OtlpProtocol::Http, "", "", None);
        check(OtlpProtocol::Http, "http://a:4318", "", Some("http://a:4318/v1/traces"));
        check(OtlpProtocol::Http, "http://a/otlp/", "", Some("http://a/otlp/v1/traces"));
        check(OtlpProtocol::Http, "http://a", "http://b/own", Some("http://b/own"));
        check(OtlpProtocol::Grpc, "http://a:4317", "", Some("http://a:4317"));
        check(OtlpProtocol::Grpc, "", "http://b:4317", Some("http://b:4317"));
    }
}
