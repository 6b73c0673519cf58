use async_trait::async_trait;

use crate::error::Result;
use crate::id::{AssignmentId, GroupId, OrganizationId, ProjectId, RoleId, UserId, WorkspaceId};
use crate::model::{Assignment, CustomRole, Group, Membership, Project};
use crate::page::{Page, PageRequest};

/// Groups, projects, roles and assignments of a workspace.
#[async_trait]
pub trait AccessStore: Send + Sync {
    /// A group.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_group(&self, org: OrganizationId, ws: WorkspaceId, id: GroupId) -> Result<Option<Group>>;

    /// The groups of a workspace, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_groups(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        page: &PageRequest,
    ) -> Result<Page<Group>>;

    /// Who was put in one of these groups, in the order of group and user.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_memberships(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        groups: &[GroupId],
    ) -> Result<Vec<Membership>>;

    /// The groups of a workspace that a user was put in, in the order of their ids; ancestors are not among
    /// them.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_groups_of(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        user: UserId,
    ) -> Result<Vec<GroupId>>;

    /// Everybody who is in some group of a workspace, in the order of their ids.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_workspace_members(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        page: &PageRequest,
    ) -> Result<Page<UserId>>;

    /// A project.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_project(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        id: ProjectId,
    ) -> Result<Option<Project>>;

    /// The projects of a workspace, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_projects(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        page: &PageRequest,
    ) -> Result<Page<Project>>;

    /// A custom role.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_role(&self, org: OrganizationId, ws: WorkspaceId, id: RoleId)
    -> Result<Option<CustomRole>>;

    /// The custom roles of a project, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_roles(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        project: ProjectId,
        page: &PageRequest,
    ) -> Result<Page<CustomRole>>;

    /// An assignment.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn find_assignment(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        id: AssignmentId,
    ) -> Result<Option<Assignment>>;

    /// The assignments in a project, or those in the workspace as a whole, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn list_assignments(
        &self,
        org: OrganizationId,
        ws: WorkspaceId,
        project: Option<ProjectId>,
        page: &PageRequest,
    ) -> Result<Page<Assignment>>;
}
