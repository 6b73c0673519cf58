//! Addresses of projects.

use hexabase_core::id::{OrganizationId, ProjectId, WorkspaceId};

use super::urls;

urls! {
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
}
