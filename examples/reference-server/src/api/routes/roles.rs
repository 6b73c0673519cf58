//! Roles: the presets, and those that projects make for themselves.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
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

use super::field::optional;
use super::place::{AtRole, InProject, InWorkspace};
use crate::api::edge::SignedIn;
use crate::api::extract::{Body, IfMatch, Path, Query};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::{List, PageQuery, Pager, Reply};
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(presets))
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
}

/// What a role allows: some verbs on some resources, as Kubernetes writes it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Rule)]
struct RuleView {
    /// API groups; an empty text is the core group.
    #[schema(example = json!(["apps"]))]
    api_groups: Vec<String>,
    /// Resources in the plural; a subresource is written `pods/log`.
    #[schema(example = json!(["deployments"]))]
    resources: Vec<String>,
    /// Verbs.
    #[schema(example = json!(["get", "list", "watch"]))]
    verbs: Vec<String>,
    /// Names, to allow it on these objects only.
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

/// A role that every workspace has.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PresetRole)]
struct PresetView {
    /// Its name, which is also that of its ClusterRole.
    #[schema(example = "hexabase:project-editor")]
    name: String,
    /// Where it is assigned: `workspace` or `project`.
    scope: &'static str,
    /// What it allows.
    rules: Vec<RuleView>,
}

/// List the roles that every workspace has.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/roles", tag = "Roles",
    params(InWorkspace), responses((status = 200, body = List<PresetView>), Problems),
    extensions(("x-hexabase-action" = json!("roles.read"))))]
async fn presets(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InWorkspace>,
) -> Answer<Json<List<PresetView>>> {
    app.platform.roles().permit_read(&caller, (at.org, at.ws, None)).await?;
    let view = |preset: &PresetRole| PresetView {
        name: preset.to_string(),
        scope: if preset.is_for_workspace() { "workspace" } else { "project" },
        rules: preset_rules(*preset).into_iter().map(RuleView::from).collect(),
    };
    Ok(Json(List::whole(PresetRole::ALL.iter().map(view).collect())))
}

/// A role that a project made for itself.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CustomRole)]
struct RoleView {
    /// Which role.
    #[schema(example = "rol_01h455vb4pex5vsknk084sn02q")]
    id: String,
    /// In which project.
    project_id: String,
    /// Its name, unique in the project.
    #[schema(example = "deployer")]
    name: String,
    /// What it allows.
    rules: Vec<RuleView>,
    /// When it was made.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
    /// Raised by every change.
    version: u64,
}

impl From<CustomRole> for RoleView {
    fn from(role: CustomRole) -> Self {
        Self {
            id: role.id.to_string(),
            project_id: role.project_id.to_string(),
            name: role.name.to_string(),
            rules: role.rules.into_iter().map(RuleView::from).collect(),
            created_at: role.created_at,
            updated_at: role.updated_at,
            version: role.version.number(),
        }
    }
}

/// What a new role is like.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRole {
    /// Its name, unique in the project: a DNS label.
    #[schema(example = "deployer")]
    name: String,
    /// What it allows. It cannot reach over access control, impersonation or what belongs to the cluster.
    rules: Vec<RuleView>,
}

/// Make a role in a project.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/roles", tag = "Roles",
    params(InProject), request_body = NewRole, responses((status = 201, body = RoleView), Problems),
    extensions(("x-hexabase-action" = json!("project_roles.manage"))))]
async fn create(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InProject>,
    Body(wanted): Body<NewRole>,
) -> Answer<Reply<RoleView>> {
    let mut check = Check::default();
    let name = check.field("name", Slug::parse(&wanted.name));
    let name = check.all(name)?;
    let rules = wanted.rules.into_iter().map(Rule::from).collect();
    let place = (at.org, at.ws, at.prj);
    let made = app.platform.roles().create(&caller, place, &CreateRole { name, rules }).await?;
    let location = format!(
        "/api/v1/organizations/{}/workspaces/{}/projects/{}/roles/{}",
        at.org, at.ws, at.prj, made.value.id
    );
    let version = made.value.version;
    Ok(Reply::created(location, made.value.into()).version(version).replayed(made.replayed))
}

/// List the roles of a project.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/roles", tag = "Roles",
    params(InProject, PageQuery), responses((status = 200, body = List<RoleView>), Problems),
    extensions(("x-hexabase-action" = json!("roles.read"))))]
async fn list(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InProject>,
    pager: Pager,
    Query(query): Query<PageQuery>,
) -> Answer<Json<List<RoleView>>> {
    let place = (at.org, at.ws, at.prj);
    let page = app.platform.roles().list(&caller, place, &pager.request(&query)?).await?;
    pager.list(page, RoleView::from)
}

/// Show a role.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/roles/{rol}", tag = "Roles",
    params(AtRole), responses((status = 200, body = RoleView), Problems),
    extensions(("x-hexabase-action" = json!("roles.read"))))]
async fn get(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtRole>,
) -> Answer<Reply<RoleView>> {
    let found = app.platform.roles().get(&caller, (at.org, at.ws, at.prj), at.rol).await?;
    let version = found.version;
    Ok(Reply::ok(found.into()).version(version))
}

/// What to change about a role; what is not given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RoleChange {
    /// Its name.
    name: Option<String>,
    /// What it allows.
    rules: Option<Vec<RuleView>>,
}

/// Change a role. Whoever has it has the new one.
#[utoipa::path(patch, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/roles/{rol}",
    tag = "Roles", params(AtRole), request_body = RoleChange,
    responses((status = 200, body = RoleView), Problems),
    extensions(("x-hexabase-action" = json!("project_roles.manage"))))]
async fn update(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtRole>,
    expected: IfMatch,
    Body(wanted): Body<RoleChange>,
) -> Answer<Reply<RoleView>> {
    let mut check = Check::default();
    let name = check.field("name", optional(&wanted.name, Slug::parse));
    let name = check.all(name)?;
    let rules = wanted.rules.map(|rules| rules.into_iter().map(Rule::from).collect());
    let (place, command) = ((at.org, at.ws, at.prj), UpdateRole { name, rules });
    let changed = app.platform.roles().update(&caller, place, at.rol, &command, expected.version()).await?;
    let version = changed.version;
    Ok(Reply::ok(changed.into()).version(version))
}

/// Remove a role that no group has.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/roles/{rol}",
    tag = "Roles", params(AtRole), responses((status = 204, description = "It is gone."), Problems),
    extensions(("x-hexabase-action" = json!("project_roles.manage"))))]
async fn delete(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<AtRole>,
    expected: IfMatch,
) -> Answer<StatusCode> {
    let place = (at.org, at.ws, at.prj);
    app.platform.roles().delete(&caller, place, at.rol, expected.version()).await?;
    Ok(StatusCode::NO_CONTENT)
}
