use async_trait::async_trait;
use hexabase_core::error::Result;
use hexabase_core::id::OrganizationId;
use hexabase_core::model::{BillingAccount, CustomerId, WebhookEvent};
use hexabase_core::store::BillingStore;
use jiff::Timestamp;

use super::statement::Query;
use super::table::select;
use super::work::sql_limit;
use super::{Cells, Engine, Reads as _, SqlStore};

#[async_trait]
impl<E: Engine> BillingStore for SqlStore<E> {
    async fn find_billing_account(&self, organization: OrganizationId) -> Result<Option<BillingAccount>> {
        self.0
            .find_one(select::<BillingAccount>("WHERE organization_id = $1").for_organization(organization))
            .await
    }

    async fn find_customer(&self, customer: &CustomerId) -> Result<Option<OrganizationId>> {
        let query =
            format!("SELECT organization_id FROM {} WHERE customer_id = $1 LIMIT 1", E::BILLING_SCHEDULE);
        let rows = self.0.fetch(Query::assembled(query).text(&customer.0)).await?;
        rows.first().map(|row| Cells::new(row).parse()).transpose()
    }

    async fn list_customers(
        &self,
        after: Option<OrganizationId>,
        limit: usize,
    ) -> Result<Vec<OrganizationId>> {
        let query = Query::assembled(format!(
            "SELECT organization_id FROM {} WHERE customer_id IS NOT NULL AND organization_id > $1 \
             ORDER BY organization_id LIMIT $2",
            E::BILLING_SCHEDULE,
        ));
        let after = after.map_or_else(String::new, |after| after.to_string());
        let rows = self.0.fetch(query.text(after).int(sql_limit(limit))).await?;
        rows.iter().map(|row| Cells::new(row).parse()).collect()
    }

    async fn list_due_accounts(&self, now: Timestamp, limit: usize) -> Result<Vec<OrganizationId>> {
        let query = Query::assembled(format!(
            "SELECT organization_id FROM {} \
             WHERE reconcile_at IS NOT NULL AND reconcile_at <= $1 ORDER BY reconcile_at LIMIT $2",
            E::BILLING_SCHEDULE,
        ));
        let rows = self.0.fetch(query.time(now).int(sql_limit(limit))).await?;
        rows.iter().map(|row| Cells::new(row).parse()).collect()
    }

    async fn list_webhook_events(&self, limit: usize) -> Result<Vec<WebhookEvent>> {
        let query = select::<WebhookEvent>("WHERE processed_at IS NULL ORDER BY received_at, id LIMIT $1");
        self.0.find_all(query.int(sql_limit(limit))).await
    }
}
