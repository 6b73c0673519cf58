//! Signing in with others who know people: OpenID Connect providers, Google and Microsoft among them, and GitHub. And
//! [those](TrustedIssuers) who know programs: CI systems.
//!
//! Whom a server asks is settled when it starts: no request can bring in an issuer. Addresses count only when the
//! provider says that it has verified them, since accounts are linked over them.

mod domains;
mod github;
mod http;
mod issuer;
mod oidc;
mod workload;

pub use domains::AllowedDomains;
pub use github::{GithubProvider, GithubSettings};
pub use oidc::{OidcProvider, OidcSettings, VerifiedBy};
pub use workload::{TrustedIssuers, WorkloadTrust};
