//! Addresses of groups, roles and permissions.

use hexabase_core::id::{AssignmentId, GroupId, OrganizationId, ProjectId, RoleId, UserId, WorkspaceId};

use super::urls;

urls! {
    /// Roles and assignments of a project.
    PROJECT_ROLES project_roles(org: OrganizationId, ws: WorkspaceId, prj: ProjectId) = "/console/orgs/{org}/workspaces/{ws}/projects/{prj}/roles";
    /// Assignment in a project.
    PROJECT_ASSIGNMENT project_assignment(org: OrganizationId, ws: WorkspaceId, prj: ProjectId, asg: AssignmentId) = "/console/orgs/{org}/workspaces/{ws}/projects/{prj}/assignments/{asg}";
    /// New custom role.
    NEW_ROLE new_role(org: OrganizationId, ws: WorkspaceId, prj: ProjectId) = "/console/orgs/{org}/workspaces/{ws}/projects/{prj}/roles/new";
    /// Custom role.
    ROLE role(org: OrganizationId, ws: WorkspaceId, prj: ProjectId, rol: RoleId) = "/console/orgs/{org}/workspaces/{ws}/projects/{prj}/roles/{rol}";
    /// Groups of a workspace.
    GROUPS groups(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/groups";
    /// New group.
    NEW_GROUP new_group(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/groups/new";
    /// Group.
    GROUP group(org: OrganizationId, ws: WorkspaceId, grp: GroupId) = "/console/orgs/{org}/workspaces/{ws}/groups/{grp}";
    /// Move of a group.
    GROUP_MOVE group_move(org: OrganizationId, ws: WorkspaceId, grp: GroupId) = "/console/orgs/{org}/workspaces/{ws}/groups/{grp}/move";
    /// Deletion of a group.
    GROUP_DELETE group_delete(org: OrganizationId, ws: WorkspaceId, grp: GroupId) = "/console/orgs/{org}/workspaces/{ws}/groups/{grp}/delete";
    /// Members of a group.
    GROUP_MEMBERS group_members(org: OrganizationId, ws: WorkspaceId, grp: GroupId) = "/console/orgs/{org}/workspaces/{ws}/groups/{grp}/members";
    /// Member of a group.
    GROUP_MEMBER group_member(org: OrganizationId, ws: WorkspaceId, grp: GroupId, user: UserId) = "/console/orgs/{org}/workspaces/{ws}/groups/{grp}/members/{user}";
    /// Roles and assignments of a workspace.
    ROLES roles(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/roles";
    /// Assignment in a workspace as a whole.
    ASSIGNMENT assignment(org: OrganizationId, ws: WorkspaceId, asg: AssignmentId) = "/console/orgs/{org}/workspaces/{ws}/assignments/{asg}";
    /// Explanation of the permissions of a user.
    WHY why(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/why";
}
