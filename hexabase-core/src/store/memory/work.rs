use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem::discriminant;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::MemoryStore;
use super::state::{Index, LeaseRow, State, spent};
use crate::changeset::{OutboxMessage, Record, RecordKey};
use crate::clock::after;
use crate::error::Result;
use crate::id::{MessageId, OrganizationId, TypedId as _, WorkspaceId};
use crate::model::{AuditEvent, Session, Workspace};
use crate::name::HostClusterName;
use crate::store::{Lease, PhaseCount, PruneCutoffs, WorkStore};

#[async_trait]
impl WorkStore for MemoryStore {
    async fn claim_outbox(
        &self,
        limit: usize,
        now: Timestamp,
        claim_ttl: Duration,
    ) -> Result<Vec<OutboxMessage>> {
        let mut state = self.lock();
        let mut blocked = BTreeSet::new();
        let mut claimed: Vec<OutboxMessage> = Vec::new();
        for (message, claimed_until) in state.outbox.values() {
            if claimed.len() == limit {
                break;
            }
            if *claimed_until > now {
                blocked.extend(message.workspace_id);
            } else if message.workspace_id.is_none_or(|workspace| !blocked.contains(&workspace)) {
                claimed.push(message.clone());
            }
        }
        for message in &claimed {
            state.outbox.insert_mut(message.id, (message.clone(), after(now, claim_ttl)));
        }
        Ok(claimed)
    }

    async fn finish_outbox(&self, ids: &[MessageId]) -> Result<()> {
        let mut state = self.lock();
        for id in ids {
            state.outbox.remove_mut(id);
        }
        Ok(())
    }

    async fn count_outbox(&self) -> Result<u64> {
        Ok(self.lock().outbox.size() as u64)
    }

    async fn oldest_in_outbox(&self) -> Result<Option<MessageId>> {
        Ok(self.lock().outbox.keys().next().copied())
    }

    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Lease>> {
        let mut state = self.lock();
        let known = state.leases.get(name);
        if known.is_some_and(|lease| {
            lease.holder.as_deref().is_some_and(|by| by != holder) && lease.expires_at > now
        }) {
            return Ok(None);
        }
        let token = known.map_or(1, |lease| lease.token + 1);
        let expires_at = after(now, ttl);
        state
            .leases
            .insert_mut(name.to_owned(), LeaseRow { holder: Some(holder.to_owned()), token, expires_at });
        Ok(Some(Lease { name: name.to_owned(), token, expires_at }))
    }

    async fn renew_lease(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<bool> {
        Ok(self.lock().change_lease(lease, |row| row.expires_at = after(now, ttl)))
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        // The row stays without a holder, so that tokens keep increasing.
        self.lock().change_lease(lease, |row| row.holder = None);
        Ok(())
    }

    async fn list_leases(&self, now: Timestamp, limit: usize) -> Result<Vec<Lease>> {
        let state = self.lock();
        let active = state.leases.iter().filter(|(_, row)| row.holder.is_some() && row.expires_at > now);
        let lease = |(name, row): (&String, &LeaseRow)| Lease {
            name: name.clone(),
            token: row.token,
            expires_at: row.expires_at,
        };
        Ok(active.take(limit).map(lease).collect())
    }

    async fn list_due_workspaces(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(OrganizationId, WorkspaceId)>> {
        let state = self.lock();
        let first = Index::WorkspaceDue(Timestamp::MIN, OrganizationId::least(), WorkspaceId::least());
        let last = Index::WorkspaceDue(now, OrganizationId::greatest(), WorkspaceId::greatest());
        let due = state.index.range(first..=last).filter_map(|entry| match entry {
            Index::WorkspaceDue(_, org, ws) => Some((*org, *ws)),
            _ => None,
        });
        Ok(due.take(limit).collect())
    }

    async fn make_due(&self, host_cluster: &HostClusterName, now: Timestamp) -> Result<u64> {
        let mut state = self.lock();
        let all = state.records.values().filter_map(crate::changeset::Stored::of);
        let on_host = all.filter(|workspace: &&Workspace| workspace.host_cluster == *host_cluster);
        let on_host: Vec<Workspace> = on_host.cloned().collect();
        for workspace in &on_host {
            if let Some(at) = workspace.reconcile_at {
                state.index.remove_mut(&Index::WorkspaceDue(at, workspace.organization_id, workspace.id));
            }
            let mut workspace = workspace.clone();
            workspace.reconcile_at = Some(now);
            state.index.insert_mut(Index::WorkspaceDue(now, workspace.organization_id, workspace.id));
            let key = RecordKey::Workspace(workspace.organization_id, workspace.id);
            state.records.insert_mut(key, workspace.into());
        }
        Ok(on_host.len() as u64)
    }

    async fn count_by_host(&self) -> Result<BTreeMap<HostClusterName, u32>> {
        let state = self.lock();
        let mut counts = BTreeMap::new();
        let all = state.records.values().filter_map(crate::changeset::Stored::of);
        for host in all.map(|workspace: &Workspace| &workspace.host_cluster) {
            *counts.entry(host.clone()).or_insert(0) += 1;
        }
        Ok(counts)
    }

    async fn count_by_phase(&self) -> Result<Vec<PhaseCount>> {
        let state = self.lock();
        let mut counts = BTreeMap::new();
        let all = state.records.values().filter_map(crate::changeset::Stored::of);
        all.for_each(|workspace: &Workspace| {
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
        });
        Ok(counts.into_values().collect())
    }

    async fn prune(&self, cutoffs: &PruneCutoffs, limit: usize) -> Result<u64> {
        Ok(self.lock().prune(cutoffs, limit))
    }
}

impl State {
    /// Changes a lease that still has its token; returns `false` if it has another token.
    fn change_lease(&mut self, lease: &Lease, change: impl FnOnce(&mut LeaseRow)) -> bool {
        match self.leases.get(&lease.name) {
            Some(row) if row.token == lease.token => {
                let mut row = row.clone();
                change(&mut row);
                self.leases.insert_mut(lease.name.clone(), row);
                true
            }
            _ => false,
        }
    }

    fn prune(&mut self, cutoffs: &PruneCutoffs, limit: usize) -> u64 {
        let responses =
            self.idempotency_records.iter().filter(|(_, record)| record.expires_at <= cutoffs.now);
        let responses: Vec<_> = responses.map(|(key, _)| key.clone()).take(limit).collect();
        for key in &responses {
            self.idempotency_records.remove_mut(key);
        }
        let leases = self.leases.iter().filter(|(_, lease)| lease.expires_at < cutoffs.events);
        let leases: Vec<String> = leases.map(|(name, _)| name.clone()).take(limit).collect();
        for name in &leases {
            self.leases.remove_mut(name);
        }
        let is_old = |entry: &AuditEvent| cutoffs.audit_events.is_some_and(|before| entry.at < before);
        let audit = self.audit.iter().filter(|(_, entry)| is_old(entry));
        let audit: Vec<_> = audit.map(|(key, _)| *key).take(limit).collect();
        for key in &audit {
            self.audit.remove_mut(key);
        }
        let mut counts = HashMap::new();
        let expired = self.records.iter().filter(|(_, record)| {
            self.is_expired(record, cutoffs) && {
                let count = counts.entry(discriminant(*record)).or_insert(0);
                *count += 1;
                *count <= limit
            }
        });
        let expired: Vec<RecordKey> = expired.map(|(key, _)| key.clone()).collect();
        let before = self.records.size();
        for key in &expired {
            // Cannot fail: the record existed a moment ago, and none of these kinds has children.
            let _ = self.delete(key);
        }
        (responses.len() + leases.len() + audit.len() + before - self.records.size()) as u64
    }

    fn is_expired(&self, record: &Record, cutoffs: &PruneCutoffs) -> bool {
        let is_over = |session: &Session| {
            session.expires_at <= cutoffs.now || session.revoked_at.is_some_and(|at| at < cutoffs.events)
        };
        match record {
            // The refresh tokens go first.
            Record::Session(session) => {
                is_over(session) && self.records.range(spent(session.id)).next().is_none()
            }
            Record::SpentRefresh(token) => {
                self.get(&RecordKey::Session(token.session_id)).is_some_and(is_over)
            }
            Record::SecurityEvent(event) => event.at < cutoffs.security_events,
            Record::Task(task) => task.finished_at.is_some_and(|at| at < cutoffs.tasks),
            Record::Event(event) => event.at < cutoffs.events,
            Record::WebhookEvent(event) => event.received_at < cutoffs.events,
            Record::UsageHour(usage) => usage.hour.start() < cutoffs.usage,
            Record::UsageReport(report) => report.hour.start() < cutoffs.usage,
            Record::MeteredHour(metered) => metered.hour.start() < cutoffs.usage,
            _ => false,
        }
    }
}
