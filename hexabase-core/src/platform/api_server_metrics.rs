use super::PlatformInner;
use crate::desired::TenantTarget;
use crate::error::{Error, Result};
use crate::id::WorkspaceId;
use crate::store::RunningWorkspace;

/// Number of workspaces that are listed at once.
const PAGE_SIZE: u16 = 1_000;

/// Metrics of tenant API servers, for a Prometheus of the operator. No caller is authorized.
#[derive(Debug, Clone, Copy)]
pub struct ApiServerMetrics<'a>(pub(super) &'a PlatformInner);

impl ApiServerMetrics<'_> {
    /// Lists workspaces whose control plane runs, of all organizations, ordered by id and beginning after `after`.
    /// Empty after the last one.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list(&self, after: Option<WorkspaceId>) -> Result<Vec<RunningWorkspace>> {
        self.0.store.list_running_workspaces(after, PAGE_SIZE).await
    }

    /// Returns the metrics of the API server of a workspace in the text format of Prometheus. Connects to the host
    /// cluster and to the tenant, as workers do.
    ///
    /// # Errors
    /// - `NotFound` if the workspace does not exist or is being deleted.
    /// - `Unavailable` with code `unsupported` if its control plane is replicated.
    /// - As [`ClusterProvisioner::api_server_metrics`](crate::provisioner::ClusterProvisioner::api_server_metrics).
    pub async fn read(&self, workspace: WorkspaceId) -> Result<String> {
        let missing = || Error::not_found("workspace");
        let organization = self.0.store.organization_of_workspace(workspace).await?.ok_or_else(missing)?;
        let found = self.0.store.find_workspace(organization, workspace).await?;
        let found =
            found.filter(|workspace| workspace.deletion_requested_at.is_none()).ok_or_else(missing)?;
        // The Service of the control plane leads to any replica, and each has counters of its own.
        let plans = self.0.plans().await?;
        if plans.find(&found.plan_id).is_some_and(|plan| plan.control_plane.replicas > 1) {
            return Err(Error::unsupported("a replicated control plane is measured with a ServiceMonitor"));
        }
        let provisioner = self.0.provisioner(&found.host_cluster).await?;
        provisioner.api_server_metrics(&TenantTarget::of(&found)).await
    }
}
