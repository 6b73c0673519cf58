//! Signing in with others: a provider that is not ours, one that misbehaves on purpose, GitHub as it documents
//! itself, and systems that vouch for programs.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod github;
mod misbehaving;
mod oidc;
mod workload;
