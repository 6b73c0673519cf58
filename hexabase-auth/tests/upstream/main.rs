//! Signing in with others: a provider that is not ours, one that misbehaves on purpose, and GitHub as it documents
//! itself.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod github;
mod misbehaving;
mod oidc;
