//! Addresses of pages. Routes and links both use them.

use axum::http::Method;
use hexabase_api::layers::server_path;
use hexabase_core::access::Action;
use hexabase_core::id::{
    AssignmentId, GroupId, InvitationId, OrganizationId, ProjectId, RoleId, UserId, WorkspaceId,
};

/// Path of the assets, without their hash.
pub(crate) const ASSETS: &str = "/console/assets";

/// Required access of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everyone.
    Public,
    /// Signed-in users.
    Session,
    /// Users with an ability.
    Action(Action),
}

/// Route of the console.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Method.
    pub method: Method,
    /// Path template, without the path that the console is mounted under.
    pub path: &'static str,
    /// Access that the route requires.
    pub access: Access,
}

macro_rules! urls {
    ($($(#[$doc:meta])* $template:ident $name:ident($($parameter:ident: $type:ty),*) = $path:literal;)+) => {$(
        #[doc = concat!("Path template of `", stringify!($name), "`.")]
        pub const $template: &str = $path;

        $(#[$doc])*
        #[must_use]
        pub fn $name($($parameter: $type),*) -> String {
            let path = $template.to_owned();
            $(let path = path.replace(concat!("{", stringify!($parameter), "}"), &$parameter.to_string());)*
            server_path(&path)
        }
    )+};
}

urls! {
    /// Entry: the last organization, or the list of organizations.
    HOME home() = "/console";
    /// Sign-in.
    SIGN_IN sign_in() = "/console/sign-in";
    /// Sign-out.
    SIGN_OUT sign_out() = "/console/sign-out";
    /// Probe of the session.
    SESSION session() = "/console/session";
    /// Language and theme of the browser.
    PREFERENCES preferences() = "/console/preferences";
    /// Invitations to the user.
    INVITATIONS invitations() = "/console/invitations";
    /// Organizations of the user.
    ORGANIZATIONS organizations() = "/console/orgs";
    /// New organization.
    NEW_ORGANIZATION new_organization() = "/console/orgs/new";
    /// Overview of an organization.
    ORGANIZATION organization(org: OrganizationId) = "/console/orgs/{org}";
    /// Settings of an organization.
    ORGANIZATION_SETTINGS organization_settings(org: OrganizationId) = "/console/orgs/{org}/settings";
    /// Deletion of an organization.
    ORGANIZATION_DELETE organization_delete(org: OrganizationId) = "/console/orgs/{org}/delete";
    /// Members of an organization.
    MEMBERS members(org: OrganizationId) = "/console/orgs/{org}/members";
    /// Invitation of members.
    INVITE invite(org: OrganizationId) = "/console/orgs/{org}/members/invite";
    /// Open invitation of an organization.
    INVITATION invitation(org: OrganizationId, inv: InvitationId) = "/console/orgs/{org}/members/invitations/{inv}";
    /// Member of an organization.
    MEMBER member(org: OrganizationId, user: UserId) = "/console/orgs/{org}/members/{user}";
    /// Workspaces of an organization.
    WORKSPACES workspaces(org: OrganizationId) = "/console/orgs/{org}/workspaces";
    /// New workspace.
    NEW_WORKSPACE new_workspace(org: OrganizationId) = "/console/orgs/{org}/workspaces/new";
    /// Workspace.
    WORKSPACE workspace(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}";
    /// Connection with the cluster of a workspace.
    CONNECT connect(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/connect";
    /// Tasks and audit log of a workspace.
    ACTIVITY activity(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/activity";
    /// Settings of a workspace.
    WORKSPACE_SETTINGS workspace_settings(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/settings";
    /// Suspension of a workspace.
    SUSPEND suspend(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/suspend";
    /// Resumption of a workspace.
    RESUME resume(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/resume";
    /// Deletion of a workspace.
    WORKSPACE_DELETE workspace_delete(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/delete";
    /// Projects of a workspace.
    PROJECTS projects(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/projects";
    /// New project.
    NEW_PROJECT new_project(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/projects/new";
    /// Project.
    PROJECT project(org: OrganizationId, ws: WorkspaceId, prj: ProjectId) = "/console/orgs/{org}/workspaces/{ws}/projects/{prj}";
    /// Quota of a project.
    PROJECT_QUOTA project_quota(org: OrganizationId, ws: WorkspaceId, prj: ProjectId) = "/console/orgs/{org}/workspaces/{ws}/projects/{prj}/quota";
    /// Deletion of a project.
    PROJECT_DELETE project_delete(org: OrganizationId, ws: WorkspaceId, prj: ProjectId) = "/console/orgs/{org}/workspaces/{ws}/projects/{prj}/delete";
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

/// Returns the address of the sign-in that returns to a path, which has no mount.
pub(crate) fn sign_in_for(path: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair("return_to", path).finish();
    format!("{}?{query}", sign_in())
}

/// Returns the address of the page after a sign-out.
pub(crate) fn signed_out() -> String {
    format!("{}?signed_out=1", sign_in())
}

/// Returns the address of the live events of an organization.
pub(crate) fn events(org: OrganizationId) -> String {
    server_path(&format!("/api/v1/organizations/{org}/events"))
}

/// Returns the address of the kubeconfig of a workspace as a file.
pub(crate) fn kubeconfig(org: OrganizationId, ws: WorkspaceId, source: &str) -> String {
    server_path(&format!("/api/v1/organizations/{org}/workspaces/{ws}/kubeconfig?auth={source}"))
}
