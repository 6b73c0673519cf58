//! Plan files and the Stripe billing provider.
//!
//! Plans are data: an operator writes them in a TOML file. [`plans::built_in`] returns the plans that are part of
//! Hexabase; [`plans::parse`] reads an operator's file and reports every invalid field.
//!
//! ```
//! use hexabase_billing::plans;
//!
//! let built_in = plans::built_in();
//! assert_eq!(built_in[0].id.as_str(), "starter");
//!
//! let error = plans::parse("[[plans]]\nid = 'broken'").unwrap_err();
//! assert!(error.to_string().contains("missing field"));
//! ```
//!
//! [`StripeBilling`] is the [`BillingProvider`](hexabase_core::billing::BillingProvider) for production: it charges
//! organizations through Stripe.
//!
//! ```
//! use std::sync::Arc;
//!
//! use hexabase_billing::{StripeBilling, StripeConfig};
//! use hexabase_core::Platform;
//! use hexabase_core::clock::SystemClock;
//!
//! # fn main() -> hexabase_core::Result<()> {
//! let config = StripeConfig::new("sk_test_from_the_dashboard".into());
//! let stripe = StripeBilling::new(&config, Arc::new(SystemClock))?;
//! let platform = Platform::builder("https://hexabase.example")
//!     .with_plans(hexabase_billing::plans::built_in())
//!     .with_billing(Arc::new(stripe))
//!     .build()?;
//! assert_eq!(platform.billing_provider().name(), "stripe");
//! # Ok(()) }
//! ```

pub mod plans;
mod stripe;

pub use stripe::{CatalogStep, Cost, METRIC_SERIES, StripeBilling, StripeConfig};
