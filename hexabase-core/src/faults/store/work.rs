//! Work of the workers: tasks, outbox and leases.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::FaultyStore;
use crate::changeset::OutboxMessage;
use crate::error::Result;
use crate::id::{MessageId, OrganizationId, WorkspaceId};
use crate::name::HostClusterName;
use crate::store::{Lease, PhaseCount, PruneCutoffs, WorkStore};

#[async_trait]
impl WorkStore for FaultyStore {
    async fn claim_outbox(
        &self,
        limit: usize,
        now: Timestamp,
        claim_ttl: Duration,
    ) -> Result<Vec<OutboxMessage>> {
        self.plan.pass(self.inner.claim_outbox(limit, now, claim_ttl)).await
    }

    async fn finish_outbox(&self, ids: &[MessageId]) -> Result<()> {
        self.plan.pass(self.inner.finish_outbox(ids)).await
    }

    async fn count_outbox(&self) -> Result<u64> {
        self.inner.count_outbox().await
    }

    async fn oldest_in_outbox(&self) -> Result<Option<MessageId>> {
        self.inner.oldest_in_outbox().await
    }

    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Lease>> {
        self.plan.pass(self.inner.acquire_lease(name, holder, now, ttl)).await
    }

    async fn renew_lease(&self, lease: &Lease, now: Timestamp, ttl: Duration) -> Result<bool> {
        self.plan.pass(self.inner.renew_lease(lease, now, ttl)).await
    }

    async fn release_lease(&self, lease: &Lease) -> Result<()> {
        self.plan.pass(self.inner.release_lease(lease)).await
    }

    async fn list_leases(&self, now: Timestamp, limit: usize) -> Result<Vec<Lease>> {
        self.plan.pass(self.inner.list_leases(now, limit)).await
    }

    async fn list_due_workspaces(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<(OrganizationId, WorkspaceId)>> {
        self.plan.pass(self.inner.list_due_workspaces(now, limit)).await
    }

    async fn make_due(&self, host_cluster: &HostClusterName, now: Timestamp) -> Result<u64> {
        self.inner.make_due(host_cluster, now).await
    }

    async fn count_by_host(&self) -> Result<BTreeMap<HostClusterName, u32>> {
        self.inner.count_by_host().await
    }

    async fn count_by_phase(&self) -> Result<Vec<PhaseCount>> {
        self.inner.count_by_phase().await
    }

    async fn prune(&self, cutoffs: &PruneCutoffs, limit: usize) -> Result<u64> {
        self.plan.pass(self.inner.prune(cutoffs, limit)).await
    }
}
