use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::process::{Owner, directory};

/// Certificate authority, and a server certificate that it has signed, as PEM files.
#[derive(Debug)]
pub struct Certificates(TempDir);

impl Certificates {
    /// Creates certificates for the loopback address.
    ///
    /// # Panics
    /// If the files cannot be written.
    #[must_use]
    pub fn new() -> Self {
        Self::for_name("127.0.0.1")
    }

    /// Creates certificates for this address or name.
    ///
    /// # Panics
    /// If the files cannot be written, or the name is invalid.
    #[must_use]
    pub fn for_name(name: &str) -> Self {
        let key = || KeyPair::generate().expect("key generation failed");
        let mut authority = CertificateParams::new(Vec::new()).expect("invalid name");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let authority_key = key();
        let authority_certificate = authority.self_signed(&authority_key).expect("signing failed");
        let server_key = key();
        let server = CertificateParams::new([name.to_owned(), "localhost".to_owned()]);
        let issuer = Issuer::new(authority, authority_key);
        let server = server.expect("invalid name").signed_by(&server_key, &issuer).expect("signing failed");

        // PostgreSQL accepts a key only if no other user can read it.
        let owner = Owner::instead_of_root("postgres");
        let certificates = Self(directory(owner));
        let files = [
            (certificates.authority(), authority_certificate.pem()),
            (certificates.certificate(), server.pem()),
            (certificates.key(), server_key.serialize_pem()),
        ];
        for (file, text) in files {
            std::fs::write(&file, text).expect("a certificate file cannot be written");
            Owner::restrict(owner, &file, 0o600);
        }
        certificates
    }

    /// Path of the certificate of the authority.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.path("authority.pem")
    }

    /// Path of the server certificate.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.path("server.pem")
    }

    /// Path of the private key of the server.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.path("server.key")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}
