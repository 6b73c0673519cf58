//! Billing accounts and webhook events.

use hexabase_core::error::Result;
use hexabase_core::model::{BillingAccount, CustomerId, WebhookEvent};

use crate::sql::cells::Cells;
use crate::sql::table::{Binder, Stored, Table};

impl Stored for BillingAccount {
    const TABLE: Table = Table {
        name: "billing_accounts",
        key: &["organization_id"],
        columns: &[
            "customer_id",
            "pending_order",
            "rejection",
            "subscription",
            "standing",
            "budget",
            "sent_usage_alerts",
            "reconcile_at",
            "reconciled_at",
            "failures",
            "created_at",
            "updated_at",
            "version",
        ],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(self.organization_id).text_or_null(self.customer_id.as_ref().map(|id| &id.0));
        row.json(&self.order)?.json(&self.rejection)?.json(&self.subscription)?.json(&self.standing)?;
        row.json(&self.budget)?.json(&self.sent_usage_alerts)?;
        row.time_or_null(self.reconcile_at).time_or_null(self.reconciled_at).number(self.failures)?;
        row.time(self.created_at).time(self.updated_at).version(self.version)?;
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            organization_id: cells.parse()?,
            customer_id: cells.string_or_null()?.map(CustomerId),
            order: cells.json()?,
            rejection: cells.json()?,
            subscription: cells.json()?,
            standing: cells.json()?,
            budget: cells.json()?,
            sent_usage_alerts: cells.json()?,
            reconcile_at: cells.time_or_null()?,
            reconciled_at: cells.time_or_null()?,
            failures: cells.number()?,
            created_at: cells.time()?,
            updated_at: cells.time()?,
            version: cells.version()?,
        })
    }
}

impl Stored for WebhookEvent {
    const TABLE: Table = Table {
        name: "webhook_events",
        key: &["id"],
        columns: &["kind", "customer_id", "received_at", "processed_at"],
    };

    fn bind(&self, row: &mut Binder) -> Result<()> {
        row.text(&self.id).text(&self.kind).text(&self.customer_id.0);
        row.time(self.received_at).time_or_null(self.processed_at);
        Ok(())
    }

    fn read(cells: &mut Cells<'_>) -> Result<Self> {
        Ok(Self {
            id: cells.string()?,
            kind: cells.string()?,
            customer_id: CustomerId(cells.string()?),
            received_at: cells.time()?,
            processed_at: cells.time_or_null()?,
        })
    }
}
