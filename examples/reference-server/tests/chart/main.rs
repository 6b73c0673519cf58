//! The Helm chart and the image files of `deploy`, processed by the programs that operators use.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod configuration;
mod files;
mod gitops;
mod helm;
mod install;
mod manifests;
mod pods;
mod registry;
mod server;
mod supply_chain;
mod values;
mod walk;
