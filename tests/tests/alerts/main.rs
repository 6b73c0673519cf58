//! Alert rules, alerts, silences and the webhook of Alertmanager through the API.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod dry_run;
mod export;
mod interruptions;
mod rules;
mod setup;
mod silences;
mod webhook;
