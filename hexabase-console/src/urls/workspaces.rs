//! Addresses of workspaces.

use hexabase_core::id::{NodePoolId, OrganizationId, WorkspaceId};

use super::urls;

urls! {
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
    /// Node pools of a workspace.
    NODES nodes(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/nodes";
    /// Deletion of a node pool.
    NODE_POOL node_pool(org: OrganizationId, ws: WorkspaceId, pool: NodePoolId) = "/console/orgs/{org}/workspaces/{ws}/nodes/{pool}";
    /// Settings of a workspace.
    WORKSPACE_SETTINGS workspace_settings(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/settings";
    /// Suspension of a workspace.
    SUSPEND suspend(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/suspend";
    /// Resumption of a workspace.
    RESUME resume(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/resume";
    /// Deletion of a workspace.
    WORKSPACE_DELETE workspace_delete(org: OrganizationId, ws: WorkspaceId) = "/console/orgs/{org}/workspaces/{ws}/delete";
}
