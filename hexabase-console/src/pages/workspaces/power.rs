//! Suspension and resumption of a workspace. Each is undone by the other.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_core::access::Action;
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::model::Power;
use maud::html;

use super::{VisibleWorkspace, workspace_for};
use crate::components::{ButtonKind, disabled_button, error_summary, form_actions, page_heading, post_form};
use crate::context::{Context, refusal};
use crate::flash::Flash;
use crate::form::{FormState, Submission, creating_form};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::urls;

pub(super) async fn show_suspend(
    context: Context,
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
) -> PageResult {
    show(context, org, ws, Power::Suspended).await
}

pub(super) async fn show_resume(
    context: Context,
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
) -> PageResult {
    show(context, org, ws, Power::Running).await
}

pub(super) async fn suspend(
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
    submission: Submission,
) -> PageResult {
    submit(submission, org, ws, Power::Suspended).await
}

pub(super) async fn resume(
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
    submission: Submission,
) -> PageResult {
    submit(submission, org, ws, Power::Running).await
}

const fn action_of(power: Power) -> Action {
    match power {
        Power::Suspended => Action::WorkspaceSuspend,
        Power::Running => Action::WorkspaceResume,
    }
}

async fn show(context: Context, org: OrganizationId, ws: WorkspaceId, power: Power) -> PageResult {
    let found = workspace_for(&context, org, ws, action_of(power)).await?;
    Ok(page(context, StatusCode::OK, &found, power, &FormState::default()))
}

async fn submit(submission: Submission, org: OrganizationId, ws: WorkspaceId, power: Power) -> PageResult {
    let Submission { context, fields } = submission;
    let found = workspace_for(&context, org, ws, action_of(power)).await?;
    let workspaces = context.platform().workspaces();
    let (changed, text, undo) = match power {
        Power::Suspended => {
            let changed = workspaces.suspend(&context.caller, org, ws).await;
            (changed, context.text("workspace-suspending"), urls::resume(org, ws))
        }
        Power::Running => {
            let changed = workspaces.resume(&context.caller, org, ws).await;
            (changed, context.text("workspace-resuming"), urls::suspend(org, ws))
        }
    };
    match changed {
        Ok(_) => {
            let flash = Flash::new(text).with_undo(undo, &[]);
            Ok(see_other(context, &urls::workspace(org, ws), &flash))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            Ok(page(context, error.status(), &found, power, &form))
        }
    }
}

fn page(
    context: Context,
    status: StatusCode,
    found: &VisibleWorkspace,
    power: Power,
    form: &FormState,
) -> Response {
    let texts = context.texts();
    let (org, ws) = (found.workspace.organization_id, found.workspace.id);
    let (title, about, url) = match power {
        Power::Suspended => {
            (texts.text("workspace-suspend"), texts.text("workspace-suspend-about"), urls::suspend(org, ws))
        }
        Power::Running => {
            (texts.text("workspace-resume"), texts.text("workspace-resume-about"), urls::resume(org, ws))
        }
    };
    let target = creating_form(&context, url, form);
    let content = html! {
        (page_heading(&html! { (title) }, None, None))
        (error_summary(&texts, &form.summary(&[])))
        p { (about) }
        @match refusal(&context, &found.abilities, action_of(power)) {
            Some(reason) => (disabled_button("power-reason", &title, &reason)),
            None => (post_form(&target, &form_actions(&texts, ButtonKind::Primary, &title, &urls::workspace(org, ws)))),
        }
    };
    PageContent { section: Section::None, has_errors: form.has_errors(), ..PageContent::new(title, content) }
        .in_organization(&found.membership)
        .in_workspace(&found.workspace)
        .respond(context, status)
}
