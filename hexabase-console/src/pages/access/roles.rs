//! Roles and their assignments, in a workspace as a whole or in one project.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::access::requests::NewAssignment;
use hexabase_core::access::{AccessFacts, Action, preset_rules};
use hexabase_core::error::Result;
use hexabase_core::id::{AssignmentId, OrganizationId, ProjectId, WorkspaceId};
use hexabase_core::model::{Assignment, PresetRole, Project, RoleRef};
use maud::{Markup, html};

use super::words::{preset_description, preset_title, rule_text};
use super::{group_name, role_title};
use crate::components::{
    ButtonKind, Choice, Column, Control, Field, Link, Table, card, error_summary, field, link_button, name,
    page_heading, post_form, shell_commands, submit_button, table,
};
use crate::context::{Context, is_possible};
use crate::flash::Flash;
use crate::form::{Fields, FormState, Submission, creating_form, form_to};
use crate::pages::api_call::api_call;
use crate::pages::nested::in_order;
use crate::pages::projects::{ProjectScope, ancestors, project_with};
use crate::pages::workspaces::{VisibleWorkspace, workspace_with};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::urls;

/// Scope of assignments: the workspace as a whole, or one of its projects.
type AssignmentScope = (OrganizationId, WorkspaceId, Option<ProjectId>);

/// Actions that the page of a project offers.
const IN_PROJECT: [Action; 2] = [Action::ProjectRolesManage, Action::ProjectRoleCreate];

/// Facts on the page.
struct RolesPage {
    place: VisibleWorkspace,
    /// Project of the page with all projects; `None` for the workspace as a whole.
    project: Option<(Project, Vec<Project>)>,
    access: std::sync::Arc<AccessFacts>,
    form: FormState,
}

impl RolesPage {
    fn scope(&self) -> AssignmentScope {
        let workspace = &self.place.workspace;
        (workspace.organization_id, workspace.id, self.project.as_ref().map(|(project, _)| project.id))
    }

    /// Returns the action that assigns roles here.
    fn assign_action(&self) -> Action {
        if self.project.is_some() { Action::ProjectRolesManage } else { Action::WorkspaceRolesAssign }
    }
}

pub(super) async fn show_workspace(
    mut context: Context,
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
) -> PageResult {
    let form = FormState::with(context.saved_fields());
    let facts = load(&context, (org, ws, None), Action::RolesRead, form).await?;
    Ok(page(context, StatusCode::OK, &facts))
}

pub(super) async fn show_project(
    mut context: Context,
    Path((org, ws, prj)): Path<ProjectScope>,
) -> PageResult {
    let form = FormState::with(context.saved_fields());
    let facts = load(&context, (org, ws, Some(prj)), Action::RolesRead, form).await?;
    Ok(page(context, StatusCode::OK, &facts))
}

pub(super) async fn assign_in_workspace(
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
    submission: Submission,
) -> PageResult {
    assign((org, ws, None), Action::WorkspaceRolesAssign, submission).await
}

pub(super) async fn assign_in_project(
    Path((org, ws, prj)): Path<ProjectScope>,
    submission: Submission,
) -> PageResult {
    assign((org, ws, Some(prj)), Action::ProjectRolesManage, submission).await
}

pub(super) async fn unassign_in_workspace(
    Path((org, ws, asg)): Path<(OrganizationId, WorkspaceId, AssignmentId)>,
    submission: Submission,
) -> PageResult {
    unassign((org, ws, None), asg, Action::WorkspaceRolesAssign, submission).await
}

pub(super) async fn unassign_in_project(
    Path((org, ws, prj, asg)): Path<(OrganizationId, WorkspaceId, ProjectId, AssignmentId)>,
    submission: Submission,
) -> PageResult {
    unassign((org, ws, Some(prj)), asg, Action::ProjectRolesManage, submission).await
}

async fn assign(scope: AssignmentScope, action: Action, submission: Submission) -> PageResult {
    let Submission { context, fields } = submission;
    let facts = load(&context, scope, action, FormState::default()).await?;
    match create(&context, scope, &fields).await {
        Ok(assignment) => {
            let role = role_title(&context.texts(), &facts.access, assignment.role);
            let group = group_name(&facts.access, assignment.group_id);
            let text = context
                .texts()
                .text_with("role-assigned", &[("role", (&role).into()), ("group", group.into())]);
            let flash = Flash::new(text).with_undo(assignment_url(scope, assignment.id), &[]);
            Ok(see_other(context, &roles_url(scope), &flash))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            Ok(page(context, error.status(), &RolesPage { form, ..facts }))
        }
    }
}

async fn create(context: &Context, scope: AssignmentScope, fields: &Fields) -> Result<Assignment> {
    let command = fields.parse::<NewAssignment>()?.parse()?;
    Ok(context.platform().roles().assign(&context.caller, scope, &command).await?.value)
}

async fn unassign(
    scope: AssignmentScope,
    asg: AssignmentId,
    action: Action,
    submission: Submission,
) -> PageResult {
    let context = submission.context;
    let facts = load(&context, scope, action, FormState::default()).await?;
    context.platform().roles().unassign(&context.caller, scope, asg).await?;
    let mut flash = Flash::new(context.text("role-unassigned"));
    if let Some(old) = facts.access.assignments.iter().find(|assignment| assignment.id == asg) {
        let (group, role) = (old.group_id.to_string(), old.role.to_string());
        flash = flash.with_undo(roles_url(scope), &[("group_id", &group), ("role", &role)]);
    }
    Ok(see_other(context, &roles_url(scope), &flash))
}

/// Returns the path of the assignments in the API.
fn path_of_assignments((org, ws, prj): AssignmentScope) -> String {
    let project = prj.map(|prj| format!("/projects/{prj}")).unwrap_or_default();
    format!("/organizations/{org}/workspaces/{ws}{project}/role-assignments")
}

fn roles_url((org, ws, prj): AssignmentScope) -> String {
    prj.map_or_else(|| urls::roles(org, ws), |prj| urls::project_roles(org, ws, prj))
}

fn assignment_url((org, ws, prj): AssignmentScope, asg: AssignmentId) -> String {
    match prj {
        None => urls::assignment(org, ws, asg),
        Some(prj) => urls::project_assignment(org, ws, prj, asg),
    }
}

async fn load(
    context: &Context,
    (org, ws, prj): AssignmentScope,
    action: Action,
    form: FormState,
) -> std::result::Result<RolesPage, hexabase_api::html_pages::PageError> {
    let (place, project) = match prj {
        None => (workspace_with(context, (org, ws), action, &[Action::WorkspaceRolesAssign]).await?, None),
        Some(prj) => {
            let found = project_with(context, (org, ws, prj), action, &IN_PROJECT).await?;
            (found.place, Some((found.project, found.all)))
        }
    };
    let access = context.platform().roles().facts(&context.caller, org, ws).await?;
    Ok(RolesPage { place, project, access, form })
}

fn page(context: Context, status: StatusCode, facts: &RolesPage) -> Response {
    let texts = context.texts();
    let prj = facts.scope().2;
    let may_assign = is_possible(&facts.place.abilities, facts.assign_action());
    let title = if prj.is_some() { texts.text("project-roles") } else { texts.text("nav-roles") };
    let content = html! {
        (page_heading(&html! { (title) }, Some(&html! { (texts.text("roles-about")) }), None))
        (error_summary(&texts, &facts.form.summary(&["group_id", "role"])))
        div id="assignments" data-live="access" {
            (card(&texts.text("assignments-title"), None, &assignments(&context, facts, may_assign)))
        }
        @if may_assign { (assign_card(&context, facts)) }
        @if prj.is_some() { (custom_roles(&context, facts)) }
        (card(&texts.text("presets-title"), None, &presets(&context, prj.is_some())))
        (shell_commands(&texts, &[api_call(&context, texts.text("assignments-command"), &path_of_assignments(facts.scope()))]))
    };
    let section = if prj.is_some() { Section::Projects } else { Section::Roles };
    let path = facts.project.as_ref().map(|(project, all)| ancestors(&texts, all, Some(project)));
    PageContent {
        section,
        ancestors: path.unwrap_or_default(),
        has_errors: facts.form.has_errors(),
        ..PageContent::new(title, content)
    }
    .in_organization(&facts.place.membership)
    .in_workspace(&facts.place.workspace)
    .respond(context, status)
}

fn assignments(context: &Context, facts: &RolesPage, may_assign: bool) -> Markup {
    let texts = context.texts();
    let (org, ws, prj) = facts.scope();
    let row = |assignment: &Assignment| {
        let group = html! {
            a href=(urls::group(org, ws, assignment.group_id)) { (name(group_name(&facts.access, assignment.group_id))) }
        };
        let form = form_to(context, assignment_url((org, ws, prj), assignment.id), None);
        let remove = html! {
            @if may_assign {
                (post_form(&form, &submit_button(&texts, ButtonKind::Secondary, &texts.text("assignment-remove"))))
            }
        };
        vec![group, html! { (name(&role_title(&texts, &facts.access, assignment.role))) }, remove].into()
    };
    let rows: Vec<_> = facts.access.assignments.iter().filter(|it| it.project_id == prj).map(row).collect();
    html! {
        @if rows.is_empty() {
            p class="note" { (texts.text("assignments-none")) }
        } @else {
            (table(&Table {
                caption: texts.text("assignments-title"),
                is_caption_hidden: true,
                columns: vec![
                    Column::text(texts.text("assignment-group")),
                    Column::text(texts.text("field-role")),
                    Column::actions(texts.text("actions-label")),
                ],
                rows,
            }))
        }
    }
}

fn assign_card(context: &Context, facts: &RolesPage) -> Markup {
    let texts = context.texts();
    let prj = facts.scope().2;
    let groups = in_order(&facts.access.groups).into_iter().map(|(level, group)| {
        Choice::new(group.id.to_string(), format!("{}{}", "— ".repeat(level), group.name))
    });
    let presets = PresetRole::ALL.iter().filter(|preset| preset.is_for_workspace() == prj.is_none());
    let presets = presets.map(|preset| Choice::new(preset.as_str(), preset_title(&texts, *preset)));
    let custom = facts.access.roles.iter().filter(|role| Some(role.project_id) == prj);
    let custom = custom.map(|role| Choice::new(RoleRef::Custom(role.id).to_string(), role.name.as_str()));
    let select = |name: &str, label: String, choices: Vec<Choice>| {
        Field::new(name, label, Control::Select(choices))
            .value(facts.form.value(name))
            .error(facts.form.error(name))
            .required()
    };
    let assign = texts.text("role-assign");
    let target = creating_form(context, roles_url(facts.scope()), &facts.form);
    card(
        &assign,
        None,
        &post_form(
            &target,
            &html! {
                (field(&texts, &select("group_id", texts.text("assignment-group"), groups.collect())))
                (field(&texts, &select("role", texts.text("field-role"), presets.chain(custom).collect())))
                (submit_button(&texts, ButtonKind::Primary, &assign))
            },
        ),
    )
}

/// Custom roles of the project, with their rules in words.
fn custom_roles(context: &Context, facts: &RolesPage) -> Markup {
    let texts = context.texts();
    let (org, ws, prj) = facts.scope();
    let roles: Vec<_> = facts.access.roles.iter().filter(|role| Some(role.project_id) == prj).collect();
    let create =
        Link::new(texts.text("role-create"), prj.map(|prj| urls::new_role(org, ws, prj)).unwrap_or_default());
    let may_create = is_possible(&facts.place.abilities, Action::ProjectRoleCreate);
    let button =
        html! { @if may_create { (link_button(ButtonKind::Secondary, &create.label, &create.href)) } };
    card(
        &texts.text("custom-roles-title"),
        Some(&button),
        &html! {
            @if roles.is_empty() { p class="note" { (texts.text("custom-roles-none")) } }
            @for role in roles {
                h3 { a href=(urls::role(org, ws, role.project_id, role.id)) { (name(role.name.as_str())) } }
                ul { @for rule in &role.rules { li { (rule_text(&texts, rule)) } } }
            }
        },
    )
}

/// Presets with their purpose, and their rules in words.
fn presets(context: &Context, in_project: bool) -> Markup {
    let texts = context.texts();
    html! {
        @for preset in PresetRole::ALL.iter().filter(|preset| preset.is_for_workspace() != in_project) {
            h3 { (preset_title(&texts, *preset)) }
            p { (preset_description(&texts, *preset)) }
            details {
                summary { (texts.text("role-rules")) " " code { (preset.as_str()) } }
                ul { @for rule in preset_rules(*preset) { li { (rule_text(&texts, &rule)) } } }
            }
        }
    }
}
