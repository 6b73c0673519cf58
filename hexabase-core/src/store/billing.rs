use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;
use crate::id::OrganizationId;
use crate::model::{BillingAccount, CustomerId, WebhookEvent};

/// What organizations owe.
#[async_trait]
pub trait BillingStore: Send + Sync {
    /// The billing account of an organization; none for one that never had to do with money.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_billing_account(&self, organization: OrganizationId) -> Result<Option<BillingAccount>>;

    /// Which organization the billing provider knows by this name.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_customer(&self, customer: &CustomerId) -> Result<Option<OrganizationId>>;

    /// The organizations that the billing provider knows, in the order of their ids, after the one named, at most `limit`.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_customers(
        &self,
        after: Option<OrganizationId>,
        limit: usize,
    ) -> Result<Vec<OrganizationId>>;

    /// The organizations whose accounts should have been looked at by now, at most `limit`.
    ///
    /// # Behaviour
    /// - The most overdue come first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_due_accounts(&self, now: Timestamp, limit: usize) -> Result<Vec<OrganizationId>>;

    /// What the provider told and nobody has heard yet, at most `limit`.
    ///
    /// # Behaviour
    /// - What came first comes first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_webhook_events(&self, limit: usize) -> Result<Vec<WebhookEvent>>;
}
