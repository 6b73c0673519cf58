//! Mocks of the extension points, for unit tests.
//!
//! A mock fails a test that calls it in another way than expected: other arguments, too often, too rarely, or at all.
//! Use one where the calls are the subject of the test, and a memory backend such as
//! [`MemoryStore`](crate::store::MemoryStore) where their results are. [`mockall`](https://docs.rs/mockall) documents
//! expectations.
//!
//! ```
//! use hexabase_core::billing::{BillingKey, BillingProvider};
//! use hexabase_core::mock::MockBillingProvider;
//! use hexabase_core::model::CustomerId;
//!
//! /// Component of an embedding service: link to the page on which a customer enters a card.
//! async fn card_link(billing: &dyn BillingProvider, customer: &CustomerId) -> hexabase_core::Result<String> {
//!     if !billing.list_payment_methods(customer).await?.is_empty() {
//!         return billing.portal_url(customer, "https://shop.example/", &BillingKey("portal".into())).await;
//!     }
//!     billing.checkout_url(customer, "https://shop.example/", &BillingKey("checkout".into())).await
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let mut billing = MockBillingProvider::new();
//! billing.expect_list_payment_methods().once().returning(|_| Ok(Vec::new()));
//! billing
//!     .expect_checkout_url()
//!     .withf(|customer, return_to, _| customer.0 == "cus_1" && return_to == "https://shop.example/")
//!     .once()
//!     .returning(|_, _, _| Ok("https://pay.example/session".to_owned()));
//!
//! // Any other call, as of `portal_url`, fails the test.
//! let link = card_link(&billing, &CustomerId("cus_1".into())).await?;
//! assert_eq!(link, "https://pay.example/session");
//! # Ok(()) })
//! # }
//! ```
//!
//! A [`Platform`](crate::Platform) takes a mock like every other backend:
//!
//! ```
//! use std::sync::Arc;
//!
//! use hexabase_core::error::Error;
//! use hexabase_core::mock::MockTenantStore;
//! use hexabase_core::{ErrorKind, Platform, fixture};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let mut store = MockTenantStore::new();
//! store.expect_ping().once().returning(|| Err(Error::unavailable("the disk is full")));
//! let platform = Platform::builder("https://hexabase.example")
//!     .with_plans(vec![fixture::plan("small")])
//!     .with_store(Arc::new(store))
//!     .build()?;
//!
//! assert_eq!(platform.store().ping().await.unwrap_err().kind(), ErrorKind::Unavailable);
//! # Ok(()) })
//! # }
//! ```

mod tenant_store;

pub use tenant_store::MockTenantStore;

pub use crate::alerts::MockAlertSource;
pub use crate::authenticator::MockAuthenticator;
pub use crate::billing::MockBillingProvider;
pub use crate::clock::MockClock;
pub use crate::ephemeral::MockEphemeralStore;
pub use crate::id_source::MockIdSource;
pub use crate::identity::MockIdentityProvider;
pub use crate::logs::MockLogSource;
pub use crate::metrics::MockMetricsSource;
pub use crate::notifier::MockNotifier;
pub use crate::provisioner::{MockClusterProvisioner, MockHostConnector};
pub use crate::queue::MockTaskQueue;
