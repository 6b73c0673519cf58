use async_trait::async_trait;

use crate::error::Result;
use crate::id::{OrganizationId, TaskId, UserId, WorkspaceId};
use crate::model::{Member, Task, Workspace, WorkspaceState};
use crate::page::{Page, PageRequest};

/// Workspaces and the tasks on them.
#[async_trait]
pub trait WorkspaceStore: Send + Sync {
    /// A workspace.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_workspace(
        &self,
        organization: OrganizationId,
        id: WorkspaceId,
    ) -> Result<Option<Workspace>>;

    /// The organization that a workspace belongs to: for tokens, which name the workspace alone. Nobody learns
    /// anything else of a workspace without naming its organization.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn organization_of_workspace(&self, id: WorkspaceId) -> Result<Option<OrganizationId>>;

    /// A member of an organization with one of its workspaces, in a single read: what nearly every request begins
    /// with. Nothing for whoever is no member; no workspace where there is none.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_workspace_for(
        &self,
        organization: OrganizationId,
        user: UserId,
        id: WorkspaceId,
    ) -> Result<Option<(Member, Option<Workspace>)>>;

    /// A workspace with everything that its cluster follows, as of one moment.
    ///
    /// # Behaviour
    /// - Groups, projects, roles and assignments come in the order of their ids.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn load_workspace(
        &self,
        organization: OrganizationId,
        id: WorkspaceId,
    ) -> Result<Option<WorkspaceState>>;

    /// The workspaces of an organization, oldest first: all of them, or those with a group that `member`
    /// is in.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_workspaces(
        &self,
        organization: OrganizationId,
        member: Option<UserId>,
        page: &PageRequest,
    ) -> Result<Page<Workspace>>;

    /// A task.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_task(
        &self,
        organization: OrganizationId,
        workspace: WorkspaceId,
        id: TaskId,
    ) -> Result<Option<Task>>;

    /// The tasks of a workspace, newest first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_tasks(
        &self,
        organization: OrganizationId,
        workspace: WorkspaceId,
        page: &PageRequest,
    ) -> Result<Page<Task>>;

    /// The tasks of a workspace that are pending or running, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_open_tasks(
        &self,
        organization: OrganizationId,
        workspace: WorkspaceId,
    ) -> Result<Vec<Task>>;
}
