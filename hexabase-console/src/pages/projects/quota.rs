//! Quota of a project.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::projects::requests::parse_quota;
use hexabase_api::requests::ResourceAmounts;
use hexabase_core::access::Action;
use hexabase_core::error::Result;
use hexabase_core::model::Project;
use hexabase_core::plans::PlanCatalog;
use hexabase_core::quota::{Quota, Resource};
use hexabase_core::version::Version;
use maud::html;

use super::quota_fields::{names, quota_fields};
use super::quota_rest::bounds;
use super::{ProjectScope, VisibleProject, ancestors, project_for};
use crate::components::{ButtonKind, error_summary, form_actions, page_heading, post_form, resource_text};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{Fields, FormState, Submission, VERSION, form_to};
use crate::language::Texts;
use crate::pages::conflict::{Conflict, changes_of, is_outdated};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::urls;

pub(super) async fn show(mut context: Context, Path(scope): Path<ProjectScope>) -> PageResult {
    let found = project_for(&context, scope, Action::ProjectsManage).await?;
    let plans = context.platform().current_plans().await?;
    let form = FormState::with(context.saved_fields());
    Ok(page(context, StatusCode::OK, &found, &plans, &form))
}

pub(super) async fn submit(Path(scope): Path<ProjectScope>, submission: Submission) -> PageResult {
    let expected = submission.version();
    let Submission { context, fields } = submission;
    let found = project_for(&context, scope, Action::ProjectsManage).await?;
    let url = urls::project_quota(scope.0, scope.1, scope.2);
    match set(&context, scope, &fields, expected).await {
        Ok(after) => {
            let version = after.version.number().to_string();
            let before: Vec<_> =
                found.project.quota.iter().map(|(resource, amount)| (resource, amount.to_string())).collect();
            let mut undo: Vec<(&str, &str)> = vec![(VERSION, &version)];
            undo.extend(before.iter().map(|(resource, amount)| (resource.as_str(), amount.as_str())));
            let flash = Flash::new(context.text("quota-changed")).with_undo(url, &undo);
            Ok(see_other(context, &urls::project(scope.0, scope.1, scope.2), &flash))
        }
        Err(error) if is_outdated(&error) => {
            let conflict = Conflict {
                url,
                version: found.project.version,
                updated_at: found.project.updated_at,
                changes: Some(changes_of(format!("{}/{}", scope.1, scope.2), None)),
                values: compared(&context.texts(), &fields, &found.project.quota),
            };
            conflict.respond(context, &fields, Some(found.place.membership)).await
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            let plans = context.platform().current_plans().await?;
            Ok(page(context, error.status(), &found, &plans, &form))
        }
    }
}

async fn set(
    context: &Context,
    scope: ProjectScope,
    fields: &Fields,
    expected: Option<Version>,
) -> Result<Project> {
    let quota = parse_quota(&fields.parse::<ResourceAmounts>()?)?;
    Ok(context.platform().projects().set_quota(&context.caller, scope, &quota, expected).await?.0)
}

/// Returns the amounts that differ: label, entry, and current amount.
fn compared(texts: &Texts, fields: &Fields, current: &Quota) -> Vec<(String, String, String)> {
    let all = Resource::ALL.into_iter().map(|resource| {
        let now = current.get(resource).map(|amount| amount.to_string()).unwrap_or_default();
        (resource_text(texts, resource), fields.get(resource.as_str()).to_owned(), now)
    });
    all.filter(|(_, yours, now)| yours != now).collect()
}

fn page(
    context: Context,
    status: StatusCode,
    found: &VisibleProject,
    plans: &PlanCatalog,
    form: &FormState,
) -> Response {
    let texts = context.texts();
    let (project, workspace) = (&found.project, &found.place.workspace);
    let (org, ws, prj) = (project.organization_id, project.workspace_id, project.id);
    let bounds = plans
        .find(&workspace.plan_id)
        .map(|plan| bounds(&found.all, plan, project.parent_id, Some(prj)))
        .unwrap_or_default();
    let target = form_to(&context, urls::project_quota(org, ws, prj), Some(project.version));
    let fields = names("");
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let title = texts.text("quota-change");
    let content = html! {
        (page_heading(&html! { (title) }, None, None))
        (error_summary(&texts, &form.summary(&fields)))
        (post_form(&target, &html! {
            (quota_fields(&texts, form, "", &bounds, &project.quota))
            (form_actions(&texts, ButtonKind::Primary, &title, &urls::project(org, ws, prj)))
        }))
    };
    PageContent {
        section: Section::Projects,
        ancestors: ancestors(&texts, &found.all, Some(project)),
        has_errors: form.has_errors(),
        ..PageContent::new(title, content)
    }
    .in_organization(&found.place.membership)
    .in_workspace(workspace)
    .respond(context, status)
}
