//! The reference server: the Hexabase crates composed into a product.
//!
//! As a program it is `hexabase`; see [`run`]. As a library it offers its HTTP API as an [`axum::Router`] over any
//! [`Platform`](hexabase_core::Platform), for those who bring backends of their own:
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
mod certificate;
mod clients;
mod command;
mod compose;
mod gate;
mod listener;
mod mail;
mod named;
mod options;
mod providers;
mod settings;
mod telemetry;
mod trusts;

pub use api::{document, router};
pub use app::{App, AppParts, Entry};
pub use command::run;
