//! Search in an organization.

use axum::Json;
use axum::extract::{FromRef, State};
use hexabase_core::Platform;
use hexabase_core::model::{Group, Project};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::members::MemberView;
use super::requests::SearchQuery;
use crate::caller::Authenticated;
use crate::extract::{Path, Query};
use crate::path_params::OrganizationPath;
use crate::problem::{ApiResult, Problems};
use crate::workspaces::workspace::WorkspaceView;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new().routes(routes!(search))
}

/// Objects that a search found, at most 20 of each kind.
#[derive(Debug, Serialize, ToSchema)]
struct SearchResults {
    /// Workspaces, oldest first.
    workspaces: Vec<WorkspaceView>,
    /// Projects, by workspace.
    projects: Vec<FoundProject>,
    /// Groups, by workspace.
    groups: Vec<FoundGroup>,
    /// Members.
    members: Vec<MemberView>,
    /// `true` if there are more results of some kind.
    truncated: bool,
}

/// Project that a search found.
#[derive(Debug, Serialize, ToSchema)]
struct FoundProject {
    /// Id of the project.
    #[schema(example = "prj_01h455vb4pex5vsknk084sn02q")]
    id: String,
    /// Id of the workspace.
    workspace_id: String,
    /// Name of the namespace.
    #[schema(example = "shop")]
    name: String,
    /// Name for display; null if there is none.
    #[schema(required)]
    display_name: Option<String>,
}

impl From<Project> for FoundProject {
    fn from(project: Project) -> Self {
        Self {
            id: project.id.to_string(),
            workspace_id: project.workspace_id.to_string(),
            name: project.name.to_string(),
            display_name: project.display_name.map(|name| name.to_string()),
        }
    }
}

/// Group that a search found.
#[derive(Debug, Serialize, ToSchema)]
struct FoundGroup {
    /// Id of the group.
    #[schema(example = "grp_01h455vb4pex5vsknk084sn02q")]
    id: String,
    /// Id of the workspace.
    workspace_id: String,
    /// Name of the group.
    #[schema(example = "developers")]
    name: String,
}

impl From<Group> for FoundGroup {
    fn from(group: Group) -> Self {
        Self {
            id: group.id.to_string(),
            workspace_id: group.workspace_id.to_string(),
            name: group.name.to_string(),
        }
    }
}

/// Search an organization
///
/// Finds workspaces, projects, groups and members that the caller may list, by a part of their name, display name or
/// e-mail address.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/search", tag = "Organizations",
    params(OrganizationPath, SearchQuery), responses((status = 200, body = SearchResults), Problems),
    extensions(("x-hexabase-action" = json!("organization.read"))))]
async fn search(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<OrganizationPath>,
    Query(query): Query<SearchQuery>,
) -> ApiResult<Json<SearchResults>> {
    let found = platform.organizations().search(&caller, path.org, &query.parse()?).await?;
    Ok(Json(SearchResults {
        workspaces: found.workspaces.into_iter().map(Into::into).collect(),
        projects: found.projects.into_iter().map(Into::into).collect(),
        groups: found.groups.into_iter().map(Into::into).collect(),
        members: found.members.into_iter().map(Into::into).collect(),
        truncated: found.truncated,
    }))
}
