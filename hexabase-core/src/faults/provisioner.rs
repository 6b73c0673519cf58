use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::FaultPlan;
use crate::desired::{TenantCluster, TenantTarget};
use crate::error::Result;
use crate::model::{DriftEntry, GitOpsCredentials, IsolationResult, PolicyFindings};
use crate::provisioner::{AdminAccess, Applied, ClusterProvisioner, Converged, Observation, OnChange};

/// A provisioner with fault injection for every call that reads or changes a tenant cluster.
#[derive(Debug)]
pub struct FaultyProvisioner {
    inner: Arc<dyn ClusterProvisioner>,
    plan: FaultPlan,
}

impl FaultyProvisioner {
    /// Wraps this provisioner under a fault plan.
    #[must_use]
    pub fn new(inner: Arc<dyn ClusterProvisioner>, plan: FaultPlan) -> Self {
        Self { inner, plan }
    }
}

#[async_trait]
impl ClusterProvisioner for FaultyProvisioner {
    async fn plan(&self, desired: &TenantCluster) -> Result<Vec<DriftEntry>> {
        self.plan.pass(self.inner.plan(desired)).await
    }

    async fn apply(&self, desired: &TenantCluster) -> Result<Applied> {
        self.plan.pass(self.inner.apply(desired)).await
    }

    async fn observe(&self, target: &TenantTarget) -> Result<Observation> {
        self.plan.pass(self.inner.observe(target)).await
    }

    async fn converge(&self, desired: &TenantCluster) -> Result<Converged> {
        self.plan.pass(self.inner.converge(desired)).await
    }

    async fn unchanged(&self, desired: &TenantCluster) -> Result<Option<Observation>> {
        self.plan.pass(self.inner.unchanged(desired)).await
    }

    async fn suspend(&self, target: &TenantTarget, now: Timestamp) -> Result<()> {
        self.plan.pass(self.inner.suspend(target, now)).await
    }

    async fn resume(&self, target: &TenantTarget) -> Result<()> {
        self.plan.pass(self.inner.resume(target)).await
    }

    async fn delete(&self, target: &TenantTarget) -> Result<()> {
        self.plan.pass(self.inner.delete(target)).await
    }

    async fn admin_access(&self, target: &TenantTarget) -> Result<AdminAccess> {
        self.inner.admin_access(target).await
    }

    async fn check_isolation(&self, desired: &TenantCluster) -> Result<Vec<IsolationResult>> {
        self.plan.pass(self.inner.check_isolation(desired)).await
    }

    async fn api_server_metrics(&self, target: &TenantTarget) -> Result<String> {
        self.plan.pass(self.inner.api_server_metrics(target)).await
    }

    async fn issue_gitops_credentials(
        &self,
        desired: &TenantCluster,
        now: Timestamp,
    ) -> Result<GitOpsCredentials> {
        self.plan.pass(self.inner.issue_gitops_credentials(desired, now)).await
    }

    fn has_policy_reports(&self) -> bool {
        self.inner.has_policy_reports()
    }

    async fn policy_findings(&self, target: &TenantTarget) -> Result<PolicyFindings> {
        self.plan.pass(self.inner.policy_findings(target)).await
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }

    async fn watch(&self, on_change: &OnChange) {
        self.inner.watch(on_change).await;
    }

    fn is_watch_failing(&self) -> bool {
        self.inner.is_watch_failing()
    }
}
