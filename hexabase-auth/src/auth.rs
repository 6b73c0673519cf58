//! [`Auth`], the entry point of the crate: authentication of bearer tokens, revocation checks and rotation of the
//! signing keys.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hexabase_core::Platform;
use hexabase_core::access::{Credential, Principal};
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{SessionId, TokenId};
use hexabase_core::identity::IdentityProvider;
use hexabase_core::model::{SignatureAlgorithm, SigningKey};
use hexabase_core::name::ProviderName;
use hexabase_core::platform::API_TOKEN_PREFIX;
use hexabase_core::secret::BearerToken;
use jiff::SignedDuration;
use serde_json::Value;

use crate::access_token::{AccessTokens, Audience, NewAccessToken};
use crate::config::AuthConfig;
use crate::error::invalid_credentials;
use crate::issuer::{RegisteredClient, WorkloadIdentities};
use crate::jwt::TokenIds;
use crate::keys::KeyRing;

/// Ephemeral key that marks the revocations as complete. It is in the hash-tag group of the revocations (`revoked/`),
/// so that it is lost together with them.
const REVOCATIONS_COMPLETE_KEY: &str = "revoked/complete";
/// Ephemeral key that a replica claims before it rotates the signing keys.
const KEY_ROTATION_LOCK_KEY: &str = "rotating-keys";
/// Interval between checks of the age of the signing keys.
const KEY_ROTATION_CHECK_INTERVAL: Duration = Duration::from_secs(3_600);
/// Minimum interval between two writes of the last use of an API token.
const TOKEN_USE_RECORD_INTERVAL: SignedDuration = SignedDuration::from_secs(60);

/// Sign-in, sessions and tokens of a platform.
#[derive(Debug)]
pub struct Auth {
    pub(crate) platform: Platform,
    pub(crate) providers: Vec<Arc<dyn IdentityProvider>>,
    pub(crate) clients: Vec<RegisteredClient>,
    pub(crate) workloads: Option<Arc<dyn WorkloadIdentities>>,
    pub(crate) config: AuthConfig,
    pub(crate) keys: KeyRing,
    pub(crate) access_tokens: AccessTokens,
    pub(crate) token_ids: TokenIds,
}

impl Auth {
    /// Creates an `Auth` with these identity providers. Generates the first signing key if there is none, and restores
    /// the revocations of recently ended sessions.
    ///
    /// # Errors
    /// - `Unavailable` if the store does not respond.
    /// - `Invalid` if the signing keys were encrypted with another master key.
    pub async fn new(
        platform: Platform,
        providers: Vec<Arc<dyn IdentityProvider>>,
        config: AuthConfig,
    ) -> Result<Self> {
        let keys = KeyRing::load(platform.clone()).await?;
        let access_tokens = AccessTokens::new(&platform, &config);
        let token_ids = TokenIds::new(&**platform.ids());
        let auth = Self {
            access_tokens,
            token_ids,
            platform,
            providers,
            clients: Vec::new(),
            workloads: None,
            config,
            keys,
        };
        auth.restore_revocations().await?;
        Ok(auth)
    }

    /// Sets the registered clients of the OpenID Connect provider.
    #[must_use]
    pub fn with_clients(self, clients: Vec<RegisteredClient>) -> Self {
        Self { clients, ..self }
    }

    /// Sets the verifier of workload tokens, which can then be exchanged for cluster tokens.
    #[must_use]
    pub fn with_workloads(self, workloads: Arc<dyn WorkloadIdentities>) -> Self {
        Self { workloads: Some(workloads), ..self }
    }

    /// Returns the platform.
    #[must_use]
    pub const fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Returns the configuration: lifetimes of tokens, sessions and keys.
    #[must_use]
    pub const fn config(&self) -> &AuthConfig {
        &self.config
    }

    /// Returns the identity providers that users can sign in with.
    pub fn providers(&self) -> impl Iterator<Item = &dyn IdentityProvider> {
        self.providers.iter().map(|provider| &**provider)
    }

    /// Returns the identity provider with this name.
    ///
    /// # Errors
    /// `NotFound` if there is none.
    pub fn provider(&self, name: &str) -> Result<&dyn IdentityProvider> {
        let found = self.providers().find(|provider| provider.name().as_str() == name);
        found.ok_or_else(|| Error::not_found("sign-in provider"))
    }

    /// Returns the public keys of all signing keys as a JSON Web Key Set (RFC 7517).
    pub async fn jwks(&self) -> Value {
        self.keys.jwks().await
    }

    /// Lists all signing keys, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>> {
        self.platform.store().list_signing_keys().await
    }

    /// Generates the next signing keys, one per algorithm in use. They are published for ten minutes before they sign,
    /// so that all verifiers know them in time. Then the previous keys retire; tokens that they signed stay valid
    /// until they expire.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn rotate_keys(&self) -> Result<Vec<SigningKey>> {
        self.keys.rotate().await
    }

    /// Rotates the signing keys each time they reach the age of [`AuthConfig::signing_key_rotation`], until `stop`
    /// completes. Replicas may run this concurrently: one of them performs each rotation.
    pub async fn run_key_rotation(&self, stop: impl Future<Output = ()> + Send) {
        let Some(age) = self.config.signing_key_rotation else { return };
        let rotation = async {
            loop {
                if let Err(error) = self.rotate_keys_if_due(age).await {
                    tracing::warn!(%error, "signing key rotation failed; retrying at the next check");
                }
                self.platform.clock().sleep(KEY_ROTATION_CHECK_INTERVAL).await;
            }
        };
        futures_util::future::select(pin!(rotation), pin!(stop)).await;
    }

    async fn rotate_keys_if_due(&self, age: Duration) -> Result<()> {
        if !self.keys.is_rotation_due(age).await? {
            return Ok(());
        }
        // A concurrent second rotation would generate redundant keys.
        let is_first = self
            .platform
            .ephemeral()
            .put_if_absent(KEY_ROTATION_LOCK_KEY, b"1", KEY_ROTATION_CHECK_INTERVAL)
            .await?;
        if is_first {
            for key in self.keys.rotate().await? {
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
    pub async fn retire_key(&self, kid: &str) -> Result<()> {
        self.keys.retire(kid).await
    }

    /// Authenticates a bearer token: an access token or an API token.
    ///
    /// # Errors
    /// - `Unauthenticated` if it is not a valid token of this server; the error does not reveal why.
    /// - `Unavailable` if the token cannot be checked.
    pub async fn authenticate(&self, bearer: &str) -> Result<Principal> {
        if bearer.starts_with(API_TOKEN_PREFIX) {
            return self.authenticate_api_token(bearer).await;
        }
        let claims = self.access_tokens.verify(&self.keys, bearer, self.platform.clock().now()).await?;
        if claims.audience != Audience::Api {
            return Err(invalid_credentials());
        }
        self.require_token_not_revoked(&claims).await?;
        Ok(Principal { user_id: claims.user_id, credential: Credential::Session(claims.session_id) })
    }

    async fn authenticate_api_token(&self, bearer: &str) -> Result<Principal> {
        let (id, verifier) =
            BearerToken::split::<TokenId>(API_TOKEN_PREFIX, bearer).ok_or_else(invalid_credentials)?;
        let store = self.platform.store();
        let token = store.find_api_token(id).await?.ok_or_else(invalid_credentials)?;
        let now = self.platform.clock().now();
        if !token.hash.matches(&verifier) || !token.is_alive(now) {
            return Err(invalid_credentials());
        }
        if token.used_at.is_none_or(|used| now.duration_since(used) >= TOKEN_USE_RECORD_INTERVAL)
            && let Err(error) = store.touch_api_token(id, now).await
        {
            tracing::debug!(%error, token = %id, "recording the use of an API token failed");
        }
        Ok(Principal { user_id: token.user_id, credential: Credential::Token(id, token.scopes) })
    }

    /// Rejects a principal whose session or API token has ended since it authenticated. For responses that outlive the
    /// authentication of their request.
    ///
    /// # Errors
    /// - `Unauthenticated` if the session or token has ended.
    /// - `Unavailable` if that cannot be checked.
    pub async fn require_alive(&self, principal: &Principal) -> Result<()> {
        let (store, now) = (self.platform.store(), self.platform.clock().now());
        let alive = match &principal.credential {
            Credential::Session(id) => {
                self.require_not_revoked(*id).await?;
                store.find_session(*id).await?.is_some_and(|session| session.is_alive(now))
            }
            Credential::Token(id, _) => {
                store.find_api_token(*id).await?.is_some_and(|token| token.is_alive(now))
            }
            // A workload token authenticates the request that carries it, and nothing after it.
            Credential::Workload => false,
        };
        if alive { Ok(()) } else { Err(invalid_credentials()) }
    }

    /// Rejects a revoked session. Fails if the revocations cannot be read.
    pub(crate) async fn require_not_revoked(&self, session: SessionId) -> Result<()> {
        let (ephemeral, key) = (self.platform.ephemeral(), revocation_key(session));
        let [revoked, complete] = ephemeral.contains_cached([&key, REVOCATIONS_COMPLETE_KEY]).await?;
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
            self.platform.ephemeral().put(&revocation_key(*session), b"1", ttl).await?;
        }
        Ok(())
    }

    /// Records revocations like `record_revocations`; after return every replica sees them.
    pub(crate) async fn publish_revocations(&self, sessions: &[SessionId]) -> Result<()> {
        let keys: Vec<_> = sessions.iter().copied().map(revocation_key).collect();
        self.platform.ephemeral().put_visible(&keys, self.revocation_ttl()).await
    }

    pub(crate) fn revocation_ttl(&self) -> Duration {
        self.config.access_token_lifetime + Duration::from_secs(60)
    }

    /// Records the recent revocations of the store again, since the ephemeral store may have lost them. While the
    /// completeness marker is missing, no replica relies on cached revocations, so there is no need to wait until all
    /// replicas see the new ones.
    async fn restore_revocations(&self) -> Result<()> {
        let lifetime =
            SignedDuration::try_from(self.config.access_token_lifetime).unwrap_or(SignedDuration::MAX);
        let since = self.platform.clock().now().saturating_sub(lifetime).unwrap_or(jiff::Timestamp::MIN);
        self.record_revocations(&self.platform.store().list_revoked_sessions(since).await?).await?;
        self.platform.ephemeral().put(REVOCATIONS_COMPLETE_KEY, b"1", Duration::from_secs(86_400)).await
    }

    /// Issues an access token.
    pub(crate) async fn issue_access_token(&self, new_token: &NewAccessToken<'_>) -> Result<String> {
        let now = self.platform.clock().now();
        let key = self.keys.signing_key(SignatureAlgorithm::Es256, now).await?;
        self.access_tokens.issue(&key, new_token, now, &self.token_ids.next())
    }

    pub(crate) fn provider_name(name: &str) -> Result<ProviderName> {
        ProviderName::parse(name).map_err(|error| Error::unexpected(error.to_string()))
    }
}

fn revocation_key(session: SessionId) -> String {
    format!("revoked/{session}")
}
