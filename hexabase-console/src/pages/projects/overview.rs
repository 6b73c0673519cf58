//! Project: its namespace, quota, sub-projects and name for display.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::projects::requests::ProjectPatch;
use hexabase_core::access::Action;
use hexabase_core::error::Result;
use hexabase_core::model::Project;
use hexabase_core::version::Version;
use maud::{Markup, html};

use super::quota_fields::{meters, quota_table};
use super::{ProjectScope, VisibleProject, ancestors, project_name, project_with, state_badge};
use crate::components::{
    ButtonKind, Field, ShellCommand, TreeNode, card, disabled_button, error_summary, facts, field, id,
    link_button, name, page_heading, post_form, shell_commands, submit_button, tree,
};
use crate::context::{Context, is_possible, refusal};
use crate::flash::Flash;
use crate::form::{Fields, FormState, Submission, VERSION, form_to};
use crate::pages::conflict::{Conflict, changes_of, is_outdated};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::time::time;
use crate::urls;

/// Actions that the page offers.
const OFFERED: [Action; 3] = [Action::ProjectsManage, Action::ProjectCreate, Action::RolesRead];

pub(super) async fn show(mut context: Context, Path(scope): Path<ProjectScope>) -> PageResult {
    let found = project_with(&context, scope, Action::ProjectsRead, &OFFERED).await?;
    context.note_inventory(scope.0, scope.2).await?;
    let form = FormState::with(context.saved_fields());
    Ok(page(context, StatusCode::OK, &found, &form))
}

pub(super) async fn submit(Path(scope): Path<ProjectScope>, submission: Submission) -> PageResult {
    let expected = submission.version();
    let Submission { context, fields } = submission;
    let found = project_with(&context, scope, Action::ProjectsManage, &OFFERED).await?;
    let url = urls::project(scope.0, scope.1, scope.2);
    match rename(&context, scope, &fields, expected).await {
        Ok(after) => {
            let version = after.version.number().to_string();
            let before = display_name(&found.project);
            let flash = Flash::new(context.text("settings-saved"))
                .with_undo(url.clone(), &[("display_name", &before), (VERSION, &version)]);
            Ok(see_other(context, &url, &flash))
        }
        Err(error) if is_outdated(&error) => {
            let (yours, now) = (fields.get("display_name").to_owned(), display_name(&found.project));
            let conflict = Conflict {
                url,
                version: found.project.version,
                updated_at: found.project.updated_at,
                changes: Some(changes_of(format!("{}/{}", scope.1, scope.2), None)),
                values: vec![(context.text("field-display-name"), yours, now)],
            };
            conflict.respond(context, &fields, Some(found.place.membership)).await
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            Ok(page(context, error.status(), &found, &form))
        }
    }
}

async fn rename(
    context: &Context,
    scope: ProjectScope,
    fields: &Fields,
    expected: Option<Version>,
) -> Result<Project> {
    let command = fields.parse::<ProjectPatch>()?.parse()?;
    Ok(context.platform().projects().update(&context.caller, scope, command, expected).await?.0)
}

fn display_name(project: &Project) -> String {
    project.display_name.as_ref().map(ToString::to_string).unwrap_or_default()
}

fn page(context: Context, status: StatusCode, found: &VisibleProject, form: &FormState) -> Response {
    let texts = context.texts();
    let (project, workspace) = (&found.project, &found.place.workspace);
    let (org, ws, prj) = (project.organization_id, project.workspace_id, project.id);
    let about = [
        (texts.text("project-namespace"), html! { code { (project.name) } }),
        (texts.text("field-phase"), state_badge(&texts, project, workspace)),
        (texts.text("field-id"), id(&texts, &prj.to_string())),
        (texts.text("field-created"), time(&texts, project.created_at)),
        (texts.text("field-updated"), time(&texts, project.updated_at)),
    ];
    let refused = refusal(&context, &found.place.abilities, Action::ProjectsManage);
    let quota = texts.text("quota-change");
    let change_quota = match &refused {
        None => link_button(ButtonKind::Secondary, &quota, &urls::project_quota(org, ws, prj)),
        Some(reason) => disabled_button("quota-reason", &quota, reason),
    };
    let roles = is_possible(&found.place.abilities, Action::RolesRead).then(|| {
        let href = urls::project_roles(org, ws, prj);
        link_button(ButtonKind::Secondary, &texts.text("project-roles"), &href)
    });
    let content = html! {
        (page_heading(&html! { (name(project_name(project))) }, None, roles.as_ref()))
        (error_summary(&texts, &form.summary(&["display_name"])))
        (card(&texts.text("settings-about"), None, &facts(&about)))
        (card(&texts.text("project-quota"), Some(&change_quota), &quota_card(found, &context)))
        (card(&texts.text("project-children"), None, &children(found, &context)))
        @if refused.is_none() { (management(&context, project, form)) }
        (shell_commands(&texts, &[ShellCommand {
            label: texts.text("project-command"),
            command: format!("kubectl --namespace {} get pods", project.name),
        }]))
    };
    PageContent {
        section: Section::Projects,
        ancestors: ancestors(&texts, &found.all, parent(found)),
        has_errors: form.has_errors(),
        ..PageContent::new(project_name(project), content)
    }
    .in_organization(&found.place.membership)
    .in_workspace(workspace)
    .audited(format!("{ws}/{prj}"))
    .respond(context, status)
}

fn parent(found: &VisibleProject) -> Option<&Project> {
    found.all.iter().find(|other| Some(other.id) == found.project.parent_id)
}

fn quota_card(found: &VisibleProject, context: &Context) -> Markup {
    let texts = context.texts();
    let usage = found.place.workspace.status.usage.as_ref();
    let used = usage.and_then(|usage| usage.projects.get(&found.project.id));
    html! {
        @if found.project.quota.is_empty() {
            p class="note" { (texts.text("quota-none")) }
        } @else {
            div id="usage" data-live="projects" { (meters(&texts, &found.project, &found.all, used)) }
            (quota_table(&texts, &found.project, &found.all))
        }
    }
}

fn children(found: &VisibleProject, context: &Context) -> Markup {
    let texts = context.texts();
    let (org, ws, prj) = (found.project.organization_id, found.project.workspace_id, found.project.id);
    let node = |child: &Project| TreeNode {
        label: html! { a href=(urls::project(org, ws, child.id)) { (name(project_name(child))) } },
        facts: state_badge(&texts, child, &found.place.workspace),
        children: Vec::new(),
    };
    let nodes: Vec<_> = found.all.iter().filter(|other| other.parent_id == Some(prj)).map(node).collect();
    let new = format!("{}?parent_id={prj}", urls::new_project(org, ws));
    html! {
        @if nodes.is_empty() {
            p class="note" { (texts.text("project-no-children")) }
        } @else {
            (tree(&texts.text("project-children"), &nodes))
        }
        @if is_possible(&found.place.abilities, Action::ProjectCreate) {
            p { (link_button(ButtonKind::Secondary, &texts.text("project-create-child"), &new)) }
        }
    }
}

/// Form with the name for display, and the link to the deletion.
fn management(context: &Context, project: &Project, form: &FormState) -> Markup {
    let texts = context.texts();
    let (org, ws, prj) = (project.organization_id, project.workspace_id, project.id);
    let target = form_to(context, urls::project(org, ws, prj), Some(project.version));
    let display = Field::line("display_name", texts.text("field-display-name"))
        .value(form.value_or("display_name", &display_name(project)))
        .error(form.error("display_name"));
    html! {
        (card(&texts.text("settings-title"), None, &html! {
            (post_form(&target, &html! {
                (field(&texts, &display))
                div class="form-actions" {
                    (submit_button(&texts, ButtonKind::Secondary, &texts.text("settings-save")))
                    (link_button(ButtonKind::Danger, &texts.text("project-delete"), &urls::project_delete(org, ws, prj)))
                }
            }))
        }))
    }
}
