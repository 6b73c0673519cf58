//! The keys that sign tokens.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_core::Platform;
use hexabase_core::changeset::Changeset;
use hexabase_core::clock::until;
use hexabase_core::error::{Error, Result};
use hexabase_core::model::{SignatureAlgorithm, SigningKey};
use jiff::Timestamp;
use jsonwebtoken::DecodingKey;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The purpose under which private keys are sealed.
const SEALED: &str = "signing key";
/// How often, at most, the store is asked for keys that are not known.
const COOLDOWN: Duration = Duration::from_secs(5);

/// One key, ready to be used.
pub(crate) struct Key {
    pub(crate) kid: String,
    pub(crate) verifier: DecodingKey,
    signer: EcdsaKeyPair,
    public_jwk: Value,
    retires_at: Option<Timestamp>,
}

impl Key {
    /// Signs a text, as ES256 does (RFC 7518 section 3.4).
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let signed = self.signer.sign(&SystemRandom::new(), message);
        signed.map(|signature| signature.as_ref().to_vec()).map_err(|_| Error::unexpected("signing failed"))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Key({})", self.kid)
    }
}

/// All keys of the installation. They live in the store, sealed; this is a copy, read again when a token
/// names a key that is not in it.
pub(crate) struct KeyRing {
    platform: Platform,
    keys: RwLock<Vec<Arc<Key>>>,
    read_at: Mutex<Timestamp>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.all()).finish()
    }
}

impl KeyRing {
    pub(crate) async fn load(platform: Platform) -> Result<Self> {
        let ring = Self { platform, keys: RwLock::default(), read_at: Mutex::new(Timestamp::MIN) };
        ring.read().await?;
        if ring.signing().is_err() {
            ring.make().await?;
            ring.read().await?;
        }
        Ok(ring)
    }

    fn all(&self) -> Vec<Arc<Key>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key that signs now: the newest one that does not retire.
    pub(crate) fn signing(&self) -> Result<Arc<Key>> {
        let now = self.platform.clock().now();
        let usable = |key: &&Arc<Key>| key.retires_at.is_none_or(|at| now < at);
        let found = self.all().iter().rev().find(usable).cloned();
        found.ok_or_else(|| Error::unavailable("there is no signing key"))
    }

    /// The key of a name; the store is asked for names that are not known, but not all the time.
    pub(crate) async fn find(&self, kid: &str) -> Result<Option<Arc<Key>>> {
        let known = |ring: &Self| ring.all().into_iter().find(|key| key.kid == kid);
        if let Some(key) = known(self) {
            return Ok(Some(key));
        }
        let now = self.platform.clock().now();
        {
            let mut read_at = self.read_at.lock().unwrap_or_else(PoisonError::into_inner);
            if until(*read_at, now) < COOLDOWN {
                return Ok(None);
            }
            *read_at = now;
        }
        self.read().await?;
        Ok(known(self))
    }

    pub(crate) fn jwks(&self) -> Value {
        let keys: Vec<Value> = self.all().iter().map(|key| key.public_jwk.clone()).collect();
        json!({ "keys": keys })
    }

    async fn read(&self) -> Result<()> {
        let stored = self.platform.store().list_signing_keys().await?;
        let keys = stored.iter().map(|key| self.open(key)).collect::<Result<Vec<_>>>()?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    fn open(&self, stored: &SigningKey) -> Result<Arc<Key>> {
        let sealed_elsewhere = |error: Error| {
            let message = "does not open the signing keys in the database; use the key they were sealed with";
            Error::invalid("master_key", message).caused_by(error)
        };
        let private =
            self.platform.master_key().open(SEALED, &stored.sealed_private).map_err(sealed_elsewhere)?;
        let broken = || Error::unexpected("a signing key in the database is broken").with("kid", &stored.kid);
        let signer =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &private).map_err(|_| broken())?;
        let (x, y) = coordinates(&signer).ok_or_else(broken)?;
        let verifier = DecodingKey::from_ec_components(&x, &y).map_err(|error| broken().caused_by(error))?;
        Ok(Arc::new(Key {
            kid: stored.kid.clone(),
            verifier,
            signer,
            public_jwk: stored.public_jwk.clone(),
            retires_at: stored.retires_at,
        }))
    }

    async fn make(&self) -> Result<()> {
        let failed = || Error::unexpected("a signing key could not be made");
        let random = SystemRandom::new();
        let private =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(|_| failed())?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.as_ref())
            .map_err(|_| failed())?;
        let (x, y) = coordinates(&pair).ok_or_else(failed)?;
        let kid = thumbprint(&x, &y);
        let public_jwk =
            json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "alg": "ES256", "use": "sig", "kid": kid });
        let key = SigningKey {
            kid,
            algorithm: SignatureAlgorithm::Es256,
            public_jwk,
            sealed_private: self.platform.master_key().seal(
                &**self.platform.ids(),
                SEALED,
                private.as_ref(),
            )?,
            created_at: self.platform.clock().now(),
            retires_at: None,
        };
        // Two replicas that start at once may both make one: each verifies the other's.
        self.platform.store().commit(Changeset::new().insert(key)).await
    }
}

/// The public point of a key, as JSON Web Keys write it.
fn coordinates(pair: &EcdsaKeyPair) -> Option<(String, String)> {
    // SEC 1 section 2.3.3: an uncompressed point is 4, x and y.
    let (tag, point) = pair.public_key().as_ref().split_first()?;
    let (x, y) = point.split_at_checked(32)?;
    (*tag == 4 && y.len() == 32).then(|| (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y)))
}

/// RFC 7638.
fn thumbprint(x: &str, y: &str) -> String {
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
}
