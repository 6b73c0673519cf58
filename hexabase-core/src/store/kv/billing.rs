use async_trait::async_trait;
use jiff::Timestamp;

use super::KvTenantStore;
use super::key::after_prefix;
use super::view::{Reads as _, Space};
use crate::changeset::RecordKey;
use crate::error::Result;
use crate::id::OrganizationId;
use crate::model::{BillingAccount, CustomerId, WebhookEvent};
use crate::store::BillingStore;

#[async_trait]
impl<S: Space> BillingStore for KvTenantStore<S> {
    async fn find_billing_account(&self, organization: OrganizationId) -> Result<Option<BillingAccount>> {
        self.space.view().await?.find(RecordKey::BillingAccount(organization)).await
    }

    async fn find_customer(&self, customer: &CustomerId) -> Result<Option<OrganizationId>> {
        let view = self.space.view().await?;
        let entry = view.cursor(BillingAccount::BY_CUSTOMER.key(&[&customer.0])).expecting(1).next().await?;
        Ok(entry.and_then(|item| item.pointer().and_then(RecordKey::organization)))
    }

    async fn list_customers(
        &self,
        after: Option<OrganizationId>,
        limit: usize,
    ) -> Result<Vec<OrganizationId>> {
        let view = self.space.view().await?;
        let all = view.records_after::<BillingAccount>(&[], after.map(RecordKey::BillingAccount), limit);
        let is_customer = |account: &&BillingAccount| account.customer_id.is_some();
        let customer = |account: &BillingAccount| account.organization_id;
        all.collect(limit, |item| item.record().filter(is_customer).map(customer)).await
    }

    async fn list_due_accounts(&self, now: Timestamp, limit: usize) -> Result<Vec<OrganizationId>> {
        let view = self.space.view().await?;
        let due = view.cursor(BillingAccount::BY_DUE_TIME.key(&[])).expecting(limit);
        let due = due.until(after_prefix(BillingAccount::BY_DUE_TIME.key(&[&now])));
        due.collect(limit, |item| item.pointer().and_then(RecordKey::organization)).await
    }

    async fn list_webhook_events(&self, limit: usize) -> Result<Vec<WebhookEvent>> {
        let view = self.space.view().await?;
        view.cursor(WebhookEvent::UNPROCESSED.key(&[])).expecting(limit).targets(limit).await
    }
}
