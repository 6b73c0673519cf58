use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::process::{Owner, directory};

/// An authority, and a server's certificate that it has signed; as files, in PEM.
#[derive(Debug)]
pub struct Certificates(TempDir);

impl Certificates {
    /// Makes new ones, for the loopback address.
    ///
    /// # Panics
    /// When they cannot be written.
    #[must_use]
    pub fn new() -> Self {
        Self::naming("127.0.0.1")
    }

    /// Makes new ones, for this address or name.
    ///
    /// # Panics
    /// When they cannot be written, or nothing can have such a name.
    #[must_use]
    pub fn naming(name: &str) -> Self {
        let key = || KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::new(Vec::new()).expect("no names are fine");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let authority_key = key();
        let authority_certificate = authority.self_signed(&authority_key).expect("a certificate");
        let server_key = key();
        let server = CertificateParams::new([name.to_owned(), "localhost".to_owned()]);
        let issuer = Issuer::new(authority, authority_key);
        let server = server.expect("good names").signed_by(&server_key, &issuer).expect("a certificate");

        // Readable to the user that the database runs as, and to nobody else, on which it insists.
        let owner = Owner::instead_of_root("postgres");
        let here = Self(directory(owner));
        let files = [
            (here.authority(), authority_certificate.pem()),
            (here.certificate(), server.pem()),
            (here.key(), server_key.serialize_pem()),
        ];
        for (file, text) in files {
            std::fs::write(&file, text).expect("a file");
            Owner::given(owner, &file, 0o600);
        }
        here
    }

    /// What to trust.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.path("authority.pem")
    }

    /// What the server shows.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.path("server.pem")
    }

    /// The key of what it shows.
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
