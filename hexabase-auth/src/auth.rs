//! [`Auth`], the entry point of the crate.

use std::sync::Arc;

use hexabase_core::Platform;
use hexabase_core::error::Result;
use hexabase_core::identity::IdentityProvider;

use crate::access_token::AccessTokens;
use crate::api_tokens::ApiTokens;
use crate::config::AuthConfig;
use crate::issuer::{OidcIssuer, RegisteredClient, WorkloadIdentities};
use crate::jwt::TokenIds;
use crate::keys::{KeyRing, Keys};
use crate::sessions::Sessions;
use crate::sign_in::SignIn;

/// Sign-in, sessions and tokens of a platform.
#[derive(Debug)]
pub struct Auth {
    pub(crate) platform: Platform,
    pub(crate) providers: Vec<Arc<dyn IdentityProvider>>,
    pub(crate) clients: Vec<RegisteredClient>,
    pub(crate) workloads: Option<Arc<dyn WorkloadIdentities>>,
    pub(crate) config: AuthConfig,
    pub(crate) key_ring: KeyRing,
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
        let key_ring = KeyRing::load(platform.clone()).await?;
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
            key_ring,
        };
        auth.sessions().restore_revocations().await?;
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

    /// `true` if tokens of other issuers can be exchanged for cluster tokens of service accounts.
    #[must_use]
    pub const fn accepts_workload_tokens(&self) -> bool {
        self.workloads.is_some()
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

    /// Sign-in with identity providers.
    #[must_use]
    pub const fn sign_in(&self) -> SignIn<'_> {
        SignIn(self)
    }

    /// Sessions of users.
    #[must_use]
    pub const fn sessions(&self) -> Sessions<'_> {
        Sessions(self)
    }

    /// API tokens of users.
    #[must_use]
    pub const fn api_tokens(&self) -> ApiTokens<'_> {
        ApiTokens(self)
    }

    /// Signing keys.
    #[must_use]
    pub const fn keys(&self) -> Keys<'_> {
        Keys(self)
    }

    /// OpenID Connect provider of tenant clusters and registered clients.
    #[must_use]
    pub const fn issuer(&self) -> OidcIssuer<'_> {
        OidcIssuer(self)
    }
}
