//! Preset roles, and custom roles of projects.

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use hexabase_core::Platform;
use hexabase_core::access::preset_rules;
use hexabase_core::error::Check;
use hexabase_core::model::{CustomRole, PresetRole, Rule};
use hexabase_core::name::Slug;
use hexabase_core::platform::{CreateRole, UpdateRole};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::caller::Authenticated;
use crate::extract::{Body, IfMatch, Path, Query};
use crate::optional_field::parse_optional;
use crate::path_params::{ProjectPath, RolePath, WorkspacePath};
use crate::problem::{ApiResult, Problems};
use crate::response::{ApiResponse, List, PageQuery, Pager};
use crate::schema;

pub(super) fn router<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Platform: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(presets))
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
}

/// Rule of a role, as in a Kubernetes Role.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rule)]
struct RuleView {
    /// API groups; the core group is the empty string.
    #[schema(example = json!(["apps"]))]
    api_groups: Vec<String>,
    /// Resources, in the plural; subresources as `pods/log`.
    #[schema(example = json!(["deployments"]))]
    resources: Vec<String>,
    /// Verbs: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    #[schema(example = json!(["get", "list", "watch"]))]
    verbs: Vec<String>,
    /// Names of single objects; all objects by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    resource_names: Vec<String>,
}

impl From<Rule> for RuleView {
    fn from(rule: Rule) -> Self {
        let Rule { api_groups, resources, verbs, resource_names } = rule;
        Self { api_groups, resources, verbs, resource_names }
    }
}

impl From<RuleView> for Rule {
    fn from(rule: RuleView) -> Self {
        let RuleView { api_groups, resources, verbs, resource_names } = rule;
        Self { api_groups, resources, verbs, resource_names }
    }
}

/// Scope in which a role is assigned: the workspace as a whole, or a project of it.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RoleScope {
    Workspace,
    Project,
}

/// Role that every workspace has.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PresetRole)]
struct PresetView {
    /// Name of the role and of its ClusterRole.
    name: schema::PresetRoleName,
    /// Scope in which the role is assigned.
    scope: RoleScope,
    /// Rules of the role.
    rules: Vec<RuleView>,
}

/// List the preset roles
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/roles", tag = "Roles",
    params(WorkspacePath), responses((status = 200, body = List<PresetView>), Problems),
    extensions(("x-hexabase-action" = json!("roles.read"))))]
async fn presets(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<WorkspacePath>,
) -> ApiResult<Json<List<PresetView>>> {
    platform.roles().permit_read(&caller, (path.org, path.ws, None)).await?;
    let view = |preset: &PresetRole| PresetView {
        name: (*preset).into(),
        scope: if preset.is_for_workspace() { RoleScope::Workspace } else { RoleScope::Project },
        rules: preset_rules(*preset).into_iter().map(RuleView::from).collect(),
    };
    Ok(Json(List::complete(PresetRole::ALL.iter().map(view).collect())))
}

/// Custom role of a project.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CustomRole)]
struct RoleView {
    /// Id of the role.
    id: schema::RoleId,
    /// Id of the project.
    project_id: schema::ProjectId,
    /// Name, unique in the project.
    #[schema(example = "deployer")]
    name: String,
    /// Rules of the role.
    rules: Vec<RuleView>,
    /// Creation time.
    created_at: Timestamp,
    /// Time of the last change.
    updated_at: Timestamp,
    /// Version, incremented by every change.
    version: u64,
}

impl From<CustomRole> for RoleView {
    fn from(role: CustomRole) -> Self {
        Self {
            id: role.id.into(),
            project_id: role.project_id.into(),
            name: role.name.to_string(),
            rules: role.rules.into_iter().map(RuleView::from).collect(),
            created_at: role.created_at,
            updated_at: role.updated_at,
            version: role.version.number(),
        }
    }
}

/// Custom role to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRole {
    /// Name, unique in the project: a DNS label.
    #[schema(example = "deployer")]
    name: String,
    /// Rules of the role. They cannot grant access control, impersonation or cluster-scoped resources.
    rules: Vec<RuleView>,
}

/// Create a custom role in a project
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/roles", tag = "Roles",
    params(ProjectPath), request_body = NewRole, responses((status = 201, body = RoleView), Problems),
    extensions(("x-hexabase-action" = json!("role.create"))))]
async fn create(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ProjectPath>,
    Body(body): Body<NewRole>,
) -> ApiResult<ApiResponse<RoleView>> {
    let mut check = Check::default();
    let name = check.field("name", Slug::parse(&body.name));
    let name = check.all(name)?;
    let rules = body.rules.into_iter().map(Rule::from).collect();
    let scope = (path.org, path.ws, path.prj);
    let created = platform.roles().create(&caller, scope, &CreateRole { name, rules }).await?;
    let location = format!(
        "/api/v1/organizations/{}/workspaces/{}/projects/{}/roles/{}",
        path.org, path.ws, path.prj, created.value.id
    );
    let version = created.value.version;
    Ok(ApiResponse::created(location, created.value.into()).version(version).replayed(created.replayed))
}

/// List the custom roles of a project
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/roles", tag = "Roles",
    params(ProjectPath, PageQuery), responses((status = 200, body = List<RoleView>), Problems),
    extensions(("x-hexabase-action" = json!("roles.read"))))]
async fn list(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<ProjectPath>,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<List<RoleView>>> {
    let scope = (path.org, path.ws, path.prj);
    let page = platform.roles().list(&caller, scope, &pager.request(&query)?).await?;
    pager.list(page, RoleView::from)
}

/// Get a custom role
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/roles/{rol}", tag = "Roles",
    params(RolePath), responses((status = 200, body = RoleView), Problems),
    extensions(("x-hexabase-action" = json!("roles.read"))))]
async fn get(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<RolePath>,
) -> ApiResult<ApiResponse<RoleView>> {
    let found = platform.roles().get(&caller, (path.org, path.ws, path.prj), path.rol).await?;
    let version = found.version;
    Ok(ApiResponse::ok(found.into()).version(version))
}

/// Changes to a custom role. Absent fields stay unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RolePatch {
    /// Name, unique in the project: a DNS label.
    name: Option<String>,
    /// Rules of the role; replaces all rules.
    rules: Option<Vec<RuleView>>,
}

/// Update a custom role
///
/// The change applies to all groups that have the role.
#[utoipa::path(patch, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/roles/{rol}",
    tag = "Roles", params(RolePath), request_body = RolePatch,
    responses((status = 200, body = RoleView), Problems),
    extensions(("x-hexabase-action" = json!("project_roles.manage"))))]
async fn update(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<RolePath>,
    expected: IfMatch,
    Body(body): Body<RolePatch>,
) -> ApiResult<ApiResponse<RoleView>> {
    let mut check = Check::default();
    let name = check.field("name", parse_optional(&body.name, Slug::parse));
    let name = check.all(name)?;
    let rules = body.rules.map(|rules| rules.into_iter().map(Rule::from).collect());
    let (scope, command) = ((path.org, path.ws, path.prj), UpdateRole { name, rules });
    let changed = platform.roles().update(&caller, scope, path.rol, &command, expected.version()).await?;
    let version = changed.version;
    Ok(ApiResponse::ok(changed.into()).version(version))
}

/// Delete a custom role that is not assigned
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/roles/{rol}",
    tag = "Roles", params(RolePath), responses((status = 204, description = "The role is deleted."), Problems),
    extensions(("x-hexabase-action" = json!("project_roles.manage"))))]
async fn delete(
    State(platform): State<Platform>,
    Authenticated(caller): Authenticated,
    Path(path): Path<RolePath>,
    expected: IfMatch,
) -> ApiResult<StatusCode> {
    let scope = (path.org, path.ws, path.prj);
    platform.roles().delete(&caller, scope, path.rol, expected.version()).await?;
    Ok(StatusCode::NO_CONTENT)
}
