use crate::error::Result;
use crate::id::{OrganizationId, WorkspaceId};
use crate::model::{Hour, MeteredHour, PerMeter, UsageHour, UsageReport, WorkspaceUsage};
use crate::store::decorator::store_part;

/// A workspace whose meters must be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeteredWorkspace {
    /// Organization that owns the workspace.
    pub organization_id: OrganizationId,
    /// The workspace, which may have been deleted.
    pub workspace_id: WorkspaceId,
    /// `true` if the organization is a customer of the billing provider.
    pub is_customer: bool,
}

store_part! {
    /// Metered usage of workspaces, and the reports of it to the billing provider.
    pub trait UsageStore {
        /// Lists the existing workspaces and those with usage in this hour, ordered by organization and workspace id,
        /// starting after `after`, at most `limit`.
        ///
        /// # Behaviour
        /// - A deleted workspace is listed for the hours in which it has usage.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_metered(
            &self,
            hour: Hour,
            after: Option<(OrganizationId, WorkspaceId)>,
            limit: usize,
        ) -> Result<Vec<MeteredWorkspace>>;

        /// Lists the usage of an organization's workspaces in one hour.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_usage(&self, organization: OrganizationId, hour: Hour) -> Result<Vec<UsageHour>>;

        /// Sums the usage of each workspace of an organization, or of one workspace, from hour `from` (inclusive) to
        /// `until` (exclusive), ordered by workspace id.
        ///
        /// # Behaviour
        /// - Workspaces without usage records in this period are not included.
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

        /// Sums the usage of all workspaces of an organization for each hour from `from` (inclusive) to `until`
        /// (exclusive), in thousandths of each meter's unit, ordered by hour.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn sum_usage_by_hour(
            &self,
            organization: OrganizationId,
            from: Hour,
            until: Hour,
        ) -> Result<Vec<(Hour, PerMeter<u64>)>>;

        /// Lists the usage reports of an organization from hour `from` (inclusive) to `until` (exclusive), ordered by
        /// hour.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_usage_reports(
            &self,
            organization: OrganizationId,
            from: Hour,
            until: Hour,
        ) -> Result<Vec<UsageReport>>;

        /// Lists the hours for which the meters were read, from `from` on, ordered by hour.
        ///
        /// # Behaviour
        /// - The newest such hour is always included, even if it is before `from`.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_metered_hours(&self, from: Hour) -> Result<Vec<MeteredHour>>;
    }
}
