//! Certificates and web configuration files for tests.

use std::path::{Path, PathBuf};

use hostnorm::http::AccessSettings;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType, date_time_ymd,
};
use tempfile::TempDir;

/// Certificate and key in PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// Who signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for this server.
    pub(crate) fn server(&self, name: &str) -> Identity {
        let mut params =
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        self.sign(&params)
    }

    /// A certificate for a client with this name, valid until this year.
    pub(crate) fn client(&self, name: &str, until: i32) -> Identity {
        let mut params = CertificateParams::new(vec![format!("{name}.example")]).unwrap();
        params.subject_alt_names.push(SanType::Rfc822Name(format!("{name}@example.org").try_into().unwrap()));
        params.subject_alt_names.push(SanType::IpAddress("192.0.2.7".parse().unwrap()));
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_after = date_time_ymd(until, 1, 1);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

/// A directory with a web configuration file and what it names.
pub(crate) struct WebFiles {
    pub(crate) directory: TempDir,
}

impl WebFiles {
    /// `web.yml` has this text; beside it are the certificate of the server and that of the authority for clients.
    pub(crate) fn new(server: &Identity, clients: &Authority, text: &str) -> Self {
        let files = Self { directory: tempfile::tempdir().unwrap() };
        files.write("server.crt", &server.certificate);
        files.write("server.key", &server.key);
        files.write("ca.crt", &clients.pem());
        files.write("web.yml", text);
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn access(&self) -> AccessSettings {
        let config_file = Some(Path::to_owned(&self.path("web.yml")));
        AccessSettings { config_file, enable_admin_api: true, health_auth_exempt: true }
    }
}
