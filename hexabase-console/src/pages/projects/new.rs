//! Creation of a project, below another one or as a root.

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::projects::requests::NewProject;
use hexabase_core::access::Action;
use hexabase_core::error::Result;
use hexabase_core::id::{OrganizationId, ProjectId, WorkspaceId};
use hexabase_core::model::Project;
use hexabase_core::plans::PlanCatalog;
use hexabase_core::quota::Quota;
use maud::html;

use super::quota_fields::{names, quota_fields};
use super::quota_rest::bounds;
use super::{ancestors, project_name};
use crate::components::{
    ButtonKind, Choice, Control, Field, disabled_button, error_summary, field, form_actions, get_form,
    page_heading, post_form,
};
use crate::context::{Context, refusal};
use crate::flash::Flash;
use crate::form::{Fields, FormState, Submission, creating_form};
use crate::pages::filters::Filters;
use crate::pages::nested::in_order;
use crate::pages::workspaces::{VisibleWorkspace, workspace_for};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::urls;

/// Prefix of the fields with amounts.
const PREFIX: &str = "quota.";

pub(super) async fn show(
    mut context: Context,
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
    RawQuery(query): RawQuery,
) -> PageResult {
    let place = workspace_for(&context, org, ws, Action::ProjectCreate).await?;
    let saved = FormState::with(context.saved_fields());
    let chosen = Filters::new(query.as_deref().unwrap_or_default()).get("parent_id").to_owned();
    let parent = saved.value_or("parent_id", &chosen);
    load(context, StatusCode::OK, &place, &parent, &saved).await
}

pub(super) async fn submit(
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
    Submission { context, fields }: Submission,
) -> PageResult {
    let place = workspace_for(&context, org, ws, Action::ProjectCreate).await?;
    match create(&context, org, ws, &fields).await {
        Ok(project) => {
            let name = project_name(&project);
            let text = context.texts().text_with("project-created", &[("name", name.into())]);
            Ok(see_other(context, &urls::project(org, ws, project.id), &Flash::new(text)))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            load(context, error.status(), &place, fields.get("parent_id"), &form).await
        }
    }
}

async fn create(context: &Context, org: OrganizationId, ws: WorkspaceId, fields: &Fields) -> Result<Project> {
    let command = fields.parse::<NewProject>()?.parse()?;
    Ok(context.platform().projects().create(&context.caller, org, ws, &command).await?.value.0)
}

async fn load(
    context: Context,
    status: StatusCode,
    place: &VisibleWorkspace,
    parent: &str,
    form: &FormState,
) -> PageResult {
    let (org, ws) = (place.workspace.organization_id, place.workspace.id);
    let (projects, _) = context.platform().projects().all(&context.caller, org, ws).await?;
    let plans = context.platform().current_plans().await?;
    Ok(page(context, status, place, &projects, &plans, parent.parse().ok(), form))
}

fn page(
    context: Context,
    status: StatusCode,
    place: &VisibleWorkspace,
    projects: &[Project],
    plans: &PlanCatalog,
    parent: Option<ProjectId>,
    form: &FormState,
) -> Response {
    let texts = context.texts();
    let workspace = &place.workspace;
    let (org, ws) = (workspace.organization_id, workspace.id);
    let url = urls::new_project(org, ws);
    let parent = projects.iter().find(|project| Some(project.id) == parent);
    let bounds = plans
        .find(&workspace.plan_id)
        .map(|plan| bounds(projects, plan, parent.map(|parent| parent.id), None))
        .unwrap_or_default();
    let mut target = creating_form(&context, url.clone(), form);
    target.hidden.extend(parent.map(|parent| ("parent_id", parent.id.to_string())));
    let entry = |name: &str, label: &str| {
        Field::line(name, texts.text(label)).value(form.value(name)).error(form.error(name))
    };
    let create = texts.text("project-create");
    let refused = refusal(&context, &place.abilities, Action::ProjectCreate);
    let fields: Vec<String> =
        ["name", "display_name"].into_iter().map(str::to_owned).chain(names(PREFIX)).collect();
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let parents = std::iter::once(Choice::new("", texts.text("project-root"))).chain(
        in_order(projects).into_iter().map(|(level, project)| {
            Choice::new(project.id.to_string(), format!("{}{}", "— ".repeat(level), project_name(project)))
        }),
    );
    let parents = Field::new("parent_id", texts.text("project-parent"), Control::Select(parents.collect()))
        .value(parent.map(|parent| parent.id.to_string()).unwrap_or_default())
        .required();
    let content = html! {
        (page_heading(&html! { (create) }, Some(&html! { (texts.text("projects-about")) }), None))
        (error_summary(&texts, &form.summary(&fields)))
        @if !projects.is_empty() {
            (get_form(&url, &html! {
                (field(&texts, &parents))
                button class="button" type="submit" { (texts.text("project-choose-parent")) }
            }))
        }
        (post_form(&target, &html! {
            (field(&texts, &entry("name", "field-name").hint(texts.text("project-name-hint")).required()))
            (field(&texts, &entry("display_name", "field-display-name")))
            (quota_fields(&texts, form, PREFIX, &bounds, &Quota::new()))
            @match &refused {
                None => (form_actions(&texts, ButtonKind::Primary, &create, &urls::projects(org, ws))),
                Some(reason) => (disabled_button("create-reason", &create, reason)),
            }
        }))
    };
    PageContent {
        section: Section::Projects,
        ancestors: ancestors(&texts, projects, parent),
        has_errors: form.has_errors(),
        ..PageContent::new(create, content)
    }
    .in_organization(&place.membership)
    .in_workspace(workspace)
    .respond(context, status)
}
