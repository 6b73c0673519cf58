//! Authentication for Hexabase: sign-in, sessions, tokens, and the OpenID Connect provider of tenant clusters.
//!
//! [`Auth`] signs users in with [identity providers](hexabase_core::identity::IdentityProvider), manages their
//! sessions, and authenticates the credential of a request (an access token, an API token or a session cookie) as a
//! [`Principal`](hexabase_core::access::Principal). It also issues the tokens that tenant clusters accept.
//!
//! | credential | form | lifetime |
//! |---|---|---|
//! | access token | signed JWT (RFC 9068) with user and session | 15 minutes |
//! | refresh token | opaque; rotates at every use, and reuse of an old one ends its session | as its session |
//! | session cookie | opaque, for browsers | as its session |
//! | API token | opaque, scoped, for automation | until it expires or is deleted |
//! | token of a workload | signed JWT with scopes, for a program that a trusted issuer vouched for | 15 minutes |
//! | cluster token | signed JWT with the groups of one workspace, for that workspace's API server | 10 minutes |
//!
//! [`upstream`] contains the identity providers: OpenID Connect, including Google and Microsoft, and GitHub.
//! [`issuer`] is the opposite direction: Hexabase as the OpenID Connect provider of tenant clusters and registered
//! clients.
//!
//! Revoking a session takes effect immediately: every request checks for revocation, and is rejected if the check
//! fails. Signing keys are in the store, encrypted with the master key, so that all replicas share them.
//!
//! ```
//! use std::sync::Arc;
//! use hexabase_auth::{Auth, AuthConfig};
//! use hexabase_core::Platform;
//! use hexabase_core::identity::ExternalIdentity;
//! use hexabase_core::model::Origin;
//! use hexabase_core::name::{Email, ProviderName};
//! # use hexabase_core::fixture;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let platform = Platform::builder("https://hexabase.example").with_plans(vec![fixture::plan("small")]).build()?;
//! let auth = Auth::new(platform, Vec::new(), AuthConfig::default()).await?;
//!
//! let identity = ExternalIdentity { subject: "1".into(), verified_email: Some(Email::parse("ann@example.com")?),
//! name: None, auth_time: None };
//! let tokens = auth.sign_in().with_identity(&ProviderName::parse("example")?, &identity, &Origin::default()).await?;
//! let principal = auth.authenticate_bearer(&tokens.access_token).await?;
//! assert_eq!(principal.user_id, tokens.user_id);
//! # Ok(()) })
//! # }
//! ```

mod access_token;
mod api_tokens;
mod auth;
mod authenticator;
mod browser;
mod cluster;
mod config;
mod dev_provider;
mod digest;
mod error;
pub mod issuer;
mod jwt;
mod keys;
mod query;
mod revocations;
mod sealed;
mod sessions;
mod sign_in;
#[cfg(feature = "upstream")]
pub mod upstream;
mod workload_token;

#[cfg(test)]
mod tests;

pub use api_tokens::ApiTokens;
pub use auth::Auth;
pub use browser::{BrowserSession, CookiePrincipal, SESSION_COOKIE};
pub use cluster::{ClusterToken, KubeconfigAuth, kubeconfig};
pub use config::AuthConfig;
pub use dev_provider::{DevProvider, PendingApproval};
pub use keys::{Keys, METRIC_SERIES};
pub use sessions::{Sessions, TokenPair};
pub use sign_in::{
    FinishedLogin, LoginCallback, LoginRequest, SignIn, StartedLogin, login_id, require_local_path,
};
