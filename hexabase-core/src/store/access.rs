use crate::error::Result;
use crate::id::{AssignmentId, GroupId, OrganizationId, ProjectId, RoleId, UserId, WorkspaceId};
use crate::model::{Assignment, CustomRole, Group, Membership, Project};
use crate::page::{Page, PageRequest};
use crate::search::SearchText;
use crate::store::decorator::store_part;

store_part! {
    /// Groups, projects, roles and assignments of a workspace.
    pub trait AccessStore {
        /// Finds a group.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn find_group(&self, org: OrganizationId, ws: WorkspaceId, id: GroupId) -> Result<Option<Group>>;

        /// Lists the groups of a workspace, oldest first: all of them, or those whose names contain a text.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_groups(
            &self,
            org: OrganizationId,
            ws: WorkspaceId,
            text: Option<SearchText>,
            page: &PageRequest,
        ) -> Result<Page<Group>>;

        /// Lists the memberships of these groups, ordered by group and user.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_memberships(
            &self,
            org: OrganizationId,
            ws: WorkspaceId,
            groups: &[GroupId],
        ) -> Result<Vec<Membership>>;

        /// Lists the groups of a workspace in which a user is a direct member, ordered by id. Ancestors are not included.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_groups_of(
            &self,
            org: OrganizationId,
            ws: WorkspaceId,
            user: UserId,
        ) -> Result<Vec<GroupId>>;

        /// Lists the users that are in at least one group of a workspace, ordered by id.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_workspace_members(
            &self,
            org: OrganizationId,
            ws: WorkspaceId,
            page: &PageRequest,
        ) -> Result<Page<UserId>>;

        /// Finds a project.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn find_project(
            &self,
            org: OrganizationId,
            ws: WorkspaceId,
            id: ProjectId,
        ) -> Result<Option<Project>>;

        /// Lists the projects of a workspace, oldest first: all of them, or those whose names contain a text.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn list_projects(
            &self,
            org: OrganizationId,
            ws: WorkspaceId,
            text: Option<SearchText>,
            page: &PageRequest,
        ) -> Result<Page<Project>>;

        /// Finds a custom role.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn find_role(&self, org: OrganizationId, ws: WorkspaceId, id: RoleId)
        -> Result<Option<CustomRole>>;

        /// Lists the custom roles of a project, oldest first.
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

        /// Finds an assignment.
        ///
        /// # Errors
        /// `Unavailable`.
        async fn find_assignment(
            &self,
            org: OrganizationId,
            ws: WorkspaceId,
            id: AssignmentId,
        ) -> Result<Option<Assignment>>;

        /// Lists the assignments in a project, or with `None` those in the workspace as a whole, oldest first.
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
}
