//! Sends batches to the OTLP endpoint: by HTTP with hostnorm's own client, or by gRPC.

#![cfg_attr(test, expect(clippy::disallowed_methods, reason = "tests write files with certificates"))]

use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::tonic_types::metadata::MetadataMap;
use opentelemetry_otlp::tonic_types::transport::{Certificate, ClientTlsConfig, Identity};
use opentelemetry_otlp::{
    ExporterBuildError, SpanExporter, WithExportConfig as _, WithHttpConfig as _, WithTonicConfig as _,
};
use ureq::Agent;
use ureq::tls::{ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use super::settings::{OtlpCompression, OtlpProtocol, OtlpSettings};
use crate::whole_file;

/// Largest file with certificates; a bundle of all authorities has 250 kB.
const FILE_BYTES_MAX: u64 = 4 << 20;
/// Largest response; that of a collector which accepts everything is empty.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// Content type of every response of a collector.
const PROTOBUF: &str = "application/x-protobuf";

/// A setting that names an unusable file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusableSetting {
    /// The key.
    pub key: &'static str,
    /// The problem.
    pub sentence: String,
}

impl fmt::Display for UnusableSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.sentence)
    }
}

impl std::error::Error for UnusableSetting {}

/// The problem of the files in the settings, if traces are exported.
pub fn unusable_file_setting(settings: &OtlpSettings) -> Option<UnusableSetting> {
    settings.is_on().then(|| TlsFiles::read(settings).err()).flatten()
}

/// The PEM files in the settings.
#[derive(Default)]
pub(super) struct TlsFiles {
    /// Trusted authorities.
    ca: Option<Vec<u8>>,
    /// Client certificate and private key.
    own: Option<(Vec<u8>, Vec<u8>)>,
}

/// The debug output shows no key.
impl fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFiles").finish_non_exhaustive()
    }
}

impl TlsFiles {
    /// Reads and validates the files.
    pub(super) fn read(settings: &OtlpSettings) -> Result<Self, UnusableSetting> {
        let ca = pem("otlp.ca_file", &settings.ca_file, is_certificate, "certificate")?;
        let cert = pem("otlp.cert_file", &settings.cert_file, is_certificate, "certificate")?;
        let key = pem("otlp.key_file", &settings.key_file, is_key, "private key")?;
        let alone = |key, sentence: &str| Err(UnusableSetting { key, sentence: sentence.into() });
        let own = match (cert, key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            (Some(_), None) => return alone("otlp.cert_file", "a certificate needs its key, otlp.key_file"),
            (None, Some(_)) => return alone("otlp.key_file", "a key needs its certificate, otlp.cert_file"),
        };
        Ok(Self { ca, own })
    }

    fn tls(&self) -> TlsConfig {
        let roots = match &self.ca {
            Some(pem) => RootCerts::from(certificates(pem).into_iter()),
            None => match rustls_native_certs::load_native_certs().certs {
                // An empty image has no authorities.
                none if none.is_empty() => RootCerts::WebPki,
                found => {
                    let found = found.iter().map(|it| ureq::tls::Certificate::from_der(it).to_owned());
                    RootCerts::from(found.collect::<Vec<_>>().into_iter())
                }
            },
        };
        let own = self.own.as_ref().and_then(|(chain, key)| {
            Some(ClientCert::new_with_certs(&certificates(chain), PrivateKey::from_pem(key).ok()?))
        });
        TlsConfig::builder().root_certs(roots).client_cert(own).build()
    }

    fn tonic_tls(&self) -> ClientTlsConfig {
        let tls = match &self.ca {
            Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
            None if rustls_native_certs::load_native_certs().certs.is_empty() => {
                ClientTlsConfig::new().with_webpki_roots()
            }
            None => ClientTlsConfig::new().with_native_roots(),
        };
        match &self.own {
            Some((cert, key)) => tls.identity(Identity::from_pem(cert, key)),
            None => tls,
        }
    }
}

fn pem(
    key: &'static str,
    path: &Path,
    wanted: fn(&PemItem<'_>) -> bool,
    what: &str,
) -> Result<Option<Vec<u8>>, UnusableSetting> {
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    let wrong = |reason: String| UnusableSetting { key, sentence: format!("{} {reason}", path.display()) };
    let bytes = whole_file::bytes(path, FILE_BYTES_MAX).map_err(wrong)?;
    if !parse_pem(&bytes).filter_map(Result::ok).any(|it| wanted(&it)) {
        return Err(wrong(format!("contains no {what} in PEM")));
    }
    Ok(Some(bytes))
}

fn is_certificate(item: &PemItem<'_>) -> bool {
    matches!(item, PemItem::Certificate(_))
}

fn is_key(item: &PemItem<'_>) -> bool {
    matches!(item, PemItem::PrivateKey(_))
}

fn certificates(pem: &[u8]) -> Vec<ureq::tls::Certificate<'static>> {
    let items = parse_pem(pem).filter_map(Result::ok);
    items.filter_map(|it| if let PemItem::Certificate(found) = it { Some(found) } else { None }).collect()
}

/// Why the last batch failed: for a client's error, the exporter only says "network error".
#[derive(Debug, Default)]
pub(super) struct TransportError(Mutex<Option<String>>);

impl TransportError {
    pub(super) fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(super) fn set(&self, text: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
    }
}

/// An exporter to this URL. For gRPC, the runtime that will send must be entered.
pub(super) fn exporter(
    settings: &OtlpSettings,
    url: &str,
    files: &TlsFiles,
    reason: &Arc<TransportError>,
) -> Result<SpanExporter, ExporterBuildError> {
    let packed = settings.compression == OtlpCompression::Gzip;
    let headers: HeaderMap = settings.headers().collect();
    match settings.protocol {
        OtlpProtocol::Http => {
            let config = Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(settings.timeout.duration()))
                // Secrets must not be sent to other servers.
                .max_redirects(0)
                .max_redirects_will_error(false)
                .user_agent(agent_name())
                .tls_config(files.tls())
                .build();
            let client = OtlpHttpClient { agent: config.new_agent(), headers, reason: Arc::clone(reason) };
            let builder = SpanExporter::builder().with_http().with_http_client(client);
            let builder = builder.with_endpoint(url).with_timeout(settings.timeout.duration());
            if packed { builder.with_compression(opentelemetry_otlp::Compression::Gzip) } else { builder }
                .build()
        }
        OtlpProtocol::Grpc => {
            let builder = SpanExporter::builder().with_tonic().with_endpoint(url);
            let builder = builder.with_timeout(settings.timeout.duration());
            let builder = builder.with_metadata(MetadataMap::from_headers(headers));
            let builder =
                if url.starts_with("https:") { builder.with_tls_config(files.tonic_tls()) } else { builder };
            if packed { builder.with_compression(opentelemetry_otlp::Compression::Gzip) } else { builder }
                .build()
        }
    }
}

fn agent_name() -> &'static str {
    concat!("hostnorm/", env!("CARGO_PKG_VERSION"))
}

/// `ureq` as a client for the exporter. It may block, because the thread does nothing else.
#[derive(Debug)]
struct OtlpHttpClient {
    agent: Agent,
    headers: HeaderMap,
    reason: Arc<TransportError>,
}

impl OtlpHttpClient {
    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        let (mut parts, body) = request.into_parts();
        parts.headers.extend(self.headers.clone());
        let answer = self
            .agent
            .run(Request::from_parts(parts, &body[..]))
            .map_err(|error| format!("cannot reach the OTLP endpoint: {error}"))?;
        let (parts, body) = answer.into_parts();
        let bytes = body
            .into_with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_vec()
            .map_err(|error| format!("malformed response of the OTLP endpoint: {error}"))?;
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
        // Another kind of server may answer 200 to anything.
        if parts.status.is_success() && !bytes.is_empty() && !kind.starts_with(PROTOBUF) {
            return Err(format!("not an OTLP endpoint: it responds with {kind:?}, not {PROTOBUF}"));
        }
        Ok(Response::from_parts(parts, bytes.into()))
    }
}

impl HttpClient for OtlpHttpClient {
    fn send_bytes<'life0, 'async_trait>(
        &'life0 self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        let sent = self.send(request).map_err(|why| {
            self.reason.set(why.clone());
            HttpError::from(why)
        });
        Box::pin(std::future::ready(sent))
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::trace::SpanExporter as _;

    use super::*;
    use crate::duration::HumanDuration;

    #[test]
    fn the_reason_of_a_failure_is_kept() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let reason = Arc::new(TransportError::default());
        let url = format!("http://{closed}/");
        let settings = OtlpSettings { timeout: HumanDuration::minutes(1), ..OtlpSettings::default() };
        let exporter = exporter(&settings, &url, &TlsFiles::default(), &reason).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let error = runtime.block_on(exporter.export(Vec::new())).unwrap_err().to_string();
        assert!(!error.contains("refused"), "the exporter itself gives the reason now: {error}");
        let reason = reason.take().unwrap();
        assert!(reason.contains("Connection refused"), "{reason}");
    }

    #[test]
    fn files_are_validated_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text");
        std::fs::write(&text, "no certificate").unwrap();
        let check = |settings: OtlpSettings, expect: &str| {
            let error = TlsFiles::read(&settings).unwrap_err().to_string();
            assert_eq!(error.replace(folder.path().to_str().unwrap(), ""), expect);
        };
        let settings = OtlpSettings::default;
        check(
            OtlpSettings { ca_file: text.clone(), ..settings() },
            "otlp.ca_file: /text contains no certificate in PEM",
        );
        check(
            OtlpSettings { key_file: text, ..settings() },
            "otlp.key_file: /text contains no private key in PEM",
        );
        check(
            OtlpSettings { cert_file: folder.path().join("gone"), ..settings() },
            "otlp.cert_file: /gone cannot be read: No such file or directory (os error 2); check the path and the permissions",
        );
        assert!(TlsFiles::read(&settings()).is_ok());
    }
}
