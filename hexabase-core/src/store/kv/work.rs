use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::key::after_prefix;
use super::view::{Reads as _, Space};
use super::{KvTenantStore, transact};
use crate::changeset::RecordKey;
use crate::error::Result;
use crate::id::{OrganizationId, WorkspaceId};
use crate::model::Workspace;
use crate::name::HostClusterName;
use crate::store::{PhaseCount, PruneCutoffs, WorkStore};

#[async_trait]
impl<S: Space> WorkStore for KvTenantStore<S> {
    async fn list_due_workspaces(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(OrganizationId, WorkspaceId)>> {
        let view = self.space.view().await?;
        let due = view.cursor(Workspace::BY_DUE_TIME.key(&[])).expecting(limit);
        let due = due.until(after_prefix(Workspace::BY_DUE_TIME.key(&[&now])));
        let id = |key: &RecordKey| match key {
            RecordKey::Workspace(org, ws) => Some((*org, *ws)),
            _ => None,
        };
        due.collect(limit, |item| item.pointer().and_then(id)).await
    }

    async fn make_due(&self, host_cluster: &HostClusterName, now: Timestamp) -> Result<u64> {
        transact!(self, |transaction| {
            let on_host = |workspace: &&Workspace| workspace.host_cluster == *host_cluster;
            let all = transaction.records::<Workspace>(&[]);
            let keys = all.collect(usize::MAX, |item| {
                item.record().filter(on_host).map(|it| RecordKey::Workspace(it.organization_id, it.id))
            });
            let mut count = 0;
            for key in keys.await? {
                let Some(mut workspace) = transaction.find::<Workspace>(key).await? else { continue };
                workspace.reconcile_at = Some(now);
                transaction.update(workspace.into()).await?;
                count += 1;
            }
            count
        })
    }

    async fn count_by_host(&self) -> Result<BTreeMap<HostClusterName, u32>> {
        let view = self.space.view().await?;
        let mut workspaces = view.records::<Workspace>(&[]);
        let mut counts = BTreeMap::new();
        while let Some(item) = workspaces.next().await? {
            if let Some(workspace) = item.record::<Workspace>() {
                *counts.entry(workspace.host_cluster.clone()).or_insert(0) += 1;
            }
        }
        Ok(counts)
    }

    async fn count_by_phase(&self) -> Result<Vec<PhaseCount>> {
        let view = self.space.view().await?;
        let mut workspaces = view.records::<Workspace>(&[]);
        let mut counts = BTreeMap::new();
        while let Some(item) = workspaces.next().await? {
            let Some(workspace) = item.record::<Workspace>() else { continue };
            let phase = workspace.status.phase;
            let host_cluster = workspace.host_cluster.clone();
            let count = counts.entry((host_cluster.clone(), phase.as_str())).or_insert(PhaseCount {
                host_cluster,
                phase,
                workspaces: 0,
                unconverged_since: None,
            });
            count.workspaces += 1;
            count.unconverged_since =
                [count.unconverged_since, workspace.unconverged_since()].into_iter().flatten().min();
        }
        Ok(counts.into_values().collect())
    }

    async fn prune(&self, cutoffs: &PruneCutoffs, limit: usize) -> Result<u64> {
        transact!(self, |transaction| transaction.prune(cutoffs, limit).await?)
    }
}
