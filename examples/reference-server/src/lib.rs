//! Reference server: the Hexabase crates composed into one program.
//!
//! The program is `hexabase`; see [`run`]. The library provides its HTTP API as an [`axum::Router`] over any
//! [`Platform`](hexabase_core::Platform), for hosts with backends of their own:
//!
//! ```
//! use hexabase_auth::{Auth, AuthConfig};
//! use hexabase_core::Platform;
//! use hexabase_server::{App, router};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let platform = Platform::builder("https://hexabase.example")
//!     .with_plans(hexabase_billing::plans::built_in())
//!     .build()?;
//! let auth = Auth::new(platform.clone(), Vec::new(), AuthConfig::default()).await?;
//! let api: axum::Router = router(App::new(platform, auth));
//! # drop(api);
//! # Ok(()) })
//! # }
//! ```

mod api;
mod app;
mod budget;
mod certificate;
mod clients;
mod command;
mod compose;
mod config;
mod environment;
mod event_hub;
mod files;
mod listener;
mod mail;
mod named_tables;
mod options;
mod providers;
mod sandbox_proxy;
#[cfg(test)]
mod secret_tests;
mod telemetry;
mod workload_trusts;

pub use api::{document, router};
pub use app::{ApiConfig, App, AppState, MetricsAccess};
pub use command::run;
pub use event_hub::EventStreamLimits;
