//! Upstream identity providers: OpenID Connect, including Google and Microsoft, and GitHub; and the [trusted
//! issuers](TrustedIssuers) of workload tokens, such as CI systems.
//!
//! Providers and issuers are configured at start: no request can add one. E-mail addresses count only if the provider
//! states that it has verified them, since accounts are linked by address. Responses are required to be valid as far as
//! they are used: a claim or member that is not used may be of any type.

mod allowed_domains;
mod github;
mod http;
mod key_set;
mod metadata;
mod oidc;
mod remote_issuer;
mod signed_token;
mod token_response;
mod workload;

pub use allowed_domains::AllowedDomains;
pub use github::{GithubConfig, GithubProvider};
pub use oidc::{OidcConfig, OidcProvider, VerifiedBy};
pub use workload::{TrustedIssuers, WorkloadTrust};
