//! TLS certificate of the server.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::Duration;

use hexabase_core::error::{Error, Result};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rcgen::{KeyUsagePurpose, SanType};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

use crate::files::load_or_create;

/// Interval at which the certificate files are checked for renewal.
const RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// Reads the certificate chain and its private key from files, and reloads them when the files change.
///
/// # Errors
/// `Invalid` if the files cannot be read, or do not belong together.
pub(crate) fn from_files(chain: &Path, key: &Path) -> Result<TlsAcceptor> {
    let files = CertificateFiles { chain: chain.to_owned(), key: key.to_owned() };
    let contents = files.read()?;
    let current = Arc::new(CurrentCertificate(RwLock::new(parse(&contents)?)));
    tokio::spawn(files.reload_on_change(contents, Arc::downgrade(&current)));
    Ok(tls_acceptor(current))
}

/// Certificate that the server presents on new connections.
#[derive(Debug)]
struct CurrentCertificate(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for CurrentCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Files of a certificate and its private key.
struct CertificateFiles {
    chain: PathBuf,
    key: PathBuf,
}

/// Contents of the files: certificate chain and private key.
type CertificateContents = (Vec<u8>, SecretString);

impl CertificateFiles {
    fn read(&self) -> Result<CertificateContents> {
        let unusable = |field: &'static str, file: &Path, error: std::io::Error| {
            Error::invalid(field, format!("{} cannot be read", file.display())).caused_by(error)
        };
        let chain = std::fs::read(&self.chain).map_err(|error| unusable("tls_cert", &self.chain, error))?;
        let key =
            std::fs::read_to_string(&self.key).map_err(|error| unusable("tls_key", &self.key, error))?;
        Ok((chain, key.into()))
    }

    /// Replaces the current certificate whenever the files contain another valid pair, until the last acceptor is
    /// dropped. Invalid or partly written files are ignored.
    async fn reload_on_change(self, mut previous: CertificateContents, current: Weak<CurrentCertificate>) {
        loop {
            tokio::time::sleep(RELOAD_INTERVAL).await;
            let Some(current) = current.upgrade() else { return };
            let Ok(contents) = self.read() else { continue };
            if contents.0 == previous.0 && contents.1.expose_secret() == previous.1.expose_secret() {
                continue;
            }
            match parse(&contents) {
                Ok(key) => {
                    *current.0.write().unwrap_or_else(PoisonError::into_inner) = key;
                    tracing::info!(file = %self.chain.display(), "certificate reloaded");
                }
                Err(error) => {
                    tracing::warn!(%error, file = %self.chain.display(), "certificate reload failed; keeping the previous certificate");
                }
            }
            previous = contents;
        }
    }
}

fn parse((chain, key): &CertificateContents) -> Result<Arc<CertifiedKey>> {
    let invalid = |field: &'static str| {
        move |error: pem::Error| Error::invalid(field, "is not in PEM").caused_by(error)
    };
    let certificates = CertificateDer::pem_slice_iter(chain)
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(invalid("tls_cert"))?;
    let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes()).map_err(invalid("tls_key"))?;
    certified_key(certificates, key)
}

/// Reads the certificates of a certificate authority from a file, as PEM.
///
/// # Errors
/// `Invalid` for `setting` if the file cannot be read, or contains no certificate.
pub(crate) fn read_authority(setting: &str, file: &Path) -> Result<String> {
    let invalid = || Error::invalid(setting, format!("{} contains no PEM certificates", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| invalid().caused_by(error))?;
    let certificates: std::result::Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match certificates {
        Ok(some) if !some.is_empty() => Ok(text),
        Ok(_) => Err(invalid()),
        Err(error) => Err(invalid().caused_by(error)),
    }
}

fn certified_key(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<Arc<CertifiedKey>> {
    let mismatched = |error: rustls::Error| {
        Error::invalid("tls_cert", "certificate and key do not belong together").caused_by(error)
    };
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map(Arc::new).map_err(mismatched)
}

fn tls_acceptor(certificate: Arc<CurrentCertificate>) -> TlsAcceptor {
    let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// Certificate authority for development, trusted only by the kubeconfigs that contain its certificate. The sandbox
/// needs it because `kubectl` sends credentials over https only.
pub(crate) struct DevelopmentAuthority {
    /// Certificate of the authority, in PEM.
    pub(crate) certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl DevelopmentAuthority {
    /// Returns the authority whose private key is in this file. Creates the file if it does not exist, so that
    /// kubeconfigs stay valid over a restart.
    ///
    /// # Errors
    /// `Invalid` if the file cannot be read or written, or contains no private key.
    pub(crate) fn load_or_create(file: &Path) -> Result<Self> {
        let unusable = || format!("{} cannot be used as the key of a certificate authority", file.display());
        let pem = load_or_create(file, || {
            let generated = KeyPair::generate().map_err(std::io::Error::other)?;
            Ok(SecretString::from(generated.serialize_pem()))
        })
        .map_err(|error| Error::invalid("database_url", unusable()).caused_by(error))?;
        let failed = |error: rcgen::Error| Error::invalid("database_url", unusable()).caused_by(error);
        let key = KeyPair::from_pem(pem.expose_secret()).map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Hexabase development");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let certificate = params.self_signed(&key).map_err(failed)?.pem();
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    /// Issues a certificate for `localhost`, the loopback addresses and `address`, and returns an acceptor that
    /// presents it.
    ///
    /// # Errors
    /// `Unexpected` if a cryptographic operation fails.
    pub(crate) fn acceptor(&self, address: IpAddr) -> Result<TlsAcceptor> {
        let failed =
            |error: rcgen::Error| Error::unexpected("the certificate cannot be issued").caused_by(error);
        let mut params = CertificateParams::new(["localhost".to_owned()]).map_err(failed)?;
        let loopback = [IpAddr::from([127, 0, 0, 1]), IpAddr::from(std::net::Ipv6Addr::LOCALHOST)];
        params.subject_alt_names.extend(loopback.into_iter().chain([address]).map(SanType::IpAddress));
        params.distinguished_name.push(DnType::CommonName, "Hexabase sandbox");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(failed)?;
        let leaf = params.signed_by(&key, &self.issuer).map_err(failed)?;
        let key = PrivateKeyDer::try_from(key.serialize_der())
            .map_err(|error| Error::unexpected("the issued key cannot be parsed").with("cause", error))?;
        let certificate = certified_key(vec![leaf.der().clone()], key)?;
        Ok(tls_acceptor(Arc::new(CurrentCertificate(RwLock::new(certificate)))))
    }
}
