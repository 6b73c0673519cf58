//! Who is calling.
//!
//! [`Auth`] signs people in with [identity providers](hexabase_core::identity::IdentityProvider), keeps their
//! sessions, and turns whatever a request carries (an access token, an API token, a session cookie) into a
//! [`Principal`](hexabase_core::access::Principal). It also issues the tokens that tenant clusters accept.
//!
//! | thing | what it is | how long |
//! |---|---|---|
//! | access token | a signed JWT (RFC 9068) that names user and session | 15 minutes |
//! | refresh token | opaque, rotates at every use; an old one ends its session | as its session |
//! | session cookie | opaque, for browsers | as its session |
//! | API token | opaque, scoped, for automation | until it expires or is removed |
//! | cluster token | a signed JWT with the groups of one workspace, for that workspace's API server | 10 minutes |
//!
//! [`upstream`] has the identity providers: OpenID Connect, Google and Microsoft among them, and GitHub. [`issuer`] is the
//! other direction: Hexabase as the OpenID Connect provider of tenant clusters and of whoever is registered.
//!
//! Ending a session takes effect at once: every request checks for revocation, and fails when that cannot be
//! checked. Signing keys live in the store, sealed with the master key, so that all replicas share them.
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
//! let who = ExternalIdentity { subject: "1".into(), verified_email: Some(Email::parse("ann@example.com")?), name: None };
//! let tokens = auth.sign_in(&ProviderName::parse("example")?, &who, &Origin::default()).await?;
//! let principal = auth.authenticate(&tokens.access_token).await?;
//! assert_eq!(principal.user_id, tokens.user_id);
//! # Ok(()) })
//! # }
//! ```

mod access_token;
mod api_tokens;
mod auth;
mod browser;
mod cluster;
mod config;
mod dev_provider;
mod digest;
pub mod issuer;
mod jwt;
mod keys;
mod login;
mod query;
mod refusal;
mod sealed;
mod sessions;
#[cfg(feature = "upstream")]
pub mod upstream;

#[cfg(test)]
mod tests;

pub use auth::Auth;
pub use browser::{BrowserSession, CookiePrincipal};
pub use cluster::{ClusterToken, KubeconfigAuth, kubeconfig};
pub use config::AuthConfig;
pub use dev_provider::{DevProvider, PendingApproval};
pub use login::{FinishedLogin, LoginAnswer, LoginRequest, StartedLogin, require_local};
pub use sessions::TokenPair;
