use std::collections::BTreeMap;

use async_trait::async_trait;

use super::KvTenantStore;
use super::key::records;
use super::view::{Cursor, Reads, Space};
use crate::changeset::RecordKey;
use crate::error::Result;
use crate::id::{OrganizationId, WorkspaceId};
use crate::model::{
    BillingAccount, Hour, MeteredHour, PerMeter, UsageHour, UsageReport, Workspace, WorkspaceUsage,
};
use crate::store::{MeteredWorkspace, UsageStore};

#[async_trait]
impl<S: Space> UsageStore for KvTenantStore<S> {
    async fn list_metered(
        &self,
        hour: Hour,
        after: Option<(OrganizationId, WorkspaceId)>,
        limit: usize,
    ) -> Result<Vec<MeteredWorkspace>> {
        let view = self.space.view().await?;
        let after_existing = after.map(|(org, ws)| RecordKey::Workspace(org, ws));
        let existing = view.records_after::<Workspace>(&[], after_existing, limit);
        let id = |workspace: &Workspace| (workspace.organization_id, workspace.id);
        let mut all = existing.collect(limit, |item| item.record().map(id)).await?;
        let after_used = after.map(|(org, ws)| UsageHour::BY_HOUR.key(&[&hour, &org, &ws]));
        let used = view.cursor(UsageHour::BY_HOUR.key(&[&hour])).after(after_used).expecting(limit);
        let id = |key: &RecordKey| match key {
            RecordKey::UsageHour(org, _, ws) => Some((*org, *ws)),
            _ => None,
        };
        all.extend(used.collect(limit, |item| item.pointer().and_then(id)).await?);
        all.sort_unstable();
        all.dedup();
        all.truncate(limit);
        let mut metered: Vec<MeteredWorkspace> = Vec::with_capacity(all.len());
        for (organization_id, workspace_id) in all {
            let is_customer = match metered.last() {
                Some(last) if last.organization_id == organization_id => last.is_customer,
                _ => {
                    let account = view.find(RecordKey::BillingAccount(organization_id)).await?;
                    account.is_some_and(|account: BillingAccount| account.customer_id.is_some())
                }
            };
            metered.push(MeteredWorkspace { organization_id, workspace_id, is_customer });
        }
        Ok(metered)
    }

    async fn list_usage(&self, organization: OrganizationId, hour: Hour) -> Result<Vec<UsageHour>> {
        self.space.view().await?.all(&[&organization, &hour]).await
    }

    async fn sum_usage_by_workspace(
        &self,
        organization: OrganizationId,
        workspace: Option<WorkspaceId>,
        from: Hour,
        until: Hour,
    ) -> Result<Vec<WorkspaceUsage>> {
        let view = self.space.view().await?;
        let mut usage = between(&view, organization, from, until);
        let mut sums: BTreeMap<WorkspaceId, WorkspaceUsage> = BTreeMap::new();
        while let Some(usage) = usage.next_record::<UsageHour>().await? {
            let id = usage.workspace_id;
            if workspace.is_some_and(|requested| requested != id) {
                continue;
            }
            let nothing = || WorkspaceUsage { workspace_id: id, hours: 0, readings: PerMeter::default() };
            let sum = sums.entry(id).or_insert_with(nothing);
            sum.hours += 1;
            sum.readings = PerMeter::from_fn(|meter| sum.readings[meter].plus(usage.readings[meter]));
        }
        Ok(sums.into_values().collect())
    }

    async fn sum_usage_by_hour(
        &self,
        organization: OrganizationId,
        from: Hour,
        until: Hour,
    ) -> Result<Vec<(Hour, PerMeter<u64>)>> {
        let view = self.space.view().await?;
        let mut usage = between(&view, organization, from, until);
        let mut sums: BTreeMap<Hour, PerMeter<u64>> = BTreeMap::new();
        while let Some(usage) = usage.next_record::<UsageHour>().await? {
            let sum = sums.entry(usage.hour).or_default();
            *sum = PerMeter::from_fn(|meter| sum[meter].saturating_add(usage.readings[meter].amount));
        }
        Ok(sums.into_iter().collect())
    }

    async fn list_usage_reports(
        &self,
        organization: OrganizationId,
        from: Hour,
        until: Hour,
    ) -> Result<Vec<UsageReport>> {
        let view = self.space.view().await?;
        let reports = view.records::<UsageReport>(&[&organization]);
        let reports = reports.from(records::<UsageReport>(&[&organization, &from]));
        let reports = reports.until(records::<UsageReport>(&[&organization, &until]));
        reports.collect(usize::MAX, |item| item.record().cloned()).await
    }

    async fn list_metered_hours(&self, from: Hour) -> Result<Vec<MeteredHour>> {
        let view = self.space.view().await?;
        let mut newest = view.records::<MeteredHour>(&[]).descending().expecting(1);
        let newest = newest.next_record::<MeteredHour>().await?.map_or(from, |newest| newest.hour);
        let requested = view.records::<MeteredHour>(&[]).from(records::<MeteredHour>(&[&from.min(newest)]));
        requested.collect(usize::MAX, |item| item.record().cloned()).await
    }
}

/// The usage of an organization from hour `from` (inclusive) to `until` (exclusive).
fn between<V: Reads>(view: &V, organization: OrganizationId, from: Hour, until: Hour) -> Cursor<'_, V> {
    let all = view.records::<UsageHour>(&[&organization]);
    let all = all.from(records::<UsageHour>(&[&organization, &from]));
    all.until(records::<UsageHour>(&[&organization, &until]))
}
