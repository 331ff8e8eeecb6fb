//! TLS of the server: from the settings and the files that they name to what connections are encrypted with.

mod accept_any_certificate;
mod client_certificates;

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring as provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ServerSessionMemoryCache};
use rustls::{CipherSuite, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion};

use super::web_config::{Curve, TlsSettings};

pub(super) use accept_any_certificate::health_check_client;
pub(super) use client_certificates::subject_name;

/// Most sessions that are remembered so that clients reconnect faster.
const SESSIONS_MAX: usize = 64;
/// Protocols after TLS, in the server's order.
const HTTP2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// What connections are encrypted with.
#[derive(Debug)]
pub(super) struct ServerTls {
    /// Certificates, versions and cipher suites.
    pub(super) server: Arc<ServerConfig>,
    /// Whether a certificate of a client proves who it is.
    pub(super) verifies_clients: bool,
    /// What is set and has no effect, in words.
    pub(super) ignored: Vec<String>,
}

/// Whether the client chose HTTP/2 in the handshake.
pub(super) fn chose_http2(connection: &rustls::ServerConnection) -> bool {
    connection.alpn_protocol() == Some(HTTP2)
}

impl ServerTls {
    /// Reads the certificates and puts everything together.
    ///
    /// # Errors
    /// When a file cannot be read or used, or the settings leave nothing to encrypt with.
    pub(super) fn new(settings: &TlsSettings, http2: bool) -> Result<Self, String> {
        let mut ignored = settings.ignored.clone();
        let provider = Arc::new(provider(settings, &mut ignored)?);
        let versions: Vec<&SupportedProtocolVersion> = [
            settings.tls13.then_some(&rustls::version::TLS13),
            settings.tls12.then_some(&rustls::version::TLS12),
        ]
        .into_iter()
        .flatten()
        .collect();
        let certificates = certificates("cert_file", &settings.certificate.read()?)?;
        let key = PrivateKeyDer::from_pem_slice(&settings.key.read()?)
            .map_err(|_| "key_file: holds no private key; expected an unencrypted key in PEM".to_owned())?;
        let unusable = |error: rustls::Error| format!("tls_server_config cannot be used: {error}");
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions)
            .map_err(unusable)?;
        let builder = match client_certificates::client_cert_verifier(settings, &provider)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut server = builder
            .with_single_cert(certificates, key)
            .map_err(|error| format!("cert_file and key_file do not fit together: {error}"))?;
        server.ignore_client_order = settings.prefer_server_cipher_suites;
        let verifies_clients = settings.client_auth.verifies();
        if verifies_clients {
            // A session that is resumed would let in a certificate that has expired since.
            server.session_storage = Arc::new(NoServerSessionStorage {});
            server.send_tls13_tickets = 0;
        } else {
            server.session_storage = ServerSessionMemoryCache::new(SESSIONS_MAX);
        }
        let protocols = [http2.then_some(HTTP2), Some(HTTP1)];
        server.alpn_protocols = protocols.into_iter().flatten().map(<[u8]>::to_vec).collect();
        Ok(Self { server: Arc::new(server), verifies_clients, ignored })
    }
}

/// The certificates in a text in PEM, at least one.
fn certificates(key: &str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(format!("{key}: holds no certificate; expected certificates in PEM")),
    }
}

/// Cipher suites and curves as the settings have them.
fn provider(settings: &TlsSettings, ignored: &mut Vec<String>) -> Result<CryptoProvider, String> {
    let mut provider = provider::default_provider();
    if !settings.cipher_suites.is_empty() {
        provider.cipher_suites = cipher_suites(settings, &provider.cipher_suites, ignored)?;
    }
    if !settings.curves.is_empty() {
        let mut groups: Vec<&'static dyn SupportedKxGroup> = Vec::new();
        for curve in &settings.curves {
            match curve {
                Curve::X25519 => groups.push(provider::kx_group::X25519),
                Curve::CurveP256 => groups.push(provider::kx_group::SECP256R1),
                Curve::CurveP384 => groups.push(provider::kx_group::SECP384R1),
                Curve::CurveP521 => ignored.push("curve_preferences: CurveP521 is not supported".into()),
            }
        }
        if groups.is_empty() {
            return Err("curve_preferences: none is supported; add X25519 or CurveP256".into());
        }
        provider.kx_groups = groups;
    }
    Ok(provider)
}

/// The names of the cipher suites that Go supports, with those of them that are supported here.
const CIPHER_SUITES: [(&str, Option<CipherSuite>); 17] = {
    use CipherSuite as C;
    [
        ("TLS_AES_128_GCM_SHA256", Some(C::TLS13_AES_128_GCM_SHA256)),
        ("TLS_AES_256_GCM_SHA384", Some(C::TLS13_AES_256_GCM_SHA384)),
        ("TLS_CHACHA20_POLY1305_SHA256", Some(C::TLS13_CHACHA20_POLY1305_SHA256)),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", Some(C::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", Some(C::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384)),
        (
            "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
            Some(C::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
        ),
        ("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", Some(C::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)),
        ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", Some(C::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384)),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", Some(C::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256)),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", None),
        ("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", None),
        ("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", None),
        ("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", None),
        ("TLS_RSA_WITH_AES_128_CBC_SHA", None),
        ("TLS_RSA_WITH_AES_256_CBC_SHA", None),
        ("TLS_RSA_WITH_AES_128_GCM_SHA256", None),
        ("TLS_RSA_WITH_AES_256_GCM_SHA384", None),
    ]
};

/// As in Go, the list chooses those of TLS 1.2; those of TLS 1.3 are always all there.
fn cipher_suites(
    settings: &TlsSettings,
    supported: &[SupportedCipherSuite],
    ignored: &mut Vec<String>,
) -> Result<Vec<SupportedCipherSuite>, String> {
    let mut chosen: Vec<_> = supported.iter().filter(|it| it.tls13().is_some()).copied().collect();
    let tls13 = chosen.len();
    for name in &settings.cipher_suites {
        let Some((_, suite)) = CIPHER_SUITES.iter().find(|(known, _)| known == name) else {
            let known = CIPHER_SUITES.iter().filter(|it| it.1.is_some()).map(|it| it.0);
            let known = known.collect::<Vec<_>>().join(", ");
            return Err(format!("cipher_suites: {name:?} is unknown; expected {known}"));
        };
        match supported.iter().find(|it| Some(it.suite()) == *suite) {
            Some(it) if it.tls13().is_none() && !chosen.contains(it) => chosen.push(*it),
            Some(_) => {}
            None => ignored.push(format!("cipher_suites: {name} is not supported")),
        }
    }
    if !settings.tls13 && chosen.len() == tls13 {
        return Err(
            "cipher_suites: none is supported with TLS 1.2; remove the list, or set max_version to TLS13"
                .into(),
        );
    }
    Ok(chosen)
}
