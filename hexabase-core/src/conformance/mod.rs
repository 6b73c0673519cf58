//! Conformance suites that every implementation of a trait must pass, built-in or third-party.
//!
//! Each suite is a list of cases named after the sentences of the trait's documentation. A macro turns the list into
//! one test per case, so that none can be omitted:
//!
//! ```text
//! mod my_store {
//!     hexabase_core::tenant_store_conformance!(async {
//!         let database = start_a_database().await;
//!         (MyStore::connect(database.url()).await, database)
//!     });
//! }
//! ```
//!
//! The expression is evaluated once per case. It returns a new, empty implementation and a value that is kept alive
//! while the case runs, or `()`. The tests run under tokio, which must be a dev-dependency of the crate.
//!
//! This module is for tests: it is not covered by semantic versioning, and its cases panic.
#![expect(clippy::unwrap_used, reason = "cases fail by panicking")]
#![expect(clippy::missing_panics_doc, reason = "cases fail by panicking")]

pub mod alert_source;
pub mod authenticator;
pub mod billing_provider;
pub mod cluster_provisioner;
pub mod comparison;
pub mod ephemeral_store;
pub mod identity_provider;
pub mod key_value_store;
pub mod log_source;
pub mod metrics_source;
pub mod task_queue;
pub mod tenant_store;

#[cfg(test)]
mod tests;

/// Turns the cases of a suite into tests of one implementation.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ($suite:ident, $make:expr, $cases:tt) => {
        $crate::__conformance_tests!([] $suite, $make, $cases);
    };
    // The attributes in brackets are added to each test.
    ($attributes:tt $suite:ident, $make:expr, [$($case:ident),+ $(,)?]) => {
        $($crate::__conformance_tests!(one $attributes $suite, $make, $case);)+
    };
    (one [$($attribute:tt)*] $suite:ident, $make:expr, $case:ident) => {
        #[tokio::test]
        $($attribute)*
        async fn $case() {
            let (made, _resources) = $make.await;
            $crate::conformance::$suite::$case(&made).await;
        }
    };
}
