//! Signing keys: the key ring, key rotation and the published key set (JWKS).

mod ecdsa_signature;
mod key_ring;
mod loaded_key;

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use hexabase_core::error::Result;
use hexabase_core::model::SigningKey;
use hexabase_core::telemetry::Series;
use serde_json::Value;

use crate::auth::Auth;

pub(crate) use key_ring::KeyRing;
pub(crate) use loaded_key::{LoadedKey, TokenType};

/// Age of the oldest signing key that has no successor yet.
const SIGNING_KEY_AGE_SECONDS: &str = "hexabase_signing_key_age_seconds";
/// Metric series that this crate records: see [`hexabase_core::telemetry`].
pub const METRIC_SERIES: &[Series] = &[Series::gauge(
    SIGNING_KEY_AGE_SECONDS,
    &[],
    "age of the oldest signing key without a successor; only with automatic rotation",
)];
/// Ephemeral key that a replica claims before it rotates the signing keys.
const ROTATION_LOCK_KEY: &str = "rotating-keys";
/// Interval between checks of the age of the signing keys.
const ROTATION_CHECK_INTERVAL: Duration = Duration::from_secs(3_600);

/// Signing keys of the installation.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'a>(pub(crate) &'a Auth);

impl Keys<'_> {
    /// Returns the public keys of all signing keys as a JSON Web Key Set (RFC 7517).
    pub async fn jwks(&self) -> Value {
        self.0.key_ring.jwks().await
    }

    /// Lists all signing keys, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list(&self) -> Result<Vec<SigningKey>> {
        self.0.platform.store().list_signing_keys().await
    }

    /// Generates the next signing keys, one per algorithm in use. They are published for ten minutes before they sign,
    /// so that all verifiers know them in time. Then the previous keys retire; tokens that they signed stay valid
    /// until they expire.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn rotate(&self) -> Result<Vec<SigningKey>> {
        self.0.key_ring.rotate().await
    }

    /// Rotates the signing keys each time they reach the age of
    /// [`AuthConfig::signing_key_rotation`](crate::AuthConfig::signing_key_rotation), until `stop` completes. Replicas
    /// may run this concurrently: one of them performs each rotation.
    pub async fn run_rotation(&self, stop: impl Future<Output = ()> + Send) {
        let Some(age) = self.0.config.signing_key_rotation else { return };
        let rotation = async {
            loop {
                if let Err(error) = self.rotate_if_due(age).await {
                    tracing::warn!(%error, "signing key rotation failed; retrying at the next check");
                }
                self.0.platform.clock().sleep(ROTATION_CHECK_INTERVAL).await;
            }
        };
        futures_util::future::select(pin!(rotation), pin!(stop)).await;
    }

    async fn rotate_if_due(&self, age: Duration) -> Result<()> {
        if !self.0.key_ring.is_rotation_due(age).await? {
            return Ok(());
        }
        // A concurrent second rotation would generate redundant keys.
        let ephemeral = self.0.platform.ephemeral();
        if ephemeral.put_if_absent(ROTATION_LOCK_KEY, b"1", ROTATION_CHECK_INTERVAL).await? {
            for key in self.rotate().await? {
                tracing::info!(kid = %key.kid, "signing key published; active in 10 min");
            }
        }
        Ok(())
    }

    /// Revokes a leaked signing key: tokens that it signed are rejected, by this process at once and by other replicas
    /// within 30 seconds. Sessions stay valid; their next tokens are signed with another key.
    ///
    /// # Errors
    /// - `NotFound` if there is no such key.
    /// - `Unavailable`.
    pub async fn retire(&self, kid: &str) -> Result<()> {
        self.0.key_ring.retire(kid).await
    }
}
