//! What the server shows to those who speak https to it.

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

use crate::settings::kept;

/// How often the files of a certificate are looked at: it is renewed while the server runs.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Takes the certificate chain and its key from files, and takes them anew when the files change.
///
/// # Errors
/// `Invalid` when they cannot be read or do not belong together.
pub(crate) fn from_files(chain: &Path, key: &Path) -> Result<TlsAcceptor> {
    let files = Files { chain: chain.to_owned(), key: key.to_owned() };
    let texts = files.read()?;
    let current = Arc::new(Current(RwLock::new(parsed(&texts)?)));
    tokio::spawn(files.follow(texts, Arc::downgrade(&current)));
    Ok(acceptor(current))
}

/// The certificate that new connections are shown.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// Where a certificate and its key are kept.
struct Files {
    chain: PathBuf,
    key: PathBuf,
}

/// What is in the files: the chain, and the key.
type Texts = (Vec<u8>, SecretString);

impl Files {
    fn read(&self) -> Result<Texts> {
        let unusable = |field: &'static str, file: &Path, error: std::io::Error| {
            Error::invalid(field, format!("{} cannot be used", file.display())).caused_by(error)
        };
        let chain = std::fs::read(&self.chain).map_err(|error| unusable("tls_cert", &self.chain, error))?;
        let key =
            std::fs::read_to_string(&self.key).map_err(|error| unusable("tls_key", &self.key, error))?;
        Ok((chain, key.into()))
    }

    /// Puts what is in the files in the place of what was, as soon as it is another good pair, for as long as somebody
    /// shows it. What is half written, or no good, is left alone.
    async fn follow(self, mut before: Texts, current: Weak<Current>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let Some(current) = current.upgrade() else { return };
            let Ok(texts) = self.read() else { continue };
            if texts.0 == before.0 && texts.1.expose_secret() == before.1.expose_secret() {
                continue;
            }
            match parsed(&texts) {
                Ok(key) => {
                    *current.0.write().unwrap_or_else(PoisonError::into_inner) = key;
                    tracing::info!(file = %self.chain.display(), "a new certificate is shown");
                }
                Err(error) => {
                    tracing::warn!(%error, file = %self.chain.display(), "the new certificate is no good; the old one goes on");
                }
            }
            before = texts;
        }
    }
}

fn parsed((chain, key): &Texts) -> Result<Arc<CertifiedKey>> {
    let unusable = |field: &'static str| {
        move |error: pem::Error| Error::invalid(field, "is not in PEM").caused_by(error)
    };
    let certificates = CertificateDer::pem_slice_iter(chain)
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(unusable("tls_cert"))?;
    let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes()).map_err(unusable("tls_key"))?;
    certified(certificates, key)
}

/// Takes certificates of an authority from a file.
///
/// # Errors
/// `Invalid` when there are none in it.
pub(crate) fn authority(setting: &str, file: &Path) -> Result<String> {
    let unusable = || Error::invalid(setting, format!("{} holds no certificates in PEM", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| unusable().caused_by(error))?;
    let certificates: std::result::Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    match certificates {
        Ok(some) if !some.is_empty() => Ok(text),
        Ok(_) => Err(unusable()),
        Err(error) => Err(unusable().caused_by(error)),
    }
}

fn certified(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Arc<CertifiedKey>> {
    let unusable = |error: rustls::Error| {
        Error::invalid("tls_cert", "certificate and key cannot be used together").caused_by(error)
    };
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map(Arc::new).map_err(unusable)
}

fn acceptor(shown: Arc<Current>) -> TlsAcceptor {
    let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(shown);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// A certificate authority for development: nobody trusts it but the kubeconfigs that it is written into.
/// `kubectl` sends credentials over https only, so the sandbox needs one.
pub(crate) struct Authority {
    /// Its certificate, in PEM.
    pub(crate) certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// The authority whose key is in this file. The key is made if it is not there: kubeconfigs stay good over a
    /// restart.
    ///
    /// # Errors
    /// `Invalid` when the file cannot be read or written.
    pub(crate) fn kept(file: &Path) -> Result<Self> {
        let unusable = || format!("{} cannot be used as the key of a certificate authority", file.display());
        let pem = kept(file, || {
            let made = KeyPair::generate().map_err(std::io::Error::other)?;
            Ok(SecretString::from(made.serialize_pem()))
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

    /// A certificate for whatever this machine is called, and for `address`.
    ///
    /// # Errors
    /// `Unexpected` when the cryptography fails.
    pub(crate) fn serve(&self, address: IpAddr) -> Result<TlsAcceptor> {
        let failed = |error: rcgen::Error| Error::unexpected("a certificate cannot be made").caused_by(error);
        let mut params = CertificateParams::new(["localhost".to_owned()]).map_err(failed)?;
        let loopback = [IpAddr::from([127, 0, 0, 1]), IpAddr::from(std::net::Ipv6Addr::LOCALHOST)];
        params.subject_alt_names.extend(loopback.into_iter().chain([address]).map(SanType::IpAddress));
        params.distinguished_name.push(DnType::CommonName, "Hexabase sandbox");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(failed)?;
        let leaf = params.signed_by(&key, &self.issuer).map_err(failed)?;
        let key = PrivateKeyDer::try_from(key.serialize_der())
            .map_err(|error| Error::unexpected("a certificate's key cannot be read").with("cause", error))?;
        let shown = certified(vec![leaf.der().clone()], key)?;
        Ok(acceptor(Arc::new(Current(RwLock::new(shown)))))
    }
}
