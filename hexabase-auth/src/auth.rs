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
use hexabase_core::platform::TOKEN_PREFIX;
use hexabase_core::secret::BearerToken;
use jiff::SignedDuration;
use serde_json::Value;

use crate::access_token::{AccessTokens, Audience, Issued};
use crate::config::AuthConfig;
use crate::issuer::{RegisteredClient, WorkloadIdentities};
use crate::jwt::TokenIds;
use crate::keys::KeyRing;
use crate::refusal::refused;

/// Says that every revocation is known where this is kept: on the shelf of the revocations, so that it is lost with them.
const COMPLETE: &str = "revoked/complete";
/// Says that somebody is making the next signing keys.
const ROTATING: &str = "rotating-keys";
/// How often to look whether that is due.
const LOOK_AT_KEYS_EVERY: Duration = Duration::from_secs(3_600);
/// How often the use of an API token is noted.
const NOTE_USE_EVERY: SignedDuration = SignedDuration::from_secs(60);

/// Sign-in, sessions and tokens over a platform.
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
    /// Sign-in with these providers. Makes the first signing key if there is none, and learns which sessions
    /// were ended a short while ago.
    ///
    /// # Errors
    /// - `Unavailable` when the store does not answer.
    /// - `Invalid` when signing keys were sealed with another master key.
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
        auth.recall_revocations().await?;
        Ok(auth)
    }

    /// The same, which is an OpenID Connect provider for these clients too.
    #[must_use]
    pub fn with_clients(self, clients: Vec<RegisteredClient>) -> Self {
        Self { clients, ..self }
    }

    /// The same, which lets programs into clusters that others vouch for.
    #[must_use]
    pub fn with_workloads(self, workloads: Arc<dyn WorkloadIdentities>) -> Self {
        Self { workloads: Some(workloads), ..self }
    }

    /// What it works on.
    #[must_use]
    pub const fn platform(&self) -> &Platform {
        &self.platform
    }

    /// How long tokens and sessions last.
    #[must_use]
    pub const fn config(&self) -> &AuthConfig {
        &self.config
    }

    /// The ways to sign in.
    pub fn providers(&self) -> impl Iterator<Item = &dyn IdentityProvider> {
        self.providers.iter().map(|provider| &**provider)
    }

    /// A way to sign in.
    ///
    /// # Errors
    /// `NotFound` when there is none of that name.
    pub fn provider(&self, name: &str) -> Result<&dyn IdentityProvider> {
        let found = self.providers().find(|provider| provider.name().as_str() == name);
        found.ok_or_else(|| Error::not_found("sign-in provider"))
    }

    /// The public halves of all signing keys, as a JSON Web Key Set (RFC 7517).
    ///
    pub async fn jwks(&self) -> Value {
        self.keys.jwks().await
    }

    /// All signing keys, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>> {
        self.platform.store().list_signing_keys().await
    }

    /// Makes the signing keys that come next, one for each algorithm in use. For ten minutes they are only shown, so
    /// that everybody knows them when they begin to sign; then the keys before them retire, and what those signed stays
    /// valid until it expires.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn rotate_keys(&self) -> Result<Vec<SigningKey>> {
        self.keys.rotate().await
    }

    /// Makes the next signing keys whenever those that there are have signed for as long as the configuration says, until
    /// `stop`. Of several replicas that do this one at a time does it.
    pub async fn look_after_keys(&self, stop: impl Future<Output = ()> + Send) {
        let Some(age) = self.config.signing_keys else { return };
        let looking = async {
            loop {
                if let Err(error) = self.rotate_keys_after(age).await {
                    tracing::warn!(%error, "nobody knows whether the signing keys are due; looking again later");
                }
                self.platform.clock().sleep(LOOK_AT_KEYS_EVERY).await;
            }
        };
        futures_util::future::select(pin!(looking), pin!(stop)).await;
    }

    async fn rotate_keys_after(&self, age: Duration) -> Result<()> {
        if !self.keys.is_due(age).await? {
            return Ok(());
        }
        // Whoever is second would make keys that nobody needs.
        let is_first = self.platform.ephemeral().put_if_absent(ROTATING, b"1", LOOK_AT_KEYS_EVERY).await?;
        if is_first {
            for key in self.keys.rotate().await? {
                tracing::info!(kid = %key.kid, "a new signing key is shown; it signs in ten minutes");
            }
        }
        Ok(())
    }

    /// Takes back a signing key that others may know: what it signed is refused from now on, here at once and by other
    /// replicas within half a minute. Sessions live on; their next tokens are signed with another key.
    ///
    /// # Errors
    /// - `NotFound` when there is no such key.
    /// - `Unavailable`.
    pub async fn retire_key(&self, kid: &str) -> Result<()> {
        self.keys.retire(kid).await
    }

    /// Whoever a bearer token stands for: an access token or an API token.
    ///
    /// # Errors
    /// - `Unauthenticated` for whatever is not a valid token of ours, without saying why.
    /// - `Unavailable` when it cannot be checked.
    pub async fn authenticate(&self, bearer: &str) -> Result<Principal> {
        if bearer.starts_with(TOKEN_PREFIX) {
            return self.authenticate_api_token(bearer).await;
        }
        let claims = self.access_tokens.verify(&self.keys, bearer, self.platform.clock().now()).await?;
        if claims.audience != Audience::Api {
            return Err(refused());
        }
        self.require_not_revoked(claims.session_id).await?;
        Ok(Principal { user_id: claims.user_id, credential: Credential::Session(claims.session_id) })
    }

    async fn authenticate_api_token(&self, bearer: &str) -> Result<Principal> {
        let (id, verifier) = BearerToken::split::<TokenId>(TOKEN_PREFIX, bearer).ok_or_else(refused)?;
        let store = self.platform.store();
        let token = store.find_api_token(id).await?.ok_or_else(refused)?;
        let now = self.platform.clock().now();
        if !token.hash.matches(&verifier) || !token.is_alive(now) {
            return Err(refused());
        }
        if token.used_at.is_none_or(|used| now.duration_since(used) >= NOTE_USE_EVERY)
            && let Err(error) = store.touch_api_token(id, now).await
        {
            tracing::debug!(%error, token = %id, "the use of a token was not noted");
        }
        Ok(Principal { user_id: token.user_id, credential: Credential::Token(id, token.scopes) })
    }

    /// Refuses a principal whose session or token is over by now: for what goes on after it was let in.
    ///
    /// # Errors
    /// - `Unauthenticated` when it is over.
    /// - `Unavailable` when that cannot be found out.
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
            // It is vouched for at the moment it comes, and not beyond.
            Credential::Workload => false,
        };
        if alive { Ok(()) } else { Err(refused()) }
    }

    /// Refuses a session that was ended. Fails when that cannot be found out.
    pub(crate) async fn require_not_revoked(&self, session: SessionId) -> Result<()> {
        let (ephemeral, key) = (self.platform.ephemeral(), revocation_key(session));
        let [revoked, complete] = ephemeral.are_announced([&key, COMPLETE]).await?;
        let revoked = if complete {
            revoked
        } else {
            // It was started anew and remembers nothing: what it does not know is not yet allowed.
            self.recall_revocations().await?;
            ephemeral.get(&key).await?.is_some()
        };
        if revoked { Err(refused()) } else { Ok(()) }
    }

    /// Notes that sessions are over where every request looks, for as long as their access tokens could be used.
    pub(crate) async fn note_revocations(&self, sessions: &[SessionId]) -> Result<()> {
        let kept = self.revocations_kept();
        for session in sessions {
            self.platform.ephemeral().put(&revocation_key(*session), b"1", kept).await?;
        }
        Ok(())
    }

    /// The same, and every replica knows when this returns.
    pub(crate) async fn announce_revocations(&self, sessions: &[SessionId]) -> Result<()> {
        let over: Vec<_> = sessions.iter().copied().map(revocation_key).collect();
        self.platform.ephemeral().announce(&over, self.revocations_kept()).await
    }

    fn revocations_kept(&self) -> Duration {
        self.config.access_token + Duration::from_secs(60)
    }

    /// Notes again what was ended a short while ago: whoever keeps revocations may have forgotten them. Nobody goes by
    /// anything else meanwhile, so there is nobody to wait for.
    async fn recall_revocations(&self) -> Result<()> {
        let life = SignedDuration::try_from(self.config.access_token).unwrap_or(SignedDuration::MAX);
        let since = self.platform.clock().now().saturating_sub(life).unwrap_or(jiff::Timestamp::MIN);
        self.note_revocations(&self.platform.store().list_revoked_sessions(since).await?).await?;
        self.platform.ephemeral().put(COMPLETE, b"1", Duration::from_secs(86_400)).await
    }

    /// Signs an access token.
    pub(crate) async fn issue_access_token(&self, issued: &Issued<'_>) -> Result<String> {
        let now = self.platform.clock().now();
        let key = self.keys.signing(SignatureAlgorithm::Es256, now).await?;
        self.access_tokens.issue(&key, issued, now, &self.token_ids.next())
    }

    pub(crate) fn provider_name(name: &str) -> Result<ProviderName> {
        ProviderName::parse(name).map_err(|error| Error::unexpected(error.to_string()))
    }
}

fn revocation_key(session: SessionId) -> String {
    format!("revoked/{session}")
}
