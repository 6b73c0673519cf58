//! OpenID Connect provider for tenant clusters, the Hexabase command line, and the clients that an operator registers.
//!
//! | grant | used by |
//! |---|---|
//! | authorization code with PKCE (RFC 6749, RFC 7636) | users with a browser |
//! | refresh token, with rotation | clients that were granted `offline_access` |
//! | device code (RFC 8628) | users whose browser is on another device |
//! | token exchange (RFC 8693) | service accounts, with an API token or the token of a trusted CI system |
//!
//! A workspace is a public client itself: its id is the `client_id`, and the `aud` of its tokens. The grant of a user
//! to a client is one of the user's sessions, listed and revoked like the others. `docs/oidc-conformance.md` lists the
//! requirements and the tests for each.

mod authenticate;
mod authorize;
mod client;
mod client_tokens;
mod device;
mod discovery;
mod error;
mod exchange;
mod grant;
mod id_token;
mod logout;
mod parameters;
mod response;
mod token;

pub use authorize::{Authorization, Consent, SignInRequired};
pub use client::{CLI_CLIENT_ID, ClientCredential, RegisteredClient};
pub use device::{DeviceAuthorization, DeviceRequest};
pub use error::OAuthError;
pub use exchange::{WorkloadIdentities, WorkloadIdentity};
pub use logout::LogoutRequest;
pub use parameters::Parameters;
pub use response::TokenResponse;

use crate::auth::Auth;
pub(crate) use id_token::{NewIdToken, UserClaims};

/// OpenID Connect provider of tenant clusters and registered clients.
#[derive(Debug, Clone, Copy)]
pub struct OidcIssuer<'a>(pub(crate) &'a Auth);

/// Scope of an ID token, required in every request.
const OPENID: &str = "openid";
/// Scope of a refresh token.
const OFFLINE_ACCESS: &str = "offline_access";
/// Scope of the user's name.
const PROFILE: &str = "profile";
/// Scope of the user's e-mail address.
const EMAIL: &str = "email";
/// Scope of the user's groups.
const GROUPS: &str = "groups";

/// Supported scopes. Other scopes are ignored (OpenID Connect Core 1.0 section 3.1.2.1).
const SCOPES: [&str; 5] = [OPENID, PROFILE, EMAIL, GROUPS, OFFLINE_ACCESS];
