//! Settings of a workspace: display name, plan and Kubernetes version.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::workspaces::requests::WorkspacePatch;
use hexabase_core::access::Action;
use hexabase_core::error::Result;
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::model::Workspace;
use hexabase_core::plans::PlanCatalog;
use hexabase_core::platform::WorkspaceTask;
use maud::html;

use super::{VisibleWorkspace, workspace_for};
use crate::components::{
    ButtonKind, Choice, Control, Field, card, error_summary, field, form_actions, link_button, page_heading,
    post_form,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{Fields, FormState, Submission, VERSION, form_to};
use crate::pages::conflict::{Conflict, changes_of, is_outdated};
use crate::pages::seen::{require_seen, workspace_version};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::urls;

pub(super) async fn show(
    mut context: Context,
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
) -> PageResult {
    let found = workspace_for(&context, org, ws, Action::WorkspaceUpdate).await?;
    context.note_inventory(org, ws).await?;
    let plans = context.platform().current_plans().await?;
    let form = FormState::with(context.saved_fields());
    Ok(page(context, StatusCode::OK, &found, &plans, &form))
}

pub(super) async fn submit(
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
    submission: Submission,
) -> PageResult {
    let seen = submission.version();
    let Submission { context, fields } = submission;
    let found = workspace_for(&context, org, ws, Action::WorkspaceUpdate).await?;
    let url = urls::workspace_settings(org, ws);
    let changed = match require_seen(seen, workspace_version(&found.workspace)) {
        Ok(()) => update(&context, &found.workspace, &fields).await,
        Err(error) => Err(error),
    };
    match changed {
        Ok(changed) if changed.task_id.is_some() => {
            let flash = Flash::new(context.text("workspace-updating"));
            Ok(see_other(context, &urls::workspace(org, ws), &flash))
        }
        Ok(changed) => {
            let version = workspace_version(&changed.workspace).number().to_string();
            let before = display_name(&found.workspace);
            let flash = Flash::new(context.text("settings-saved"))
                .with_undo(url.clone(), &[("display_name", &before), (VERSION, &version)]);
            Ok(see_other(context, &url, &flash))
        }
        Err(error) if is_outdated(&error) => {
            let texts = context.texts();
            let current = &found.workspace;
            let value =
                |label: &str, name: &str, now: String| (texts.text(label), fields.get(name).to_owned(), now);
            let conflict = Conflict {
                url,
                version: workspace_version(current),
                updated_at: current.updated_at,
                changes: Some(changes_of(ws, Some("workspace.update"))),
                values: vec![
                    value("field-display-name", "display_name", display_name(current)),
                    value("field-plan", "plan_id", current.plan_id.to_string()),
                    value("field-version", "kubernetes_version", current.kubernetes_version.to_string()),
                ],
            };
            conflict.respond(context, &fields, Some(found.membership)).await
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            let plans = context.platform().current_plans().await?;
            Ok(page(context, error.status(), &found, &plans, &form))
        }
    }
}

async fn update(context: &Context, current: &Workspace, fields: &Fields) -> Result<WorkspaceTask> {
    let (org, ws) = (current.organization_id, current.id);
    let command = fields.parse::<WorkspacePatch>()?.parse()?;
    context.platform().workspaces().update(&context.caller, org, ws, &command, Some(current.version)).await
}

fn display_name(workspace: &Workspace) -> String {
    workspace.display_name.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn page(
    context: Context,
    status: StatusCode,
    found: &VisibleWorkspace,
    plans: &PlanCatalog,
    form: &FormState,
) -> Response {
    let texts = context.texts();
    let workspace = &found.workspace;
    let (org, ws) = (workspace.organization_id, workspace.id);
    let target = form_to(&context, urls::workspace_settings(org, ws), Some(workspace_version(workspace)));
    let own_plan = plans.find(&workspace.plan_id);
    let offered = plans.available().filter(|plan| plan.id != workspace.plan_id);
    let own = Choice::new(
        workspace.plan_id.as_str(),
        own_plan.map_or(workspace.plan_id.as_str(), |plan| &plan.name),
    );
    let plan_choices = [own].into_iter().chain(offered.map(|plan| Choice::new(plan.id.as_str(), &plan.name)));
    let current = &workspace.kubernetes_version;
    let upgrades = own_plan.into_iter().flat_map(|plan| &plan.kubernetes_versions);
    let upgrades = upgrades.filter(|version| *version != current && current.can_upgrade_to(version));
    let versions =
        [current].into_iter().chain(upgrades).map(|version| Choice::new(version.as_str(), version.as_str()));
    let select = |name: &str, label: &str, choices: Vec<Choice>, value: &str| {
        Field::new(name, texts.text(label), Control::Select(choices))
            .value(form.value_or(name, value))
            .error(form.error(name))
            .required()
    };
    let display = Field::line("display_name", texts.text("field-display-name"))
        .value(form.value_or("display_name", &display_name(workspace)))
        .error(form.error("display_name"));
    let plan = select("plan_id", "field-plan", plan_choices.collect(), workspace.plan_id.as_str())
        .hint(texts.text("workspace-plan-hint"));
    let version = select("kubernetes_version", "field-version", versions.collect(), current.as_str())
        .hint(texts.text("workspace-version-hint"));
    let title = texts.text("settings-title");
    let delete = texts.text("workspace-delete");
    let content = html! {
        (page_heading(&html! { (title) }, None, None))
        (error_summary(&texts, &form.summary(&["display_name", "plan_id", "kubernetes_version"])))
        (post_form(&target, &html! {
            (field(&texts, &display))
            (field(&texts, &plan))
            (field(&texts, &version))
            (form_actions(&texts, ButtonKind::Primary, &texts.text("settings-save"), &urls::workspace(org, ws)))
        }))
        (card(&delete, None, &html! {
            p { (texts.text("workspace-delete-about")) }
            (link_button(ButtonKind::Danger, &delete, &urls::workspace_delete(org, ws)))
        }))
    };
    PageContent {
        section: Section::Configuration,
        has_errors: form.has_errors(),
        ..PageContent::new(title, content)
    }
    .in_organization(&found.membership)
    .in_workspace(workspace)
    .respond(context, status)
}
