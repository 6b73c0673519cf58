//! Development provider: sign-in without an external identity provider.

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

use crate::digest::hash;
use crate::error::invalid_credentials;
use crate::query::with_query;

/// Lifetime of an authorization code.
const DEV_CODE_LIFETIME: Duration = Duration::from_secs(60);

/// Identity provider for development: a user can sign in with any address, without proof of ownership. It exists only
/// if the operator enabled it at start; no request can enable it.
pub struct DevProvider {
    name: ProviderName,
    platform: Platform,
}

impl fmt::Debug for DevProvider {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("DevProvider")
    }
}

/// Sign-in that waits for the user to enter an address.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PendingApproval {
    /// Redirect URI that receives the code.
    pub redirect_uri: String,
    /// `state` of the authorization request, returned with the code.
    pub state: String,
    /// `nonce` of the authorization request.
    pub nonce: String,
    /// `code_challenge` of the authorization request.
    pub code_challenge: String,
}

/// Identity and authorization request of an issued code.
#[derive(Serialize, Deserialize)]
struct IssuedCode {
    email: Email,
    name: Option<DisplayName>,
    request: PendingApproval,
}

impl DevProvider {
    /// Creates the development provider of a platform.
    ///
    /// # Errors
    /// None in practice: the name of the provider is a valid constant.
    pub fn new(platform: Platform) -> Result<Self> {
        Ok(Self { name: dev_name()?, platform })
    }

    /// Returns the identity of the owner of an address.
    #[must_use]
    pub fn identity(email: &Email, name: Option<DisplayName>) -> ExternalIdentity {
        ExternalIdentity {
            subject: email.to_string(),
            verified_email: Some(email.clone()),
            name,
            auth_time: None,
        }
    }

    /// Completes a sign-in with the address that the user entered; returns the URL to redirect the browser to.
    ///
    /// # Errors
    /// - `Invalid` if the redirect URI is not the callback of this server: codes are sent nowhere else.
    /// - `Unavailable`.
    pub async fn approve(
        &self,
        request: PendingApproval,
        email: Email,
        name: Option<DisplayName>,
    ) -> Result<String> {
        if request.redirect_uri != format!("{}/auth/callback/dev", self.platform.config().public_url) {
            return Err(Error::invalid("redirect_uri", "must be the callback of this server"));
        }
        let code = URL_SAFE_NO_PAD.encode(self.platform.ids().bytes::<32>());
        let location =
            with_query(&request.redirect_uri, &[("code", Some(&code)), ("state", Some(&request.state))]);
        let issued = serde_json::to_vec(&IssuedCode { email, name, request }).map_err(|error| {
            Error::unexpected("serializing an authorization code as JSON failed").caused_by(error)
        })?;
        self.platform.ephemeral().put(&code_key(&code), &issued, DEV_CODE_LIFETIME).await?;
        Ok(location)
    }
}

fn dev_name() -> Result<ProviderName> {
    ProviderName::parse("dev").map_err(|error| Error::unexpected(error.to_string()))
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
        "Development (any address, no password)"
    }

    async fn authorization_url(&self, request: &AuthorizationRequest) -> Result<String> {
        let page = format!("{}/auth/dev/authorize", self.platform.config().public_url);
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
        let found = self.platform.ephemeral().take(&code_key(exchange.code.expose_secret())).await?;
        let issued: IssuedCode =
            found.and_then(|bytes| serde_json::from_slice(&bytes).ok()).ok_or_else(invalid_credentials)?;
        let challenge = hash(exchange.code_verifier.expose_secret());
        let matches = issued.request.code_challenge == challenge
            && issued.request.nonce == exchange.nonce
            && issued.request.redirect_uri == exchange.redirect_uri;
        if !matches {
            return Err(invalid_credentials());
        }
        // The page has no memory: each code means that a user has just entered an address.
        let auth_time = Some(self.platform.clock().now());
        Ok(ExternalIdentity { auth_time, ..Self::identity(&issued.email, issued.name) })
    }
}
