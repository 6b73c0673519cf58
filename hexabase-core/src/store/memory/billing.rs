use async_trait::async_trait;
use jiff::Timestamp;

use super::MemoryStore;
use super::state::Index;
use crate::changeset::RecordKey;
use crate::error::Result;
use crate::id::{OrganizationId, TypedId as _};
use crate::model::{BillingAccount, CustomerId, WebhookEvent};
use crate::store::BillingStore;

#[async_trait]
impl BillingStore for MemoryStore {
    async fn find_billing_account(&self, organization: OrganizationId) -> Result<Option<BillingAccount>> {
        Ok(self.lock().get(&RecordKey::BillingAccount(organization)).cloned())
    }

    async fn find_customer(&self, customer: &CustomerId) -> Result<Option<OrganizationId>> {
        let first = Index::Customer(customer.0.clone(), OrganizationId::least());
        let last = Index::Customer(customer.0.clone(), OrganizationId::greatest());
        let state = self.lock();
        let mut found = state.index.range(first..=last);
        Ok(found.find_map(|entry| match entry {
            Index::Customer(_, organization) => Some(*organization),
            _ => None,
        }))
    }

    async fn list_customers(
        &self,
        after: Option<OrganizationId>,
        limit: usize,
    ) -> Result<Vec<OrganizationId>> {
        let first = RecordKey::BillingAccount(after.unwrap_or_else(OrganizationId::least));
        let state = self.lock();
        let all = state.scan::<BillingAccount>(first..=RecordKey::BillingAccount(OrganizationId::greatest()));
        let customers = all.filter(|account| account.customer_id.is_some()).map(|it| it.organization_id);
        Ok(customers.filter(|id| Some(*id) > after).take(limit).collect())
    }

    async fn list_due_accounts(&self, now: Timestamp, limit: usize) -> Result<Vec<OrganizationId>> {
        let first = Index::AccountDue(Timestamp::MIN, OrganizationId::least());
        let last = Index::AccountDue(now, OrganizationId::greatest());
        let state = self.lock();
        let due = state.index.range(first..=last).filter_map(|entry| match entry {
            Index::AccountDue(_, organization) => Some(*organization),
            _ => None,
        });
        Ok(due.take(limit).collect())
    }

    async fn list_webhook_events(&self, limit: usize) -> Result<Vec<WebhookEvent>> {
        let state = self.lock();
        let unprocessed = state.index.range(Index::UnprocessedWebhook(Timestamp::MIN, String::new())..);
        let events = unprocessed.filter_map(|entry| match entry {
            Index::UnprocessedWebhook(_, id) => {
                state.get::<WebhookEvent>(&RecordKey::WebhookEvent(id.clone()))
            }
            _ => None,
        });
        Ok(events.take(limit).cloned().collect())
    }
}
