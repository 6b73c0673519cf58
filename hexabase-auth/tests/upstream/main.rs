//! Tests of the upstream identity providers: a third-party OpenID Connect server, a mock provider with forged tokens,
//! a table of oddities of providers, a table of causes of failed sign-ins, a mock of GitHub, and an issuer of workload tokens.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod causes;
mod github;
mod mock_provider;
mod oddities;
mod oidc;
mod workload;
