//! Deletion of a project with its namespace.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_core::access::Action;
use hexabase_core::model::Project;
use maud::{Markup, html};

use super::{ProjectScope, VisibleProject, ancestors, project_for, project_name};
use crate::components::{DangerForm, Tone, danger_form, error_summary, name, notice, page_heading};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{FormState, Submission, form_to};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::urls;

pub(super) async fn show(context: Context, Path(scope): Path<ProjectScope>) -> PageResult {
    let found = project_for(&context, scope, Action::ProjectsManage).await?;
    Ok(page(context, StatusCode::OK, &found, &FormState::default()))
}

pub(super) async fn submit(Path(scope): Path<ProjectScope>, submission: Submission) -> PageResult {
    let expected = submission.version();
    let Submission { context, fields } = submission;
    let found = project_for(&context, scope, Action::ProjectsManage).await?;
    match context.platform().projects().delete(&context.caller, scope, expected).await {
        Ok(()) => {
            let name = project_name(&found.project);
            let text = context.texts().text_with("project-deleted", &[("name", name.into())]);
            Ok(see_other(context, &urls::projects(scope.0, scope.1), &Flash::new(text)))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            Ok(page(context, error.status(), &found, &form))
        }
    }
}

fn page(context: Context, status: StatusCode, found: &VisibleProject, form: &FormState) -> Response {
    let texts = context.texts();
    let project = &found.project;
    let (org, ws, prj) = (project.organization_id, project.workspace_id, project.id);
    let children: Vec<_> = found.all.iter().filter(|other| other.parent_id == Some(prj)).collect();
    let shown = project_name(project);
    let delete = texts.text("project-delete");
    let danger = DangerForm {
        form: form_to(&context, urls::project_delete(org, ws, prj), Some(project.version)),
        title: texts.text_with("project-delete-title", &[("name", shown.into())]),
        consequences: vec![
            texts.text_with("project-delete-namespace", &[("namespace", project.name.as_str().into())]),
            texts.text("project-delete-roles"),
        ],
        typed_name: None,
        error: None,
        button: delete.clone(),
        cancel_href: urls::project(org, ws, prj),
    };
    let content = html! {
        (page_heading(&html! { (delete) }, None, None))
        (error_summary(&texts, &form.summary(&[])))
        @if children.is_empty() { (danger_form(&texts, &danger)) }
        @else { (notice(Tone::Warning, &texts.text("project-has-children"), &links(&children))) }
    };
    PageContent {
        section: Section::Projects,
        ancestors: ancestors(&texts, &found.all, Some(project)),
        has_errors: form.has_errors(),
        ..PageContent::new(delete, content)
    }
    .in_organization(&found.place.membership)
    .in_workspace(&found.place.workspace)
    .respond(context, status)
}

fn links(projects: &[&Project]) -> Markup {
    html! {
        ul {
            @for project in projects {
                li {
                    a href=(urls::project(project.organization_id, project.workspace_id, project.id)) {
                        (name(project_name(project)))
                    }
                }
            }
        }
    }
}
