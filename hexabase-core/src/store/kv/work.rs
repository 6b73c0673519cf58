use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::key::after_prefix;
use super::view::{Reads as _, Space};
use super::{Item, KvTenantStore, LeaseRow, Section, transact};
use crate::changeset::{OutboxMessage, RecordKey};
use crate::clock::after;
use crate::error::Result;
use crate::id::{MessageId, OrganizationId, WorkspaceId};
use crate::model::Workspace;
use crate::name::HostClusterName;
use crate::store::{Lease, PhaseCount, PruneCutoffs, WorkStore};

#[async_trait]
impl<S: Space> WorkStore for KvTenantStore<S> {
    async fn claim_outbox(
        &self,
        limit: usize,
        now: Timestamp,
        claim_ttl: Duration,
    ) -> Result<Vec<OutboxMessage>> {
        transact!(self, |transaction| {
            // Another relay reads and writes the same messages, so that only one of both claims them.
            let view = transaction.unchanged();
            let mut messages = view.cursor(Section::Message.key(&[]));
            let mut blocked = BTreeSet::new();
            let mut claimed: Vec<OutboxMessage> = Vec::new();
            while claimed.len() < limit {
                let Some(item) = messages.next().await? else { break };
                let Item::Message(message, claimed_until) = &*item else { continue };
                if *claimed_until > now {
                    blocked.extend(message.workspace_id);
                } else if message.workspace_id.is_none_or(|workspace| !blocked.contains(&workspace)) {
                    claimed.push(message.clone());
                }
            }
            for message in &claimed {
                let key = Section::Message.key(&[&message.id]);
                transaction.item(&key).await?;
                transaction.put(key, Item::Message(message.clone(), after(now, claim_ttl)));
            }
            claimed
        })
    }

    async fn finish_outbox(&self, ids: &[MessageId]) -> Result<()> {
        transact!(self, |transaction| {
            ids.iter().for_each(|id| transaction.remove(Section::Message.key(&[id])));
        })
    }

    async fn count_outbox(&self) -> Result<u64> {
        let view = self.space.view().await?;
        let mut messages = view.cursor(Section::Message.key(&[]));
        let mut count = 0;
        while messages.next().await?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    async fn oldest_in_outbox(&self) -> Result<Option<MessageId>> {
        let view = self.space.view().await?;
        let oldest = view.cursor(Section::Message.key(&[])).expecting(1).next().await?;
        Ok(oldest
            .and_then(|item| if let Item::Message(message, _) = &*item { Some(message.id) } else { None }))
    }

    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Lease>> {
        let expires_at = after(now, ttl);
        transact!(self, |transaction| {
            let known = transaction.lease(name).await?;
            let is_free = known.as_ref().is_none_or(|lease| {
                lease.holder.as_deref().is_none_or(|by| by == holder) || lease.expires_at <= now
            });
            if is_free {
                let (name, holder) = (name.to_owned(), Some(holder.to_owned()));
                let token = known.map_or(1, |lease| lease.token + 1);
                transaction.put_lease(LeaseRow { name: name.clone(), holder, token, expires_at });
                Some(Lease { name, token, expires_at })
            } else {
                None
            }
        })
    }

    async fn renew_lease(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<bool> {
        transact!(self, |transaction| {
            transaction.change_lease(lease, |row| row.expires_at = after(now, ttl)).await?
        })
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        // The row stays without a holder, so that tokens keep increasing.
        transact!(self, |transaction| {
            transaction.change_lease(lease, |row| row.holder = None).await?;
        })
    }

    async fn list_leases(&self, now: Timestamp, limit: usize) -> Result<Vec<Lease>> {
        let view = self.space.view().await?;
        let active = |item: &Item| match item {
            Item::Lease(row) if row.holder.is_some() && row.expires_at > now => {
                Some(Lease { name: row.name.clone(), token: row.token, expires_at: row.expires_at })
            }
            _ => None,
        };
        view.cursor(Section::Lease.key(&[])).collect(limit, active).await
    }

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
