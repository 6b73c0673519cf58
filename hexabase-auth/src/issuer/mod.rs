//! Hexabase as an OpenID Connect provider: for tenant clusters, for its own command line, and for whoever an operator
//! registers.
//!
//! | grant | for whom |
//! |---|---|
//! | authorization code with PKCE (RFC 6749, RFC 7636) | people with a browser |
//! | refresh token, rotating | whoever was granted `offline_access` |
//! | device code (RFC 8628) | people whose browser is elsewhere |
//! | token exchange (RFC 8693) | service accounts, with an API token, or a token of a CI system that is trusted |
//!
//! A workspace is a public client by itself: its id is the `client_id`, and the `aud` of its tokens. What somebody lets
//! a client do is one of their sessions, listed and ended like the others. `docs/oidc-conformance.md` says which
//! requirement is met where.

mod authenticate;
mod authorize;
mod client;
mod device;
mod discovery;
mod exchange;
mod grant;
mod id_token;
mod logout;
mod parameters;
mod refusal;
mod response;
mod token;
mod tokens_of_clients;

pub use authorize::{Authorization, Consent, SignInFirst};
pub use client::{COMMAND_LINE, ClientCredential, RegisteredClient};
pub use device::{DeviceAuthorization, DeviceRequest};
pub use exchange::WorkloadIdentities;
pub use logout::Logout;
pub use parameters::Parameters;
pub use refusal::OAuthError;
pub use response::TokenResponse;

pub(crate) use id_token::{About, Occasion};

/// The scope of an ID token; always asked for.
const OPENID: &str = "openid";
/// The scope of a refresh token.
const OFFLINE_ACCESS: &str = "offline_access";
/// The scope of somebody's name.
const PROFILE: &str = "profile";
/// The scope of somebody's address.
const EMAIL: &str = "email";
/// The scope of the groups that somebody is in.
const GROUPS: &str = "groups";

/// What a client can ask for. Anything else is left out (OpenID Connect Core 1.0 section 3.1.2.1).
const SCOPES: [&str; 5] = [OPENID, PROFILE, EMAIL, GROUPS, OFFLINE_ACCESS];
