//! Checks client certificates and reads their names.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::http::web_config::TlsSettings;

/// The verifier of client certificates; `None` if clients are not asked for one.
///
/// # Errors
/// When the certificates of the authorities cannot be read.
pub(super) fn client_cert_verifier(
    settings: &TlsSettings,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, String> {
    use crate::http::web_config::ClientAuthType;
    if settings.client_auth == ClientAuthType::NoClientCert {
        return Ok(None);
    }
    let authorities = match (&settings.client_ca, settings.client_auth.verifies()) {
        (Some(pem), true) => Some(authorities(&pem.read()?, provider)?),
        _ => None,
    };
    Ok(Some(Arc::new(ClientVerifier {
        authorities,
        // Without a certificate there is no name to be allowed.
        required: settings.client_auth.requires() || settings.client_allowed_sans.is_some(),
        allowed_names: settings.client_allowed_sans.clone(),
        provider: Arc::clone(provider),
    })))
}

fn authorities(pem: &[u8], provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let unusable = |error: &dyn std::fmt::Display| format!("client_ca_file cannot be used: {error}");
    let mut roots = RootCertStore::empty();
    for certificate in super::certificates("client_ca_file", pem)? {
        roots.add(certificate).map_err(|error| unusable(&error))?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    verifier.build().map(|it| it as Arc<dyn ClientCertVerifier>).map_err(|error| unusable(&error))
}

#[derive(Debug)]
struct ClientVerifier {
    /// Verifies the signing authority; `None` accepts any certificate.
    authorities: Option<Arc<dyn ClientCertVerifier>>,
    required: bool,
    /// Names of which a certificate must have one.
    allowed_names: Option<Vec<String>>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.authorities.as_ref().map_or(&[], |it| it.root_hint_subjects())
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if let Some(authorities) = &self.authorities {
            authorities.verify_client_cert(certificate, intermediates, now)?;
        }
        if let Some(allowed) = &self.allowed_names {
            let names = alternative_names(certificate).ok_or(CertificateError::BadEncoding)?;
            if !names.iter().any(|it| allowed.contains(it)) {
                return Err(CertificateError::ApplicationVerificationFailure.into());
            }
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The names of the extension Subject Alternative Name, as exporter-toolkit writes them.
fn alternative_names(certificate: &[u8]) -> Option<Vec<String>> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let Some(extension) = certificate.subject_alternative_name().ok()? else { return Some(Vec::new()) };
    let name = |it: &GeneralName<'_>| match it {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
            Some((*name).to_owned())
        }
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(|it| Ipv4Addr::from(it).to_string());
            four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(|it| Ipv6Addr::from(it).to_string())).ok()
        }
        _ => None,
    };
    Some(extension.value.general_names.iter().filter_map(name).collect())
}

/// The common name of a certificate, else its first alternative name.
pub(in crate::http) fn subject_name(certificate: &[u8]) -> Option<String> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let common = parsed.subject().iter_common_name().find_map(|it| it.as_str().ok().map(str::to_owned));
    common.or_else(|| alternative_names(certificate)?.into_iter().next())
}
