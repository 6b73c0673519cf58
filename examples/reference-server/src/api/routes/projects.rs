//! Projects of workspaces.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hexabase_core::error::{Check, Result};
use hexabase_core::model::{Project, Workspace};
use hexabase_core::name::{DisplayName, ProjectName};
use hexabase_core::platform::CreateProject;
use hexabase_core::quantity::Quantity;
use hexabase_core::quota::{Quota, Resource};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::field::{clearable, given, optional};
use super::place::{InProject, InWorkspace};
use super::plans::{QuotaView, quota_view};
use super::tree::{Tree, TreeQuery, View, tree};
use crate::api::edge::SignedIn;
use crate::api::extract::{Body, IfMatch, Path, Query};
use crate::api::problem::{Answer, Problems};
use crate::api::reply::{List, Pager, Reply};
use crate::app::App;

pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
        .routes(routes!(set_quota))
        .routes(routes!(usage))
}

/// A part of a workspace: a namespace with a quota and roles of its own.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Project)]
struct ProjectView {
    /// Which project.
    #[schema(example = "prj_01h455vb4pex5vsknk084sn02q")]
    id: String,
    /// In which workspace.
    workspace_id: String,
    /// Its name, which is that of its namespace.
    #[schema(example = "shop")]
    name: String,
    /// The name to show.
    display_name: Option<String>,
    /// The project it is part of; null for a root.
    parent_id: Option<String>,
    /// What it may use, with the projects below it.
    #[schema(example = json!({"cpu": "500m", "memory": "1Gi"}))]
    quota: QuotaView,
    /// `pending` while the cluster does not follow it yet, `ready`, or `failed`.
    #[schema(example = "ready")]
    phase: &'static str,
    /// Why it failed, for people; empty when it did not.
    message: String,
    /// When it was made.
    created_at: Timestamp,
    /// When it last changed.
    updated_at: Timestamp,
    /// Raised by every change of the project itself.
    version: u64,
}

impl ProjectView {
    fn new(project: Project, workspace: &Workspace) -> Self {
        let refused = workspace.status.refused_projects.get(&project.id);
        let phase = match refused {
            Some(_) => "failed",
            None if workspace.status.observed_generation >= project.generation => "ready",
            None => "pending",
        };
        Self {
            id: project.id.to_string(),
            workspace_id: project.workspace_id.to_string(),
            name: project.name.to_string(),
            display_name: project.display_name.map(|name| name.to_string()),
            parent_id: project.parent_id.map(|id| id.to_string()),
            quota: quota_view(&project.quota),
            phase,
            message: refused.cloned().unwrap_or_default(),
            created_at: project.created_at,
            updated_at: project.updated_at,
            version: project.version.number(),
        }
    }

    /// The project as it is now.
    fn current((project, workspace): (Project, Workspace)) -> Reply<Self> {
        let version = project.version;
        Reply::ok(Self::new(project, &workspace)).version(version)
    }
}

/// Reads a quota.
fn quota(check: &mut Check, amounts: &QuotaView) -> Quota {
    let mut quota = Quota::new();
    for (name, amount) in amounts {
        let place = format!("quota.{name}");
        let resource: Option<Resource> = check.field(place.clone(), name.parse());
        let amount: Option<Quantity> = check.field(place, amount.parse());
        if let (Some(resource), Some(amount)) = (resource, amount) {
            quota.set(resource, amount);
        }
    }
    quota
}

/// What a new project is like.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewProject {
    /// Its name, which is that of its namespace: a DNS label that is not reserved.
    #[schema(example = "shop")]
    name: String,
    /// The name to show.
    display_name: Option<String>,
    /// The project it is part of; none for a root.
    parent_id: Option<String>,
    /// What it may use: amounts by resource, as Kubernetes quantities.
    #[serde(default)]
    #[schema(example = json!({"cpu": "500m", "memory": "1Gi"}))]
    quota: QuotaView,
}

impl NewProject {
    fn command(&self) -> Result<CreateProject> {
        let mut check = Check::default();
        let name = check.field("name", ProjectName::parse(&self.name));
        let display_name = check.field("display_name", optional(&self.display_name, DisplayName::parse));
        let parent_id = check.field("parent_id", optional(&self.parent_id, str::parse));
        let quota = quota(&mut check, &self.quota);
        let (name, display_name, parent_id) = check.all((name, display_name, parent_id))?;
        Ok(CreateProject { name, display_name, parent_id, quota })
    }
}

/// Make a project. Its namespace is made in the background. A namespace of that name that somebody else made is
/// never taken over: then the project is `failed`.
#[utoipa::path(post, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects", tag = "Projects",
    params(InWorkspace), request_body = NewProject, responses((status = 201, body = ProjectView), Problems),
    extensions(("x-hexabase-action" = json!("projects.manage"))))]
async fn create(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InWorkspace>,
    Body(wanted): Body<NewProject>,
) -> Answer<Reply<ProjectView>> {
    let made = app.platform.projects().create(&caller, at.org, at.ws, &wanted.command()?).await?;
    let (project, workspace) = made.value;
    let location = format!("/api/v1/organizations/{}/workspaces/{}/projects/{}", at.org, at.ws, project.id);
    let version = project.version;
    let view = ProjectView::new(project, &workspace);
    Ok(Reply::created(location, view).version(version).replayed(made.replayed))
}

/// List the projects of a workspace.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects", tag = "Projects",
    params(InWorkspace, TreeQuery), responses((status = 200, body = List<Tree<ProjectView>>), Problems),
    extensions(("x-hexabase-action" = json!("projects.read"))))]
async fn list(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InWorkspace>,
    pager: Pager,
    Query(query): Query<TreeQuery>,
) -> Answer<Response> {
    let page = pager.request(&query.page())?;
    match query.view {
        View::Flat => {
            let (page, workspace) = app.platform.projects().list(&caller, at.org, at.ws, &page).await?;
            Ok(pager.list(page, |project| ProjectView::new(project, &workspace))?.into_response())
        }
        View::Tree => {
            let (all, workspace) = app.platform.projects().all(&caller, at.org, at.ws).await?;
            let node =
                |project: Project| (project.id, project.parent_id, ProjectView::new(project, &workspace));
            Ok(Json(List::whole(tree(all.into_iter().map(node).collect()))).into_response())
        }
    }
}

/// Show a project.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}", tag = "Projects",
    params(InProject), responses((status = 200, body = ProjectView), Problems),
    extensions(("x-hexabase-action" = json!("projects.read"))))]
async fn get(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InProject>,
) -> Answer<Reply<ProjectView>> {
    Ok(ProjectView::current(app.platform.projects().get(&caller, at.org, at.ws, at.prj).await?))
}

/// What to change about a project; what is not given stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ProjectChange {
    /// The name to show; null removes it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    display_name: Option<Option<String>>,
}

/// Change how a project is shown.
#[utoipa::path(patch, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}", tag = "Projects",
    params(InProject), request_body = ProjectChange, responses((status = 200, body = ProjectView), Problems),
    extensions(("x-hexabase-action" = json!("projects.manage"))))]
async fn update(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InProject>,
    expected: IfMatch,
    Body(wanted): Body<ProjectChange>,
) -> Answer<Reply<ProjectView>> {
    let mut check = Check::default();
    let display_name = check.field("display_name", clearable(&wanted.display_name, DisplayName::parse));
    let display_name = check.all(display_name)?;
    let place = (at.org, at.ws, at.prj);
    let projects = app.platform.projects();
    Ok(ProjectView::current(projects.update(&caller, place, display_name, expected.version()).await?))
}

/// Remove a project that has none below it. Its namespace goes with everything in it.
#[utoipa::path(delete, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}", tag = "Projects",
    params(InProject), responses((status = 204, description = "It is gone, and its namespace follows."), Problems),
    extensions(("x-hexabase-action" = json!("projects.manage"))))]
async fn delete(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InProject>,
    expected: IfMatch,
) -> Answer<StatusCode> {
    app.platform.projects().delete(&caller, (at.org, at.ws, at.prj), expected.version()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Set what a project may use: amounts by resource. What is not given is not limited, unless the project above
/// limits it.
#[utoipa::path(put, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/quota", tag = "Projects",
    params(InProject), request_body(content = QuotaView, example = json!({"cpu": "500m", "memory": "1Gi"})),
    responses((status = 200, body = ProjectView), Problems),
    extensions(("x-hexabase-action" = json!("projects.manage"))))]
async fn set_quota(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InProject>,
    expected: IfMatch,
    Body(wanted): Body<QuotaView>,
) -> Answer<Reply<ProjectView>> {
    let mut check = Check::default();
    let quota = quota(&mut check, &wanted);
    check.done()?;
    let place = (at.org, at.ws, at.prj);
    let projects = app.platform.projects();
    Ok(ProjectView::current(projects.set_quota(&caller, place, &quota, expected.version()).await?))
}

/// What a project uses, against its quota.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ProjectUsage)]
struct UsageView {
    /// When it was measured; null while it never was.
    observed_at: Option<Timestamp>,
    /// What it may use.
    quota: QuotaView,
    /// What it uses.
    used: QuotaView,
}

/// Show what a project uses, against its quota.
#[utoipa::path(get, path = "/api/v1/organizations/{org}/workspaces/{ws}/projects/{prj}/usage", tag = "Projects",
    params(InProject), responses((status = 200, body = UsageView), Problems),
    extensions(("x-hexabase-action" = json!("projects.read"))))]
async fn usage(
    State(app): State<App>,
    SignedIn(caller): SignedIn,
    Path(at): Path<InProject>,
) -> Answer<Json<UsageView>> {
    let (project, workspace) = app.platform.projects().get(&caller, at.org, at.ws, at.prj).await?;
    let measured = workspace.status.usage.and_then(|usage| {
        let used = usage.projects.get(&project.id).map(quota_view)?;
        Some((usage.observed_at, used))
    });
    let (observed_at, used) = measured.map_or((None, QuotaView::new()), |(at, used)| (Some(at), used));
    Ok(Json(UsageView { observed_at, quota: quota_view(&project.quota), used }))
}
