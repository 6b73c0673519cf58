//! Sessions that end while whoever keeps revocations loses them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hexabase_core::clock::ManualClock;
use hexabase_core::ephemeral::{Allowance, EphemeralStore, MemoryEphemeral, Rate};
use hexabase_core::error::Result;
use hexabase_core::store::{CredentialStore as _, MemoryStore};

use super::{World, auth_of, builder, origin};

/// Loses every revocation that the store does not know of yet, as a server that is started anew at that moment.
#[derive(Debug)]
struct Forgetful {
    inner: MemoryEphemeral,
    store: Arc<MemoryStore>,
}

impl Forgetful {
    async fn loses(&self, key: &str) -> bool {
        let Some(session) = key.strip_prefix("revoked/").and_then(|id| id.parse().ok()) else { return false };
        self.store.find_session(session).await.unwrap().is_none_or(|session| session.revoked_at.is_none())
    }
}

#[async_trait]
impl EphemeralStore for Forgetful {
    async fn put(&self, key: &str, value: &[u8], ttl: Duration) -> Result<()> {
        if self.loses(key).await { Ok(()) } else { self.inner.put(key, value, ttl).await }
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

    async fn announce(&self, keys: &[String], ttl: Duration) -> Result<()> {
        for key in keys {
            self.put(key, b"1", ttl).await?;
        }
        Ok(())
    }

    async fn are_announced(&self, keys: [&str; 2]) -> Result<[bool; 2]> {
        self.inner.are_announced(keys).await
    }

    async fn take_token(&self, bucket: &str, rate: Rate) -> Result<Allowance> {
        self.inner.take_token(bucket, rate).await
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }
}

#[tokio::test]
async fn a_session_is_over_even_if_that_is_forgotten_before_the_store_knows() {
    let (clock, store) = (Arc::new(ManualClock::default()), Arc::new(MemoryStore::new()));
    let forgetful = Forgetful { inner: MemoryEphemeral::new(clock.clone()), store: store.clone() };
    let platform = builder(&clock, &store).with_ephemeral(Arc::new(forgetful)).build().unwrap();
    let world = World { auth: auth_of(platform).await, clock, store };
    let one = world.sign_in("ann@example.com").await;
    world.auth.revoke(one.user_id, one.session_id, &origin()).await.unwrap();
    assert!(!world.is_valid(&one.access_token).await);
    let two = world.sign_in("ann@example.com").await;
    world.auth.revoke_all(two.user_id, &origin()).await.unwrap();
    assert!(!world.is_valid(&two.access_token).await);
    let three = world.sign_in("ann@example.com").await;
    assert!(world.is_valid(&three.access_token).await);
}
