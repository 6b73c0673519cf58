//! What Hexabase sells.
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
//! Whatever implements [`BillingProvider`](hexabase_core::billing::BillingProvider) takes the money.

pub mod plans;
