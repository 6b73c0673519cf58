//! Upstream identity providers: OpenID Connect, including Google and Microsoft, and GitHub; and the [trusted
//! issuers](TrustedIssuers) of workload tokens, such as CI systems.
//!
//! Providers and issuers are configured at start: no request can add one. E-mail addresses count only if the provider
//! states that it has verified them, since accounts are linked by address.

mod allowed_domains;
mod github;
mod http;
mod oidc;
mod remote_issuer;
mod workload;

pub use allowed_domains::AllowedDomains;
pub use github::{GithubConfig, GithubProvider};
pub use oidc::{OidcConfig, OidcProvider, VerifiedBy};
pub use workload::{TrustedIssuers, WorkloadTrust};
