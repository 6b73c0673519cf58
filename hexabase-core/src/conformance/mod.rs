//! The suites that every implementation of a trait must pass, ours and yours.
//!
//! Each suite is a list of cases named after the sentences of the trait's documentation. A macro turns the
//! list into one test per case, so that none can be forgotten:
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
//! The expression is evaluated once per case. It answers a fresh, empty implementation and something to
//! keep alive as long as the case runs, or `()`. The tests run under tokio, which must be among your
//! dev-dependencies.
//!
//! This module is for tests: it is not covered by semantic versioning, and its cases panic.
#![expect(clippy::unwrap_used, reason = "cases fail by panicking")]
#![expect(clippy::missing_panics_doc, reason = "cases fail by panicking")]

pub mod billing_provider;
pub mod cluster_provisioner;
pub mod ephemeral_store;
pub mod identity_provider;
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
    // Attributes for every one of the tests come in brackets.
    ($attributes:tt $suite:ident, $make:expr, [$($case:ident),+ $(,)?]) => {
        $($crate::__conformance_tests!(one $attributes $suite, $make, $case);)+
    };
    (one [$($attribute:tt)*] $suite:ident, $make:expr, $case:ident) => {
        #[tokio::test]
        $($attribute)*
        async fn $case() {
            let (made, _kept) = $make.await;
            $crate::conformance::$suite::$case(&made).await;
        }
    };
}
