//! What Hexabase sells, and who takes the money.
//!
//! Plans are data: they come from a TOML file that an operator writes. [`plans::built_in`] are those that come
//! with Hexabase; [`plans::parse`] reads an operator's file, and says what is wrong with it field by field.
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
//! [`StripeBilling`] takes the money through Stripe: the [`BillingProvider`](hexabase_core::billing::BillingProvider) for
//! production.
//!
//! ```
//! use std::sync::Arc;
//!
//! use hexabase_billing::{StripeBilling, StripeSettings};
//! use hexabase_core::Platform;
//! use hexabase_core::clock::SystemClock;
//!
//! # fn main() -> hexabase_core::Result<()> {
//! let settings = StripeSettings::new("sk_test_from_the_dashboard".into());
//! let stripe = StripeBilling::new(&settings, Arc::new(SystemClock))?;
//! let platform = Platform::builder("https://hexabase.example")
//!     .with_plans(hexabase_billing::plans::built_in())
//!     .with_billing(Arc::new(stripe))
//!     .build()?;
//! assert_eq!(platform.billing_provider().name(), "stripe");
//! # Ok(()) }
//! ```

pub mod plans;
mod stripe;

pub use stripe::{CatalogStep, Cost, StripeBilling, StripeSettings};
