//! Signing in without anybody who knows people, for development.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hexabase_core::Platform;
use hexabase_core::error::{Error, Result};
use hexabase_core::id_source::IdSourceExt as _;
use hexabase_core::identity::{AuthorizationRequest, CodeExchange, ExternalIdentity, IdentityProvider};
use hexabase_core::name::{DisplayName, Email, ProviderName};
use hexabase_core::secret::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use crate::auth::Auth;
use crate::digest::hash;
use crate::query::with_query;
use crate::refusal::refused;

/// How long a code is good for.
const CODE_LIFETIME: Duration = Duration::from_secs(60);

/// Lets anybody sign in as anybody: whoever types an address is taken to own it. It exists only where an
/// operator asked for it at start; no request can bring it about.
pub struct DevProvider {
    name: ProviderName,
    platform: Platform,
}

impl fmt::Debug for DevProvider {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("DevProvider")
    }
}

/// A sign-in that waits for somebody to say who they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PendingApproval {
    /// Where the browser goes with the code.
    pub redirect_uri: String,
    /// What goes with it.
    pub state: String,
    /// As in the authorization request.
    pub nonce: String,
    /// As in the authorization request.
    pub code_challenge: String,
}

/// What a code stands for.
#[derive(Serialize, Deserialize)]
struct Grant {
    email: Email,
    name: Option<DisplayName>,
    request: PendingApproval,
}

impl DevProvider {
    /// The development provider of a platform.
    ///
    /// # Errors
    /// Never in practice: its name is valid.
    pub fn new(platform: Platform) -> Result<Self> {
        Ok(Self { name: Auth::provider_name("dev")?, platform })
    }

    /// The identity of whoever says they own an address.
    #[must_use]
    pub fn identity(email: &Email, name: Option<DisplayName>) -> ExternalIdentity {
        ExternalIdentity { subject: email.to_string(), verified_email: Some(email.clone()), name }
    }

    /// Somebody said who they are: answers where their browser goes.
    ///
    /// # Errors
    /// - `Invalid` for a redirect URI that is not this server's own callback: codes go nowhere else.
    /// - `Unavailable`.
    pub async fn approve(
        &self,
        request: PendingApproval,
        email: Email,
        name: Option<DisplayName>,
    ) -> Result<String> {
        if request.redirect_uri != format!("{}/auth/callback/dev", self.platform.settings().public_url) {
            return Err(Error::invalid("redirect_uri", "must be the callback of this server"));
        }
        let code = URL_SAFE_NO_PAD.encode(self.platform.ids().bytes::<32>());
        let location =
            with_query(&request.redirect_uri, &[("code", Some(&code)), ("state", Some(&request.state))]);
        let grant = serde_json::to_vec(&Grant { email, name, request })
            .map_err(|error| Error::unexpected("a grant cannot be written as JSON").caused_by(error))?;
        self.platform.ephemeral().put(&code_key(&code), &grant, CODE_LIFETIME).await?;
        Ok(location)
    }
}

fn code_key(code: &str) -> String {
    format!("dev-code:{}", hash(code))
}

#[async_trait]
impl IdentityProvider for DevProvider {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn title(&self) -> &str {
        "Development (anybody can be anybody)"
    }

    async fn authorization_url(&self, request: &AuthorizationRequest) -> Result<String> {
        let page = format!("{}/auth/dev/authorize", self.platform.settings().public_url);
        Ok(with_query(
            &page,
            &[
                ("redirect_uri", Some(&request.redirect_uri)),
                ("state", Some(&request.state)),
                ("nonce", Some(&request.nonce)),
                ("code_challenge", Some(&request.code_challenge)),
            ],
        ))
    }

    async fn exchange(&self, exchange: &CodeExchange) -> Result<ExternalIdentity> {
        let stored = self.platform.ephemeral().take(&code_key(exchange.code.expose_secret())).await?;
        let grant: Grant =
            stored.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(refused)?;
        let challenge = hash(exchange.code_verifier.expose_secret());
        let fits = grant.request.code_challenge == challenge
            && grant.request.nonce == exchange.nonce
            && grant.request.redirect_uri == exchange.redirect_uri;
        if fits { Ok(Self::identity(&grant.email, grant.name)) } else { Err(refused()) }
    }
}
