use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Authorization, Caller, Idempotent, PlatformInner};
use crate::access::Action;
use crate::changeset::{Changeset, OutboxMessage, Topic};
use crate::ephemeral::Rate;
use crate::error::{Error, Result};
use crate::id::{OrganizationId, WorkspaceId};
use crate::model::{ConditionStatus, IsolationReport};
use crate::name::HostClusterName;
use crate::store::RunningWorkspace;

/// Requested isolation checks of one workspace: one per minute.
const REQUEST_RATE: Rate = Rate { burst: 1, period: Duration::from_secs(60) };
/// Retention of a report, unless the interval of the checks is longer.
const MIN_RETENTION: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// Isolation checks of workspaces. Workers run them; the services here request them and read their reports.
#[derive(Debug)]
pub struct Isolation<'a>(pub(super) &'a PlatformInner);

/// Requested isolation check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IsolationRequest {
    /// Time of the request. The check is complete once the report is newer.
    pub requested_at: Timestamp,
}

impl Isolation<'_> {
    /// Returns the latest report of a workspace; `None` before the first check, and after the loss of the ephemeral
    /// store, until the next check.
    ///
    /// # Errors
    /// `NotFound` or `Forbidden` according to the caller's role and groups.
    pub async fn report(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<Option<IsolationReport>> {
        self.0.permit_in(caller, organization, workspace, None, Action::WorkspaceRead).await?;
        self.0.isolation_report(workspace).await
    }

    /// Lists workspaces whose control plane runs, of all organizations, ordered by id and beginning after `after`, each with
    /// its latest report. For operators: no caller is authorized.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn reports(
        &self,
        after: Option<WorkspaceId>,
        limit: u16,
    ) -> Result<Vec<(RunningWorkspace, Option<IsolationReport>)>> {
        let workspaces = self.0.store.list_running_workspaces(after, limit).await?;
        // The ephemeral store has no read of several keys; the requests share its connections.
        let reports = workspaces.iter().map(|workspace| self.0.isolation_report(workspace.id));
        let reports = try_join_all(reports).await?;
        Ok(workspaces.into_iter().zip(reports).collect())
    }

    /// Requests a check of a workspace, which a worker runs soon.
    ///
    /// # Errors
    /// - `NotFound` or `Forbidden` according to the caller's role and groups.
    /// - `RateLimited` if a check of this workspace was requested in the last minute.
    pub async fn request(
        &self,
        caller: &Caller,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<Idempotent<IsolationRequest>> {
        let authorization = Authorization::Workspace((organization, workspace, None), Action::IsolationCheck);
        self.0
            .run_idempotent(caller, authorization, || async {
                self.0.permit_in(caller, organization, workspace, None, Action::IsolationCheck).await?;
                let bucket = format!("rate:isolation:{workspace}");
                let allowance = self.0.ephemeral.take_token(&bucket, REQUEST_RATE).await?;
                if !allowance.allowed {
                    return Err(Error::rate_limited(allowance.retry_after));
                }
                let requested_at = self.0.now();
                let entry = self.0.audit(caller, organization, "isolation.check", workspace, (), ());
                let message = self.0.isolation_message(organization, workspace);
                Ok((Changeset::new().audit(entry).message(message), IsolationRequest { requested_at }))
            })
            .await
    }
}

/// Numbers of failed isolation checks in this process, by host cluster and type of the condition.
#[derive(Debug, Default)]
pub(crate) struct IsolationFailures(Mutex<BTreeMap<(HostClusterName, String), u64>>);

impl IsolationFailures {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(HostClusterName, String), u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the failures of a report. Types without a failure are counted as zero, so that a later failure is an
    /// increase.
    pub(crate) fn count(&self, report: &IsolationReport) {
        let mut failures = self.lock();
        for condition in &report.conditions {
            let key = (report.host_cluster.clone(), condition.result.kind.clone());
            *failures.entry(key).or_insert(0) += u64::from(condition.result.status == ConditionStatus::False);
        }
    }

    pub(super) fn all(&self) -> BTreeMap<(HostClusterName, String), u64> {
        self.lock().clone()
    }
}

impl PlatformInner {
    /// Creates an outbox message that requests an isolation check of a workspace.
    pub(crate) fn isolation_message(
        &self,
        organization_id: OrganizationId,
        workspace_id: WorkspaceId,
    ) -> OutboxMessage {
        OutboxMessage {
            topic: Topic::CheckIsolation,
            ..self.reconcile_message(organization_id, workspace_id)
        }
    }

    /// Returns the latest report of a workspace.
    pub(crate) async fn isolation_report(&self, workspace: WorkspaceId) -> Result<Option<IsolationReport>> {
        let Some(stored) = self.ephemeral.get(&report_key(workspace)).await? else { return Ok(None) };
        // A report of another release is replaced by the next check.
        Ok(serde_json::from_slice(&stored).ok())
    }

    /// Stores the latest report of a workspace.
    pub(crate) async fn store_isolation_report(
        &self,
        workspace: WorkspaceId,
        report: &IsolationReport,
    ) -> Result<()> {
        let value = serde_json::to_vec(report)
            .map_err(|error| Error::unexpected("serializing an isolation report failed").caused_by(error))?;
        let retention = self.config.isolation_check_interval.map_or(MIN_RETENTION, |interval| interval * 2);
        self.ephemeral.put(&report_key(workspace), &value, retention.max(MIN_RETENTION)).await
    }
}

fn report_key(workspace: WorkspaceId) -> String {
    format!("isolation:{workspace}")
}
