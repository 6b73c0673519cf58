//! Shared parts of the integration tests: a platform with its API in this process, and a client for it.

#![expect(clippy::unwrap_used, clippy::panic, clippy::missing_panics_doc, reason = "tests fail by panicking")]

pub mod backends;
pub mod browser;
mod client;
mod counting_ephemeral;
mod counting_store;
pub mod hosts;
mod mails;
mod metrics;
pub mod operations;
pub mod request_bodies;
mod test_app;

pub use client::{Client, Response};
pub use counting_ephemeral::CountingEphemeral;
pub use counting_store::CountingStore;
pub use mails::SentMails;
pub use metrics::UnmeteredMetrics;
pub use operations::Operation;
pub use test_app::{ALERT_WEBHOOK_TOKEN, PathParams, TestApp, TestUser, config, plans};

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
struct EmbeddingGuide;
