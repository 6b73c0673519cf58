//! [`IsolationChecker`] runs the isolation checks of workspaces, on request and on a schedule.

use std::time::Duration;

use super::StopSignal;
use super::reconciler::Reconciler;
use crate::error::{ErrorKind, Result};
use crate::id::{OrganizationId, WorkspaceId};
use crate::model::{ConditionStatus, Hour, IsolationReport, Phase};
use crate::platform::{Platform, PlatformInner};

/// Interval at which due workspaces are searched.
const SCAN_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// Maximum number of checks that one search requests.
const MAX_CHECKS_PER_SCAN: usize = 100;
/// Workspaces read at a time.
const WORKSPACE_PAGE_SIZE: usize = 250;
/// Time until a scheduled check is repeated that could not run.
const RETRY_INTERVAL: Duration = Duration::from_secs(15 * 60);

/// Runs isolation checks, and stores their reports.
#[derive(Debug)]
pub struct IsolationChecker<'a>(&'a PlatformInner);

impl<'a> IsolationChecker<'a> {
    /// Creates the isolation checker of a platform.
    #[must_use]
    pub fn new(platform: &'a Platform) -> Self {
        Self::of(platform.inner())
    }

    pub(crate) const fn of(inner: &'a PlatformInner) -> Self {
        Self(inner)
    }

    pub(super) async fn run(&self, stop_signal: &StopSignal) {
        while !stop_signal.is_set() {
            if let Err(error) = self.request_due().await {
                tracing::warn!(%error, "scheduling isolation checks failed; repeated at the next interval");
            }
            stop_signal.sleep(self.0, SCAN_INTERVAL).await;
        }
    }

    /// Requests a check of each workspace without one in the last interval, at most 100, and returns their number.
    /// Does nothing if scheduled checks are disabled.
    ///
    /// # Errors
    /// Errors of the stores or the queue; the next call requests the remaining checks.
    pub async fn request_due(&self) -> Result<usize> {
        let Some(interval) = self.0.config.isolation_check_interval else { return Ok(0) };
        let (mut requested, mut after) = (0, None);
        loop {
            let page = self.0.store.list_metered(Hour::of(self.0.now()), after, WORKSPACE_PAGE_SIZE).await?;
            let Some(last) = page.last() else { return Ok(requested) };
            after = Some((last.organization_id, last.workspace_id));
            for listed in page {
                // The marker keeps other workers from requesting the same check. Until the check has run it is
                // short-lived, so that a worker that stops before it publishes does not skip a whole interval.
                let marker = marker(listed.workspace_id);
                let claim = interval.min(RETRY_INTERVAL);
                if !self.0.ephemeral.put_if_absent(&marker, b"1", claim).await? {
                    continue;
                }
                let message = self.0.isolation_message(listed.organization_id, listed.workspace_id);
                if let Err(error) = self.0.queue.publish(&message, Duration::ZERO).await {
                    self.0.ephemeral.take(&marker).await?;
                    return Err(error);
                }
                requested += 1;
                if requested == MAX_CHECKS_PER_SCAN {
                    return Ok(requested);
                }
            }
        }
    }

    /// Runs the check of a workspace, and stores and returns its report. `None` if the workspace does not exist or does
    /// not run. A check that could not run is repeated after 15 minutes, if checks are scheduled.
    ///
    /// # Errors
    /// `Unavailable` if the host cluster does not respond, and errors of the stores.
    pub async fn check(
        &self,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<Option<IsolationReport>> {
        let checked = self.try_check(organization, workspace).await;
        let interval = self.0.config.isolation_check_interval.unwrap_or(RETRY_INTERVAL);
        let next = if matches!(checked, Ok(Some(_))) { interval } else { interval.min(RETRY_INTERVAL) };
        self.0.ephemeral.put(&marker(workspace), b"1", next).await?;
        checked
    }

    async fn try_check(
        &self,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<Option<IsolationReport>> {
        let Some(state) = self.0.store.load_workspace(organization, workspace).await? else {
            return Ok(None);
        };
        let phase = state.workspace.status.phase;
        if ![Phase::Ready, Phase::Updating, Phase::Degraded].contains(&phase) {
            return Ok(None);
        }
        let desired = Reconciler::of(self.0).desired(&state).await?;
        let host = &state.workspace.host_cluster;
        let results = match self.0.provisioner(host).await?.check_isolation(&desired).await {
            Ok(results) => results,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let previous = self.0.isolation_report(workspace).await?;
        let report = IsolationReport::new(previous.as_ref(), host.clone(), results, self.0.now());
        for condition in &report.conditions {
            if condition.result.status == ConditionStatus::False {
                let (kind, message) = (&condition.result.kind, &condition.result.message);
                tracing::warn!(%workspace, %host, check = kind, message, "isolation check failed");
            }
        }
        self.0.isolation_failures.count(&report);
        self.0.store_isolation_report(workspace, &report).await?;
        Ok(Some(report))
    }

    /// Runs a requested check. A failure is logged: the schedule repeats it.
    pub(super) async fn check_requested(&self, organization: OrganizationId, workspace: WorkspaceId) {
        if let Err(error) = self.check(organization, workspace).await {
            tracing::warn!(%workspace, error = ?error, "isolation check could not run; repeated later");
        }
    }
}

fn marker(workspace: WorkspaceId) -> String {
    format!("isolation-checked:{workspace}")
}
