//! [`KeyRing`], the signing keys of the installation as this process has loaded them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use hexabase_core::Platform;
use hexabase_core::changeset::{Changeset, RecordKey};
use hexabase_core::clock::{after, until};
use hexabase_core::error::{Error, Result};
use hexabase_core::model::{SignatureAlgorithm, SigningKey};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::SIGNING_KEY_AGE_SECONDS;
use super::loaded_key::{LoadedKey, TokenType};

/// Minimum interval between reads of the store for unknown keys.
const RELOAD_COOLDOWN: Duration = Duration::from_secs(5);
/// Maximum age of the loaded keys when one of them signs or the key set is published.
const KEY_CACHE_TTL: Duration = Duration::from_secs(30);
/// Time between the publication of a key and its first signature: longer than any verifier caches the key set.
const PUBLICATION_LEAD_TIME: Duration = Duration::from_secs(600);
/// Time that a key is kept after its last signature: longer than any token is valid.
const RETIRED_KEY_RETENTION: Duration = Duration::from_secs(3_600);

/// All signing keys of the installation. The store holds them encrypted; this is a copy, reloaded periodically and
/// when a token names an unknown key.
pub(crate) struct KeyRing {
    platform: Platform,
    keys: RwLock<Vec<Arc<LoadedKey>>>,
    last_reload: Mutex<Timestamp>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_list().entries(self.all()).finish()
    }
}

impl KeyRing {
    pub(crate) async fn load(platform: Platform) -> Result<Self> {
        let ring = Self { platform, keys: RwLock::default(), last_reload: Mutex::new(Timestamp::MIN) };
        ring.reload().await?;
        ring.signing_key(SignatureAlgorithm::Es256, ring.platform.clock().now()).await?;
        Ok(ring)
    }

    fn all(&self) -> Vec<Arc<LoadedKey>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the key that signs now, considering recent changes by other replicas. Generates it if there is none:
    /// two replicas that do so concurrently each verify the tokens of the other.
    pub(crate) async fn signing_key(
        &self,
        algorithm: SignatureAlgorithm,
        now: Timestamp,
    ) -> Result<Arc<LoadedKey>> {
        self.reload_if_stale(now).await;
        if let Some(key) = self.current(algorithm, now) {
            return Ok(key);
        }
        let first = LoadedKey::generate(&self.platform, algorithm)?;
        self.platform.commit(Changeset::new().insert(first)).await?;
        self.reload().await?;
        self.current(algorithm, now).ok_or_else(|| Error::unavailable("there is no signing key"))
    }

    /// Reloads the keys if they are stale, since another replica may have changed them.
    pub(crate) async fn reload_if_stale(&self, now: Timestamp) {
        if self.claim_reload(KEY_CACHE_TTL, now)
            && let Err(error) = self.reload().await
        {
            tracing::warn!(%error, "reloading the signing keys failed; using the loaded ones");
        }
    }

    /// Returns the newest key that has been published long enough, or else the oldest usable key.
    fn current(&self, algorithm: SignatureAlgorithm, now: Timestamp) -> Option<Arc<LoadedKey>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let is_usable =
            |key: &&Arc<LoadedKey>| key.algorithm == algorithm && key.retires_at.is_none_or(|at| now < at);
        let mut usable = keys.iter().filter(is_usable);
        let is_published = |key: &&Arc<LoadedKey>| until(key.created_at, now) >= PUBLICATION_LEAD_TIME;
        let found = usable.clone().rev().find(is_published).or_else(|| usable.next());
        found.cloned()
    }

    /// Generates the next keys, one per algorithm in use. Their predecessors retire when they start to sign.
    pub(crate) async fn rotate(&self) -> Result<Vec<SigningKey>> {
        let now = self.platform.clock().now();
        let mut next: Vec<SigningKey> = Vec::new();
        let mut changeset = Changeset::new();
        for old in self.platform.store().list_signing_keys().await? {
            if old.retires_at.is_none() {
                if next.iter().all(|key| key.algorithm != old.algorithm) {
                    next.push(LoadedKey::generate(&self.platform, old.algorithm)?);
                }
                let retires_at = Some(after(now, PUBLICATION_LEAD_TIME + KEY_CACHE_TTL));
                changeset = changeset.update(SigningKey { retires_at, ..old });
            } else if old.retires_at.is_some_and(|at| after(at, RETIRED_KEY_RETENTION) < now) {
                changeset = changeset.delete(RecordKey::SigningKey(old.kid));
            }
        }
        changeset = next.iter().fold(changeset, |changeset, key| changeset.insert(key.clone()));
        self.platform.commit(changeset).await?;
        self.reload().await?;
        Ok(next)
    }

    /// `true` if a key has reached this age and has no successor yet.
    pub(crate) async fn is_rotation_due(&self, age: Duration) -> Result<bool> {
        let now = self.platform.clock().now();
        let keys = self.platform.store().list_signing_keys().await?;
        let without_successor = keys.iter().filter(|key| key.retires_at.is_none());
        let oldest = without_successor.map(|key| until(key.created_at, now)).max().unwrap_or_default();
        metrics::gauge!(SIGNING_KEY_AGE_SECONDS).set(oldest.as_secs_f64());
        Ok(oldest >= age)
    }

    /// Deletes a leaked key, so that tokens that it signed are rejected. Its successor signs at once, although some
    /// verifiers may not know it yet.
    pub(crate) async fn retire(&self, kid: &str) -> Result<()> {
        let stored = self.platform.store().list_signing_keys().await?;
        let leaked =
            stored.iter().find(|key| key.kid == kid).ok_or_else(|| Error::not_found("signing key"))?;
        let mut changeset = Changeset::new().delete(RecordKey::SigningKey(kid.to_owned()));
        let replaces = |key: &&SigningKey| {
            key.kid != kid && key.algorithm == leaked.algorithm && key.retires_at.is_none()
        };
        if !stored.iter().any(|key| replaces(&key)) {
            changeset = changeset.insert(LoadedKey::generate(&self.platform, leaked.algorithm)?);
        }
        self.platform.commit(changeset).await?;
        self.reload().await
    }

    /// `true` if the key is in the key ring.
    pub(crate) fn contains(&self, kid: &str) -> bool {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).iter().any(|key| key.kid == kid)
    }

    /// Returns the key with this encoded header for tokens of this type. Unknown keys cause a read of the store, at
    /// most one per [`RELOAD_COOLDOWN`].
    pub(crate) async fn find_by_header(
        &self,
        kind: TokenType,
        header: &str,
    ) -> Result<Option<Arc<LoadedKey>>> {
        let known = |ring: &Self| {
            let keys = ring.keys.read().unwrap_or_else(PoisonError::into_inner);
            keys.iter().find(|key| key.header(kind) == header).cloned()
        };
        if let Some(key) = known(self) {
            return Ok(Some(key));
        }
        if !self.claim_reload(RELOAD_COOLDOWN, self.platform.clock().now()) {
            return Ok(None);
        }
        self.reload().await?;
        Ok(known(self))
    }

    /// Returns the public keys as a JSON Web Key Set, considering recent changes by other replicas.
    pub(crate) async fn jwks(&self) -> Value {
        self.reload_if_stale(self.platform.clock().now()).await;
        let keys: Vec<Value> = self.all().iter().map(|key| key.public_jwk.clone()).collect();
        json!({ "keys": keys })
    }

    /// `true` if the keys are at least this old and must be reloaded; of several concurrent callers one receives
    /// `true`.
    fn claim_reload(&self, after: Duration, now: Timestamp) -> bool {
        let mut last_reload = self.last_reload.lock().unwrap_or_else(PoisonError::into_inner);
        let is_stale = until(*last_reload, now) >= after;
        if is_stale {
            *last_reload = now;
        }
        is_stale
    }

    async fn reload(&self) -> Result<()> {
        let stored = self.platform.store().list_signing_keys().await?;
        let open = |key: &SigningKey| LoadedKey::load(&self.platform, key).map(Arc::new);
        let keys = stored.iter().map(open).collect::<Result<Vec<_>>>()?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }
}
