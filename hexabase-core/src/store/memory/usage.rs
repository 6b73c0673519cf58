use std::collections::BTreeMap;

use async_trait::async_trait;

use super::MemoryStore;
use super::state::{Index, usage_between};
use crate::changeset::RecordKey;
use crate::error::Result;
use crate::id::{OrganizationId, TypedId as _, WorkspaceId};
use crate::model::{
    BillingAccount, Hour, MeteredHour, PerMeter, UsageHour, UsageReport, Workspace, WorkspaceUsage,
};
use crate::store::{MeteredWorkspace, UsageStore};

#[async_trait]
impl UsageStore for MemoryStore {
    async fn list_metered(
        &self,
        hour: Hour,
        after: Option<(OrganizationId, WorkspaceId)>,
        limit: usize,
    ) -> Result<Vec<MeteredWorkspace>> {
        let state = self.lock();
        let (org, ws) = after.unwrap_or((OrganizationId::least(), WorkspaceId::least()));
        let existing = RecordKey::Workspace(org, ws)
            ..=RecordKey::Workspace(OrganizationId::greatest(), WorkspaceId::greatest());
        let existing = state.scan::<Workspace>(existing).map(|ws| (ws.organization_id, ws.id));
        let used = Index::UsedIn(hour, org, ws)
            ..=Index::UsedIn(hour, OrganizationId::greatest(), WorkspaceId::greatest());
        let used = state.index.range(used).filter_map(|entry| match entry {
            Index::UsedIn(_, org, ws) => Some((*org, *ws)),
            _ => None,
        });
        let mut all: Vec<_> = existing.take(limit + 1).chain(used.take(limit + 1)).collect();
        all.sort_unstable();
        all.dedup();
        let is_customer = |org| {
            let account: Option<&BillingAccount> = state.get(&RecordKey::BillingAccount(org));
            account.is_some_and(|account| account.customer_id.is_some())
        };
        let metered = |(organization_id, workspace_id)| MeteredWorkspace {
            organization_id,
            workspace_id,
            is_customer: is_customer(organization_id),
        };
        Ok(all.into_iter().filter(|id| Some(*id) > after).take(limit).map(metered).collect())
    }

    async fn list_usage(&self, organization: OrganizationId, hour: Hour) -> Result<Vec<UsageHour>> {
        let state = self.lock();
        let found = state.scan::<UsageHour>(usage_between(organization, hour, hour.after(1)));
        Ok(found.filter(|usage| usage.hour == hour).cloned().collect())
    }

    async fn sum_usage_by_workspace(
        &self,
        organization: OrganizationId,
        workspace: Option<WorkspaceId>,
        from: Hour,
        until: Hour,
    ) -> Result<Vec<WorkspaceUsage>> {
        let state = self.lock();
        let mut sums: BTreeMap<WorkspaceId, WorkspaceUsage> = BTreeMap::new();
        for usage in state.scan::<UsageHour>(usage_between(organization, from, until)) {
            let id = usage.workspace_id;
            if usage.hour == until || workspace.is_some_and(|requested| requested != id) {
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
        let state = self.lock();
        let mut sums: BTreeMap<Hour, PerMeter<u64>> = BTreeMap::new();
        let found = state.scan::<UsageHour>(usage_between(organization, from, until));
        for usage in found.filter(|usage| usage.hour != until) {
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
        let range = RecordKey::UsageReport(organization, from)..=RecordKey::UsageReport(organization, until);
        let state = self.lock();
        let found = state.scan::<UsageReport>(range).filter(|report| report.hour != until);
        Ok(found.cloned().collect())
    }

    async fn list_metered_hours(&self, from: Hour) -> Result<Vec<MeteredHour>> {
        let state = self.lock();
        let all = state
            .scan::<MeteredHour>(RecordKey::MeteredHour(Hour::FIRST)..=RecordKey::MeteredHour(Hour::LAST));
        let newest = all.last().map_or(from, |newest| newest.hour);
        let requested = RecordKey::MeteredHour(from.min(newest))..=RecordKey::MeteredHour(Hour::LAST);
        Ok(state.scan(requested).cloned().collect())
    }
}
