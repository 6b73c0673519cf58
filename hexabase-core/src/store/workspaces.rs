use crate::error::Result;
use crate::id::{OrganizationId, TaskId, UserId, WorkspaceId};
use crate::model::{Member, Phase, Task, Workspace, WorkspaceState};
use crate::name::{HostClusterName, PlanId};
use crate::page::{Page, PageRequest};
use crate::search::WorkspaceFilter;
use crate::store::decorator::store_part;

/// Workspace whose control plane runs, without the names that tenants choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningWorkspace {
    /// Organization that owns the workspace.
    pub organization_id: OrganizationId,
    /// Id of the workspace.
    pub id: WorkspaceId,
    /// Host cluster of the workspace.
    pub host_cluster: HostClusterName,
    /// Plan of the workspace.
    pub plan_id: PlanId,
}

impl RunningWorkspace {
    /// Phases in which the control plane runs, as last observed.
    pub const PHASES: [Phase; 3] = [Phase::Ready, Phase::Updating, Phase::Degraded];
}

store_part! {
    /// Workspaces and their tasks.
    pub trait WorkspaceStore {
        /// Finds a workspace.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn find_workspace(
            &self,
            organization: OrganizationId,
            id: WorkspaceId,
        ) -> Result<Option<Workspace>>;

        /// Returns the organization that owns a workspace. For tokens, which name only the workspace; every other read of
        /// a workspace requires the organization.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn organization_of_workspace(&self, id: WorkspaceId) -> Result<Option<OrganizationId>>;

        /// Lists the workspaces of all organizations whose control plane runs: those in one of [`RunningWorkspace::PHASES`]
        /// whose deletion is not requested. They are ordered by id, starting after `after`, at most `limit`.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_running_workspaces(
            &self,
            after: Option<WorkspaceId>,
            limit: u16,
        ) -> Result<Vec<RunningWorkspace>>;

        /// Finds a member of an organization together with one of its workspaces, in a single read, because nearly every
        /// request begins with both. `None` if the user is not a member; no workspace if it does not exist.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn find_workspace_for(
            &self,
            organization: OrganizationId,
            user: UserId,
            id: WorkspaceId,
        ) -> Result<Option<(Member, Option<Workspace>)>>;

        /// Loads a workspace with its groups, projects, roles and assignments, from one consistent snapshot.
        ///
        /// # Behaviour
        /// - Groups, projects, roles and assignments are ordered by id.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn load_workspace(
            &self,
            organization: OrganizationId,
            id: WorkspaceId,
        ) -> Result<Option<WorkspaceState>>;

        /// Lists the workspaces of an organization, oldest first: all of them, or with `member` only those in which that
        /// user is in a group.
        ///
        /// # Behaviour
        /// - Only workspaces that match the filter are listed, and pages are filled with them.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_workspaces(
            &self,
            organization: OrganizationId,
            member: Option<UserId>,
            filter: &WorkspaceFilter,
            page: &PageRequest,
        ) -> Result<Page<Workspace>>;

        /// Finds a task.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn find_task(
            &self,
            organization: OrganizationId,
            workspace: WorkspaceId,
            id: TaskId,
        ) -> Result<Option<Task>>;

        /// Lists the tasks of a workspace, newest first.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_tasks(
            &self,
            organization: OrganizationId,
            workspace: WorkspaceId,
            page: &PageRequest,
        ) -> Result<Page<Task>>;

        /// Lists the tasks of a workspace that are pending or running, oldest first.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_open_tasks(
            &self,
            organization: OrganizationId,
            workspace: WorkspaceId,
        ) -> Result<Vec<Task>>;
    }
}
