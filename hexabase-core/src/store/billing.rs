use jiff::Timestamp;

use crate::error::Result;
use crate::id::OrganizationId;
use crate::model::{BillingAccount, CustomerId, WebhookEvent};
use crate::store::decorator::store_part;

store_part! {
    /// Billing accounts, customers and webhook events.
    pub trait BillingStore {
        /// Finds the billing account of an organization; `None` if the organization has never used billing.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn find_billing_account(&self, organization: OrganizationId) -> Result<Option<BillingAccount>>;

        /// Finds the organization of a customer of the billing provider.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn find_customer(&self, customer: &CustomerId) -> Result<Option<OrganizationId>>;

        /// Lists the organizations that are customers of the billing provider, ordered by id, starting after `after`, at
        /// most `limit`.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_customers(
            &self,
            after: Option<OrganizationId>,
            limit: usize,
        ) -> Result<Vec<OrganizationId>>;

        /// Lists the organizations whose billing account is due for a reconcile at `now`, at most `limit`.
        ///
        /// # Behaviour
        /// - The most overdue accounts come first.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_due_accounts(&self, now: Timestamp, limit: usize) -> Result<Vec<OrganizationId>>;

        /// Lists webhook events that have not been processed, at most `limit`.
        ///
        /// # Behaviour
        /// - The events are ordered by the time of receipt, earliest first.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_webhook_events(&self, limit: usize) -> Result<Vec<WebhookEvent>>;
    }
}
