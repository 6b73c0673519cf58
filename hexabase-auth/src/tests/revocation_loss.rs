//! Revocation loss: sessions that end while the ephemeral store loses their revocations.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::clock::ManualClock;
use hexabase_core::ephemeral::{Allowance, EphemeralStore, MemoryEphemeral, Rate};
use hexabase_core::error::Result;
use hexabase_core::store::{CredentialStore as _, MemoryStore};

use super::{TestEnv, builder, new_auth, origin};

/// Ephemeral store that loses every revocation that is not in the tenant store yet, like a server that restarts at
/// that moment.
#[derive(Debug)]
struct LossyEphemeral {
    inner: MemoryEphemeral,
    store: Arc<MemoryStore>,
}

impl LossyEphemeral {
    async fn is_lost(&self, key: &str) -> bool {
        let Some(session) = key.strip_prefix("revoked/").and_then(|id| id.parse().ok()) else { return false };
        self.store.find_session(session).await.unwrap().is_none_or(|session| session.revoked_at.is_none())
    }
}

#[async_trait]
impl EphemeralStore for LossyEphemeral {
    async fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<()> {
        if self.is_lost(key).await { Ok(()) } else { self.inner.put(key, value, ttl).await }
    }

    async fn put_if_absent(&self, key: &str, value: &[u8], ttl: Duration) -> Result<bool> {
        self.inner.put_if_absent(key, value, ttl).await
    }

    async fn compare_and_set(&self, key: &str, expected: &[u8], value: &[u8], ttl: Duration) -> Result<bool> {
        self.inner.compare_and_set(key, expected, value, ttl).await
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.inner.get(key).await
    }

    async fn take(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.inner.take(key).await
    }

    async fn put_visible(&self, keys: &[String], ttl: Duration) -> Result<()> {
        for key in keys {
            self.put(key, b"1", ttl).await?;
        }
        Ok(())
    }

    async fn contains_cached(&self, first: &str, second: &str) -> Result<[bool; 2]> {
        self.inner.contains_cached(first, second).await
    }

    async fn take_token(&self, bucket: &str, rate: Rate) -> Result<Allowance> {
        self.inner.take_token(bucket, rate).await
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }
}

#[tokio::test]
async fn a_session_stays_revoked_if_its_revocation_is_lost_before_it_is_stored() {
    let (clock, store) = (Arc::new(ManualClock::default()), Arc::new(MemoryStore::new()));
    let ephemeral = LossyEphemeral { inner: MemoryEphemeral::new(clock.clone()), store: store.clone() };
    let platform = builder(&clock, &store).with_ephemeral(Arc::new(ephemeral)).build().unwrap();
    let env = TestEnv { auth: new_auth(platform).await, clock, store };
    let first = env.sign_in("ann@example.com").await;
    env.auth.sessions().revoke(first.user_id, first.session_id, &origin()).await.unwrap();
    assert!(!env.is_valid(&first.access_token).await);
    let second = env.sign_in("ann@example.com").await;
    env.auth.sessions().revoke_all(second.user_id, &origin()).await.unwrap();
    assert!(!env.is_valid(&second.access_token).await);
    let third = env.sign_in("ann@example.com").await;
    assert!(env.is_valid(&third.access_token).await);
}
