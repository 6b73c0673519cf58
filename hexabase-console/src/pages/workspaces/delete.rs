//! Deletion of a workspace.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_core::access::Action;
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::page::PageRequest;
use maud::html;

use super::{VisibleWorkspace, workspace_for};
use crate::components::{DangerForm, Link, danger_form, error_summary, page_heading};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{FormState, Submission, form_to, invalid_entry};
use crate::pages::{PageContent, Section, workspace_name};
use crate::response::{PageResult, see_other};
use crate::urls;

pub(super) async fn show(
    context: Context,
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
) -> PageResult {
    let found = workspace_for(&context, org, ws, Action::WorkspaceDelete).await?;
    page(context, StatusCode::OK, &found, &FormState::default()).await
}

pub(super) async fn submit(
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
    Submission { context, fields }: Submission,
) -> PageResult {
    let found = workspace_for(&context, org, ws, Action::WorkspaceDelete).await?;
    let deleted = match fields.get("confirm_name") == found.workspace.name.as_str() {
        true => context.platform().workspaces().delete(&context.caller, org, ws, None).await,
        false => Err(invalid_entry("confirm_name", context.text("danger-wrong-name"))),
    };
    match deleted {
        Ok(_) => {
            let name = workspace_name(&found.workspace);
            let text = context.texts().text_with("workspace-deleted", &[("name", name.into())]);
            Ok(see_other(context, &urls::workspaces(org), &Flash::new(text)))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            page(context, error.status(), &found, &form).await
        }
    }
}

async fn page(
    context: Context,
    status: StatusCode,
    found: &VisibleWorkspace,
    form: &FormState,
) -> PageResult {
    let (org, ws) = (found.workspace.organization_id, found.workspace.id);
    let first = PageRequest::largest();
    let projects = context.platform().projects().list(&context.caller, org, ws, None, &first).await?;
    Ok(render(context, status, found, projects.0.items.len(), form))
}

fn render(
    context: Context,
    status: StatusCode,
    found: &VisibleWorkspace,
    projects: usize,
    form: &FormState,
) -> Response {
    let texts = context.texts();
    let workspace = &found.workspace;
    let (org, ws) = (workspace.organization_id, workspace.id);
    let delete = texts.text("workspace-delete");
    let title = texts.text_with("workspace-delete-title", &[("name", workspace_name(workspace).into())]);
    let danger = DangerForm {
        form: form_to(&context, urls::workspace_delete(org, ws), None),
        title,
        consequences: vec![
            texts.text("workspace-delete-objects"),
            texts.text_with("workspace-delete-projects", &[("count", projects.into())]),
            texts.text("workspace-delete-volumes"),
            texts.text("workspace-delete-access"),
        ],
        typed_name: Some(workspace.name.to_string()),
        error: form.error("confirm_name"),
        button: delete.clone(),
        cancel_href: urls::workspace(org, ws),
    };
    let content = html! {
        (page_heading(&html! { (delete) }, None, None))
        (error_summary(&texts, &form.summary(&["confirm_name"])))
        (danger_form(&texts, &danger))
    };
    PageContent {
        section: Section::Configuration,
        ancestors: vec![Link::new(texts.text("settings-title"), urls::workspace_settings(org, ws))],
        has_errors: form.has_errors(),
        ..PageContent::new(delete, content)
    }
    .in_organization(&found.membership)
    .in_workspace(workspace)
    .respond(context, status)
}
