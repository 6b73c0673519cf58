//! The keys that sign tokens.

mod fixed;
mod key;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use hexabase_core::Platform;
use hexabase_core::changeset::{Changeset, Key as ChangeKey};
use hexabase_core::clock::{after, until};
use hexabase_core::error::{Error, Result};
use hexabase_core::model::{SignatureAlgorithm, SigningKey};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) use key::{Key, TokenType};

/// How often, at most, the store is asked for keys that are not known.
const COOLDOWN: Duration = Duration::from_secs(5);
/// How old the keys may be that sign and that others are shown.
const FRESH: Duration = Duration::from_secs(30);
/// For how long a new key is only shown before it signs: longer than anybody keeps the set of keys.
const SHOWN_BEFORE: Duration = Duration::from_secs(600);
/// For how long a key stays after it has signed for the last time: longer than any token lives.
const KEPT_AFTER: Duration = Duration::from_secs(3_600);

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
        ring.signing(SignatureAlgorithm::Es256, ring.platform.clock().now()).await?;
        Ok(ring)
    }

    fn all(&self) -> Vec<Arc<Key>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The key that signs now, as another replica may have decided a short while ago. It is made if there is none: two
    /// replicas that make one at once each verify the other's.
    pub(crate) async fn signing(&self, algorithm: SignatureAlgorithm, now: Timestamp) -> Result<Arc<Key>> {
        self.stay_fresh(now).await;
        if let Some(key) = self.current(algorithm, now) {
            return Ok(key);
        }
        let first = Key::make(&self.platform, algorithm)?;
        self.platform.store().commit(Changeset::new().insert(first)).await?;
        self.read().await?;
        self.current(algorithm, now).ok_or_else(|| Error::unavailable("there is no signing key"))
    }

    /// Reads the keys again when it is time, as another replica may have changed them.
    pub(crate) async fn stay_fresh(&self, now: Timestamp) {
        if self.claim_reading(FRESH, now)
            && let Err(error) = self.read().await
        {
            tracing::warn!(%error, "the signing keys could not be read again; those of before go on");
        }
    }

    /// The newest key that was shown for long enough, or the first one there is.
    fn current(&self, algorithm: SignatureAlgorithm, now: Timestamp) -> Option<Arc<Key>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let is_usable =
            |key: &&Arc<Key>| key.algorithm == algorithm && key.retires_at.is_none_or(|at| now < at);
        let mut usable = keys.iter().filter(is_usable);
        let shown = |key: &&Arc<Key>| until(key.created_at, now) >= SHOWN_BEFORE;
        let found = usable.clone().rev().find(shown).or_else(|| usable.next());
        found.cloned()
    }

    /// Makes the keys that sign next, one for each algorithm in use. Those before them retire once they do.
    pub(crate) async fn rotate(&self) -> Result<Vec<SigningKey>> {
        let now = self.platform.clock().now();
        let mut next: Vec<SigningKey> = Vec::new();
        let mut changeset = Changeset::new();
        for old in self.platform.store().list_signing_keys().await? {
            if old.retires_at.is_none() {
                if next.iter().all(|key| key.algorithm != old.algorithm) {
                    next.push(Key::make(&self.platform, old.algorithm)?);
                }
                let retires_at = Some(after(now, SHOWN_BEFORE + FRESH));
                changeset = changeset.update(SigningKey { retires_at, ..old });
            } else if old.retires_at.is_some_and(|at| after(at, KEPT_AFTER) < now) {
                changeset = changeset.delete(ChangeKey::SigningKey(old.kid));
            }
        }
        changeset = next.iter().fold(changeset, |changeset, key| changeset.insert(key.clone()));
        self.platform.store().commit(changeset).await?;
        self.read().await?;
        Ok(next)
    }

    /// Whether a key has signed for this long, and none is about to take its place.
    pub(crate) async fn is_due(&self, age: Duration) -> Result<bool> {
        let now = self.platform.clock().now();
        let keys = self.platform.store().list_signing_keys().await?;
        Ok(keys.iter().any(|key| key.retires_at.is_none() && until(key.created_at, now) >= age))
    }

    /// Takes a key back that others may know: nothing that it signed is good any more. The one that comes after it signs
    /// at once, although not everybody has seen it yet.
    pub(crate) async fn retire(&self, kid: &str) -> Result<()> {
        let stored = self.platform.store().list_signing_keys().await?;
        let leaked =
            stored.iter().find(|key| key.kid == kid).ok_or_else(|| Error::not_found("signing key"))?;
        let mut changeset = Changeset::new().delete(ChangeKey::SigningKey(kid.to_owned()));
        let replaces = |key: &&SigningKey| {
            key.kid != kid && key.algorithm == leaked.algorithm && key.retires_at.is_none()
        };
        if !stored.iter().any(|key| replaces(&key)) {
            changeset = changeset.insert(Key::make(&self.platform, leaked.algorithm)?);
        }
        self.platform.store().commit(changeset).await?;
        self.read().await
    }

    /// Whether there is still a key of a name.
    pub(crate) fn knows(&self, kid: &str) -> bool {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).iter().any(|key| key.kid == kid)
    }

    /// The key whose tokens of a type begin with this; the store is asked for those that are not known, but not all the
    /// time.
    pub(crate) async fn find(&self, kind: TokenType, header: &str) -> Result<Option<Arc<Key>>> {
        let known = |ring: &Self| {
            let keys = ring.keys.read().unwrap_or_else(PoisonError::into_inner);
            keys.iter().find(|key| key.header(kind) == header).cloned()
        };
        if let Some(key) = known(self) {
            return Ok(Some(key));
        }
        if !self.claim_reading(COOLDOWN, self.platform.clock().now()) {
            return Ok(None);
        }
        self.read().await?;
        Ok(known(self))
    }

    /// The public halves, as another replica may have made them a short while ago.
    pub(crate) async fn jwks(&self) -> Value {
        self.stay_fresh(self.platform.clock().now()).await;
        let keys: Vec<Value> = self.all().iter().map(|key| key.public_jwk.clone()).collect();
        json!({ "keys": keys })
    }

    /// Whether it is time to read again; of several who ask at once one is told so.
    fn claim_reading(&self, after: Duration, now: Timestamp) -> bool {
        let mut read_at = self.read_at.lock().unwrap_or_else(PoisonError::into_inner);
        let old = until(*read_at, now) >= after;
        if old {
            *read_at = now;
        }
        old
    }

    async fn read(&self) -> Result<()> {
        let stored = self.platform.store().list_signing_keys().await?;
        let open = |key: &SigningKey| Key::open(&self.platform, key).map(Arc::new);
        let keys = stored.iter().map(open).collect::<Result<Vec<_>>>()?;
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }
}
