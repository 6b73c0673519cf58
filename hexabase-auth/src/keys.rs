//! The keys that sign tokens.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_core::Platform;
use hexabase_core::changeset::{Changeset, Key as ChangeKey};
use hexabase_core::clock::{after, until};
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
/// How old the keys may be that sign and that others are shown.
const FRESH: Duration = Duration::from_secs(30);
/// For how long a new key is only shown before it signs: longer than anybody keeps the set of keys.
const SHOWN_BEFORE: Duration = Duration::from_secs(600);
/// For how long a key stays after it has signed for the last time: longer than any token lives.
const KEPT_AFTER: Duration = Duration::from_secs(3_600);

/// One key, ready to be used.
pub(crate) struct Key {
    pub(crate) kid: String,
    pub(crate) verifier: DecodingKey,
    signer: EcdsaKeyPair,
    public_jwk: Value,
    created_at: Timestamp,
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
        if ring.current().is_err() {
            // Two replicas that start at once may both make one: each verifies the other's.
            let first = ring.make()?;
            ring.platform.store().commit(Changeset::new().insert(first)).await?;
            ring.read().await?;
        }
        Ok(ring)
    }

    fn all(&self) -> Vec<Arc<Key>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key that signs now, as another replica may have decided a short while ago.
    pub(crate) async fn signing(&self) -> Result<Arc<Key>> {
        if self.claim_reading(FRESH)
            && let Err(error) = self.read().await
        {
            tracing::warn!(%error, "the signing keys could not be read again; those of before go on");
        }
        self.current()
    }

    /// The newest key that was shown for long enough, or the first one there is.
    fn current(&self) -> Result<Arc<Key>> {
        let now = self.platform.clock().now();
        let keys = self.all();
        let mut usable = keys.iter().filter(|key| key.retires_at.is_none_or(|at| now < at));
        let shown = |key: &&Arc<Key>| until(key.created_at, now) >= SHOWN_BEFORE;
        let found = usable.clone().rev().find(shown).or_else(|| usable.next());
        found.cloned().ok_or_else(|| Error::unavailable("there is no signing key"))
    }

    /// Makes the key that signs next. Those before it retire once it does.
    pub(crate) async fn rotate(&self) -> Result<SigningKey> {
        let now = self.platform.clock().now();
        let next = self.make()?;
        let mut changeset = Changeset::new().insert(next.clone());
        for old in self.platform.store().list_signing_keys().await? {
            if old.retires_at.is_none() {
                let retires_at = Some(after(now, SHOWN_BEFORE + FRESH));
                changeset = changeset.update(SigningKey { retires_at, ..old });
            } else if old.retires_at.is_some_and(|at| after(at, KEPT_AFTER) < now) {
                changeset = changeset.delete(ChangeKey::SigningKey(old.kid));
            }
        }
        self.platform.store().commit(changeset).await?;
        self.read().await?;
        Ok(next)
    }

    /// The key of a name; the store is asked for names that are not known, but not all the time.
    pub(crate) async fn find(&self, kid: &str) -> Result<Option<Arc<Key>>> {
        let known = |ring: &Self| ring.all().into_iter().find(|key| key.kid == kid);
        if let Some(key) = known(self) {
            return Ok(Some(key));
        }
        if !self.claim_reading(COOLDOWN) {
            return Ok(None);
        }
        self.read().await?;
        Ok(known(self))
    }

    /// The public halves, as another replica may have made them a short while ago.
    pub(crate) async fn jwks(&self) -> Result<Value> {
        if self.claim_reading(FRESH) {
            self.read().await?;
        }
        let keys: Vec<Value> = self.all().iter().map(|key| key.public_jwk.clone()).collect();
        Ok(json!({ "keys": keys }))
    }

    /// Whether it is time to read again; of several who ask at once one is told so.
    fn claim_reading(&self, after: Duration) -> bool {
        let now = self.platform.clock().now();
        let mut read_at = self.read_at.lock().unwrap_or_else(PoisonError::into_inner);
        let old = until(*read_at, now) >= after;
        if old {
            *read_at = now;
        }
        old
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
            created_at: stored.created_at,
            retires_at: stored.retires_at,
        }))
    }

    fn make(&self) -> Result<SigningKey> {
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
        Ok(SigningKey {
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
        })
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
