//! Web console of Hexabase: pages that tenants, organization owners, billing people and operators use. They are rendered
//! by the server from the same services as the HTTP API, and work without JavaScript.
//!
//! [`components`] are the parts of the pages, as functions from plain data to markup. Embedders build pages of their own
//! from them in the same look:
//!
//! ```
//! use hexabase_console::components::{Tone, badge, copyable};
//! use hexabase_console::language::{Language, Texts};
//!
//! let texts = Texts::new(Language::English);
//! let page = maud::html! {
//!     p { "Your cluster is " (badge(Tone::Good, "ready")) }
//!     (copyable(&texts, "kubectl get pods"))
//! };
//! assert!(page.into_string().contains("kubectl get pods"));
//! ```

pub mod components;
pub mod language;
pub mod money;
pub mod numbers;
pub mod time;
