//! Reference server: the Hexabase crates composed into one program.
//!
//! The program is `hexabase`; see [`run`]. [`hexabase_api`] is its HTTP API.

mod alerts;
mod certificate;
mod clients;
mod command;
mod compose;
mod config;
mod database;
mod environment;
mod files;
mod listener;
mod mail;
mod named_tables;
mod options;
mod prometheus;
mod providers;
mod sandbox_proxy;
#[cfg(test)]
mod secret_tests;
mod stream_limits;
mod telemetry;
mod tenant_scraping;
mod trace_export;
mod workload_trusts;

pub use command::run;
