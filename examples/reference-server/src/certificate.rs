//! What the server shows to those who speak https to it.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use hexabase_core::error::{Error, Result};
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rcgen::{KeyUsagePurpose, SanType};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::settings::kept;

/// Takes the certificate chain and its key from files.
///
/// # Errors
/// `Invalid` when they cannot be read or do not belong together.
pub(crate) fn from_files(chain: &Path, key: &Path) -> Result<TlsAcceptor> {
    let unusable = |field: &'static str, file: &Path| {
        let message = format!("{} cannot be used", file.display());
        move |error: pem::Error| Error::invalid(field, message).caused_by(error)
    };
    let certificates = CertificateDer::pem_file_iter(chain)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(unusable("tls_cert", chain))?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(unusable("tls_key", key))?;
    acceptor(certificates, key_der)
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

fn acceptor(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<TlsAcceptor> {
    let mut config =
        ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).map_err(|error| {
            Error::invalid("tls_cert", "certificate and key cannot be used together").caused_by(error)
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
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
        acceptor(vec![leaf.der().clone()], key)
    }
}
