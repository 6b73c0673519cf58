//! The seam to upstream sign-in.

use std::fmt;

use async_trait::async_trait;

use crate::error::Result;
use crate::name::{DisplayName, Email, ProviderName};
use crate::secret::SecretString;

/// Signs people in with somebody who knows them: an OpenID Connect provider, GitHub, or nobody at all in
/// development.
///
/// The flow is authorization code with PKCE (RFC 7636, `S256`): [`authorization_url`] says where to send
/// the browser, [`exchange`] turns the code that comes back into a verified identity. State, nonce and
/// verifier are made, kept and compared by the caller; the provider only carries them.
///
/// [`authorization_url`]: IdentityProvider::authorization_url
/// [`exchange`]: IdentityProvider::exchange
#[async_trait]
pub trait IdentityProvider: fmt::Debug + Send + Sync + 'static {
    /// What this installation calls the provider, as in its callback's path.
    fn name(&self) -> &ProviderName;

    /// What people call the provider.
    fn title(&self) -> &str;

    /// Where to send the browser.
    ///
    /// # Behaviour
    /// - The URL carries `state`, the redirect URI and the PKCE challenge, and no secret.
    ///
    /// # Errors
    /// `Unavailable` when the provider must be asked first and does not answer.
    async fn authorization_url(&self, request: &AuthorizationRequest) -> Result<String>;

    /// Turns a code into the identity it stands for.
    ///
    /// # Behaviour
    /// - A code works once.
    /// - A code works only with the verifier, the nonce and the redirect URI it was asked for with.
    ///
    /// # Errors
    /// - `Unauthenticated` for a code that is wrong, used, expired or somebody else's, and for an answer
    ///   that cannot be trusted.
    /// - `Forbidden` for somebody whom the provider knows and this installation does not let in.
    /// - `Unavailable` when the provider does not answer.
    async fn exchange(&self, code: &CodeExchange) -> Result<ExternalIdentity>;
}

/// What a sign-in begins with.
#[derive(Debug, Clone)]
pub struct AuthorizationRequest {
    /// Where the browser comes back to.
    pub redirect_uri: String,
    /// What comes back with it, bound to the browser.
    pub state: String,
    /// What the identity token must repeat.
    pub nonce: String,
    /// The SHA-256 of the PKCE verifier, in base64url.
    pub code_challenge: String,
    /// Whoever is expected to sign in, as they would write it themselves, if that is known.
    pub login_hint: Option<String>,
    /// Whether the person must prove anew who they are, although the provider may know their browser.
    pub reauthenticate: bool,
}

/// What a sign-in ends with.
#[derive(Debug)]
pub struct CodeExchange {
    /// The code that came back.
    pub code: SecretString,
    /// As in the [`AuthorizationRequest`].
    pub redirect_uri: String,
    /// As in the [`AuthorizationRequest`].
    pub nonce: String,
    /// What the challenge was made of.
    pub code_verifier: SecretString,
    /// Who says that they sent the code, if they said so (`iss`, RFC 9207): a provider refuses codes of others.
    pub issuer: Option<String>,
}

/// Who somebody is, as their provider says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalIdentity {
    /// The provider's own, stable name for the person.
    pub subject: String,
    /// Their address, only if the provider has verified it.
    pub verified_email: Option<Email>,
    /// Their name, if the provider gave a usable one.
    pub name: Option<DisplayName>,
}
