use async_trait::async_trait;
use jiff::Timestamp;

use crate::error::Result;
use crate::id::{OrganizationId, WorkspaceId};
use crate::model::{Hour, MeteredHour, PerMeter, UsageHour, UsageReport, WorkspaceUsage};

/// A workspace whose meters are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeteredWorkspace {
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// Which workspace, which may be gone by now.
    pub workspace_id: WorkspaceId,
    /// Whether its organization is a customer of the billing provider.
    pub is_customer: bool,
}

/// What workspaces used.
#[async_trait]
pub trait UsageStore: Send + Sync {
    /// The workspaces that there are, and those of which there is usage in this hour, in the order of their organizations
    /// and ids, after the one named, at most `limit`.
    ///
    /// # Behaviour
    /// - A workspace that is gone is listed for the hours of which there is usage.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_metered(
        &self,
        hour: Hour,
        after: Option<(OrganizationId, WorkspaceId)>,
        limit: usize,
    ) -> Result<Vec<MeteredWorkspace>>;

    /// The usage of an organization's workspaces in an hour.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_usage(&self, organization: OrganizationId, hour: Hour) -> Result<Vec<UsageHour>>;

    /// What each workspace of an organization, or one of them, used from an hour on until before another, in the order of
    /// their ids.
    ///
    /// # Behaviour
    /// - Workspaces of which nothing was read are left out.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn sum_usage_by_workspace(
        &self,
        organization: OrganizationId,
        workspace: Option<WorkspaceId>,
        from: Hour,
        until: Hour,
    ) -> Result<Vec<WorkspaceUsage>>;

    /// What all workspaces of an organization used together in each hour from one on until before another, in
    /// thousandths of each meter's unit, in the order of the hours.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn sum_usage_by_hour(
        &self,
        organization: OrganizationId,
        from: Hour,
        until: Hour,
    ) -> Result<Vec<(Hour, PerMeter<u64>)>>;

    /// What the billing provider was told of an organization's usage from an hour on until before another, in the order
    /// of the hours.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_usage_reports(
        &self,
        organization: OrganizationId,
        from: Hour,
        until: Hour,
    ) -> Result<Vec<UsageReport>>;

    /// The hours that were read, from one on, in their order.
    ///
    /// # Behaviour
    /// - The newest one is among them, however long ago it was.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_metered_hours(&self, from: Hour) -> Result<Vec<MeteredHour>>;

    /// Forgets the usage of all hours that began before `before`, with what was told of them. Answers how many records.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn prune_usage(&self, before: Timestamp) -> Result<u64>;
}
