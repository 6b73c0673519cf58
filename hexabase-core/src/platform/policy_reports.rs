use std::time::Duration;

use super::{Caller, PlatformInner};
use crate::access::Action;
use crate::desired::TenantTarget;
use crate::error::{Error, Result};
use crate::id::{OrganizationId, WorkspaceId};
use crate::model::{Phase, PolicyReport, Workspace};

/// Retention of a report.
const RETENTION: Duration = Duration::from_secs(24 * 60 * 60);
/// Minimum time between two collections of the reports of a workspace.
const COLLECTION_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// Maximum duration of a collection.
const COLLECTION_TIMEOUT: Duration = Duration::from_secs(30);

/// Violations of policies of the host. Workers collect them; the service here reads what they stored.
#[derive(Debug)]
pub struct PolicyReports<'a>(pub(super) &'a PlatformInner);

impl PolicyReports<'_> {
    /// Returns the latest report of a workspace; `None` before the first collection, on hosts whose policies write no
    /// reports, and after the loss of the ephemeral store.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role and groups; the right to read projects is required.
    pub async fn get(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<Option<PolicyReport>> {
        self.0.permit_in(caller, organization, workspace, None, Action::ProjectsRead).await?;
        let Some(stored) = self.0.ephemeral.get(&report_key(workspace)).await? else { return Ok(None) };
        // A report of another release is replaced by the next collection.
        Ok(serde_json::from_slice(&stored).ok())
    }
}

impl PlatformInner {
    /// Collects the violations of policies of the host by a workspace that runs, at most every five minutes. A failure is
    /// logged: a later reconcile repeats it.
    pub(crate) async fn collect_policy_report(&self, workspace: &Workspace) {
        if workspace.status.phase != Phase::Ready {
            return;
        }
        let limits = ("the host cluster", "the collection is repeated later");
        if let Err(error) = self.in_time(limits, COLLECTION_TIMEOUT, self.collect(workspace)).await {
            tracing::warn!(workspace = %workspace.id, error = ?error, "collecting policy reports failed; repeated later");
        }
    }

    async fn collect(&self, workspace: &Workspace) -> Result<()> {
        let provisioner = self.provisioner(&workspace.host_cluster).await?;
        if !provisioner.has_policy_reports() {
            return Ok(());
        }
        let marker = format!("policy-collected:{}", workspace.id);
        if !self.ephemeral.put_if_absent(&marker, b"1", COLLECTION_INTERVAL).await? {
            return Ok(());
        }
        let findings = provisioner.policy_findings(&TenantTarget::of(workspace)).await?;
        let report = PolicyReport::new(findings, self.now());
        let value = serde_json::to_vec(&report)
            .map_err(|error| Error::unexpected("serializing a policy report failed").caused_by(error))?;
        self.ephemeral.put(&report_key(workspace.id), &value, RETENTION).await
    }
}

fn report_key(workspace: WorkspaceId) -> String {
    format!("policy-report:{workspace}")
}
