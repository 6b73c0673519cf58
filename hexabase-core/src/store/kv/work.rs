use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::key::after_prefix;
use super::prune::{self, CHUNK};
use super::view::{Reads as _, Space};
use super::{KvTenantStore, transact};
use crate::changeset::RecordKey;
use crate::error::Result;
use crate::id::{OrganizationId, WorkspaceId};
use crate::model::Workspace;
use crate::name::HostClusterName;
use crate::store::{PhaseCount, PruneCutoffs, WorkStore};

/// Makes the workspaces with these keys due that are still on a host cluster, and returns their number.
async fn make_chunk_due<S: Space>(
    store: &KvTenantStore<S>,
    keys: &[RecordKey],
    host_cluster: &HostClusterName,
    now: Timestamp,
) -> Result<u64> {
    transact!(store, |transaction| {
        let mut count = 0;
        for key in keys {
            let Some(mut workspace) = transaction.find::<Workspace>(key.clone()).await? else { continue };
            if workspace.host_cluster == *host_cluster {
                workspace.reconcile_at = Some(now);
                transaction.update(workspace.into()).await?;
                count += 1;
            }
        }
        count
    })
}

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
        let on_host = |workspace: &&Workspace| workspace.host_cluster == *host_cluster;
        let all = self.space.view().await?;
        let keys = all.records::<Workspace>(&[]).collect(usize::MAX, |item| {
            item.record().filter(on_host).map(|it| RecordKey::Workspace(it.organization_id, it.id))
        });
        let keys = keys.await?;
        drop(all);
        let mut count = 0;
        for chunk in keys.chunks(CHUNK) {
            count += make_chunk_due(self, chunk, host_cluster, now).await?;
        }
        Ok(count)
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
        prune::prune(self, cutoffs, limit).await
    }
}
