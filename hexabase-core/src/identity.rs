//! Extension point for upstream sign-in.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;
use crate::name::{DisplayName, Email, ProviderName};
use crate::secret::SecretString;

/// Authenticates people with an external provider: an OpenID Connect provider, GitHub, or the development provider,
/// which authenticates without credentials.
///
/// The flow is authorization code with PKCE (RFC 7636, `S256`): [`authorization_url`] returns the URL for the browser,
/// [`exchange`] turns the returned code into a verified identity. The caller creates, stores and compares state, nonce
/// and verifier; the provider only transports them.
///
/// [`authorization_url`]: IdentityProvider::authorization_url
/// [`exchange`]: IdentityProvider::exchange
#[cfg_attr(any(test, feature = "mock"), mockall::automock)]
#[async_trait]
pub trait IdentityProvider: fmt::Debug + Send + Sync + 'static {
    /// Returns the name of the provider in this installation, which is part of its callback path.
    fn name(&self) -> &ProviderName;

    /// Returns the display name of the provider.
    fn title(&self) -> &str;

    /// Returns the URL to which the browser is redirected.
    ///
    /// # Behaviour
    /// - The URL carries `state`, the redirect URI and the PKCE challenge, and no secret.
    ///
    /// # Errors
    /// `Unavailable` if the provider must be queried first and does not respond.
    async fn authorization_url(&self, request: &AuthorizationRequest) -> Result<String>;

    /// Exchanges an authorization code for the verified identity.
    ///
    /// # Behaviour
    /// - A code is valid once.
    /// - A code is valid only with the verifier, the nonce and the redirect URI of its authorization request.
    ///
    /// # Errors
    /// - `Unauthenticated` for a code that is wrong, used, expired or issued for another request, and for a response
    ///   that
    ///   cannot be verified.
    /// - `Forbidden` for a person whom the provider authenticates and this installation does not admit.
    /// - `Unavailable` if the provider does not respond.
    async fn exchange(&self, code: &CodeExchange) -> Result<ExternalIdentity>;
}

/// Start of a sign-in.
#[derive(Debug, Clone)]
pub struct AuthorizationRequest {
    /// URI to which the provider redirects the browser.
    pub redirect_uri: String,
    /// Opaque value that the provider returns with the code, bound to the browser.
    pub state: String,
    /// Value that the ID token must repeat.
    pub nonce: String,
    /// SHA-256 hash of the PKCE verifier, in base64url.
    pub code_challenge: String,
    /// Expected user, in the form that the user would enter at the provider; `None` if unknown.
    pub login_hint: Option<String>,
    /// `true` if the person must authenticate again, even if the provider has a session with their browser.
    pub reauthenticate: bool,
}

/// Completion of a sign-in.
#[derive(Debug)]
pub struct CodeExchange {
    /// Authorization code that the provider returned.
    pub code: SecretString,
    /// Redirect URI of the [`AuthorizationRequest`].
    pub redirect_uri: String,
    /// Nonce of the [`AuthorizationRequest`].
    pub nonce: String,
    /// PKCE verifier from which the challenge was computed.
    pub code_verifier: SecretString,
    /// Issuer in the authorization response (`iss`, RFC 9207); `None` if it was absent. A provider rejects codes of
    /// other
    /// issuers.
    pub issuer: Option<String>,
}

/// Identity of a person as their provider states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalIdentity {
    /// Stable identifier of the person at the provider.
    pub subject: String,
    /// E-mail address; `None` unless the provider has verified it.
    pub verified_email: Option<Email>,
    /// Display name; `None` if the provider did not return a valid one.
    pub name: Option<DisplayName>,
    /// Time at which the person authenticated at the provider (OpenID Connect `auth_time`), which may be long before
    /// the exchange; `None` if the provider does not state it.
    pub auth_time: Option<Timestamp>,
}
