//! Revocations: ended sessions, whose access tokens are rejected although they have not expired.

use std::time::Duration;

use hexabase_core::error::Result;
use hexabase_core::id::SessionId;
use jiff::SignedDuration;

use crate::error::invalid_credentials;
use crate::sessions::Sessions;

/// Ephemeral key that marks the revocations as complete. It is in the hash-tag group of the revocations (`revoked/`),
/// so that it is lost together with them.
const REVOCATIONS_COMPLETE_KEY: &str = "revoked/complete";

impl Sessions<'_> {
    /// Rejects a revoked session. Fails if the revocations cannot be read.
    pub(crate) async fn require_not_revoked(&self, session: SessionId) -> Result<()> {
        let (ephemeral, key) = (self.0.platform.ephemeral(), revocation_key(session));
        let [revoked, complete] = ephemeral.contains_cached(&key, REVOCATIONS_COMPLETE_KEY).await?;
        let revoked = if complete {
            revoked
        } else {
            // The ephemeral store lost its data, so a missing revocation does not prove that the session is valid.
            self.restore_revocations().await?;
            ephemeral.get(&key).await?.is_some()
        };
        if revoked { Err(invalid_credentials()) } else { Ok(()) }
    }

    /// Records in the ephemeral store that sessions are revoked, for as long as their access tokens could be valid.
    pub(crate) async fn record_revocations(&self, sessions: &[SessionId]) -> Result<()> {
        let ttl = self.revocation_ttl();
        for session in sessions {
            self.0.platform.ephemeral().put(&revocation_key(*session), b"1", ttl).await?;
        }
        Ok(())
    }

    /// Records revocations like `record_revocations`; after return every replica sees them.
    pub(crate) async fn publish_revocations(&self, sessions: &[SessionId]) -> Result<()> {
        let keys: Vec<_> = sessions.iter().copied().map(revocation_key).collect();
        self.0.platform.ephemeral().put_visible(&keys, self.revocation_ttl()).await
    }

    pub(crate) fn revocation_ttl(&self) -> Duration {
        self.0.config.access_token_lifetime + Duration::from_secs(60)
    }

    /// Records the recent revocations of the store again, since the ephemeral store may have lost them. While the
    /// completeness marker is missing, no replica relies on cached revocations, so there is no need to wait until all
    /// replicas see the new ones.
    pub(crate) async fn restore_revocations(&self) -> Result<()> {
        let lifetime =
            SignedDuration::try_from(self.0.config.access_token_lifetime).unwrap_or(SignedDuration::MAX);
        let since = self.0.platform.clock().now().saturating_sub(lifetime).unwrap_or(jiff::Timestamp::MIN);
        self.record_revocations(&self.0.platform.store().list_revoked_sessions(since).await?).await?;
        self.0.platform.ephemeral().put(REVOCATIONS_COMPLETE_KEY, b"1", Duration::from_secs(86_400)).await
    }
}

fn revocation_key(session: SessionId) -> String {
    format!("revoked/{session}")
}
