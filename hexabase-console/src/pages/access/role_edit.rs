//! Custom role of a project: rules in words, editor, comparison before saving, and deletion.

use axum::http::StatusCode;
use hexabase_api::Path;
use hexabase_core::access::{Action, check_rules};
use hexabase_core::error::{Error, Result, Violation};
use hexabase_core::id::{OrganizationId, ProjectId, RoleId, WorkspaceId};
use hexabase_core::model::{CustomRole, Rule};
use hexabase_core::name::Slug;
use hexabase_core::platform::{CreateRole, UpdateRole};
use hexabase_core::version::Version;

use super::role_page::{RolePage, Stage, page, sentences};
use super::rule_rows::{RuleRow, entered};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{Fields, FormState, INTENT, Submission};
use crate::pages::conflict::{Conflict, changes_of, is_outdated};
use crate::pages::projects::{ProjectScope, VisibleProject, project_for, project_with};
use crate::response::{PageResult, see_other};
use crate::urls;

/// Ids of a custom role with those of its parents.
type RoleScope = (OrganizationId, WorkspaceId, ProjectId, RoleId);

/// Actions that the page offers.
const OFFERED: [Action; 1] = [Action::ProjectRolesManage];

pub(super) async fn show_new(mut context: Context, Path(scope): Path<ProjectScope>) -> PageResult {
    let found = project_with(&context, scope, Action::ProjectRoleCreate, &OFFERED).await?;
    let form = FormState::with(context.saved_fields());
    let name = form.value("name");
    let rows = entered(form.fields()).unwrap_or_else(|| vec![RuleRow::default()]);
    Ok(page(context, StatusCode::OK, &RolePage { found, role: None, name, rows, stage: Stage::Editor, form }))
}

pub(super) async fn show(mut context: Context, Path((org, ws, prj, rol)): Path<RoleScope>) -> PageResult {
    let found = project_with(&context, (org, ws, prj), Action::RolesRead, &OFFERED).await?;
    let role = context.platform().roles().get(&context.caller, (org, ws, prj), rol).await?;
    context.note_inventory(org, rol).await?;
    let form = FormState::with(context.saved_fields());
    let name = form.value_or("name", role.name.as_str());
    let rows = entered(form.fields()).unwrap_or_else(|| role.rules.iter().map(RuleRow::from).collect());
    Ok(page(
        context,
        StatusCode::OK,
        &RolePage { found, role: Some(role), name, rows, stage: Stage::Editor, form },
    ))
}

pub(super) async fn submit_new(Path(scope): Path<ProjectScope>, submission: Submission) -> PageResult {
    let found = project_with(&submission.context, scope, Action::ProjectRoleCreate, &OFFERED).await?;
    save(found, None, submission).await
}

pub(super) async fn submit(Path((org, ws, prj, rol)): Path<RoleScope>, submission: Submission) -> PageResult {
    let expected = submission.version();
    let context = &submission.context;
    let found = project_for(context, (org, ws, prj), Action::ProjectRolesManage).await?;
    let roles = context.platform().roles();
    let role = roles.get(&context.caller, (org, ws, prj), rol).await?;
    if submission.fields.get(INTENT) != "delete" {
        return save(found, Some(role), submission).await;
    }
    match roles.delete(&context.caller, (org, ws, prj), rol, expected).await {
        Ok(()) => {
            let text = context.texts().text_with("role-deleted", &[("name", role.name.as_str().into())]);
            Ok(see_other(submission.context, &urls::project_roles(org, ws, prj), &Flash::new(text)))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &submission.fields, error)?;
            let rows = role.rules.iter().map(RuleRow::from).collect();
            let name = role.name.to_string();
            let facts = RolePage { found, role: Some(role), name, rows, stage: Stage::Editor, form };
            Ok(page(submission.context, error.status(), &facts))
        }
    }
}

/// Adds a row, compares the entries with the saved role, or saves them, by the button that was used.
async fn save(found: VisibleProject, role: Option<CustomRole>, submission: Submission) -> PageResult {
    let expected = submission.version();
    let Submission { context, fields } = submission;
    let mut rows = entered(&fields).unwrap_or_default();
    let name = fields.get("name").to_owned();
    if fields.get(INTENT) == "add" {
        rows.push(RuleRow::default());
        let form = FormState::with(fields);
        return Ok(page(
            context,
            StatusCode::OK,
            &RolePage { found, role, name, rows, stage: Stage::Editor, form },
        ));
    }
    let result = match (parse(&fields, &rows), fields.get(INTENT)) {
        (Err(error), _) => Err(error),
        (Ok(command), "save") => write(&context, &found, role.as_ref(), command, expected).await.map(Some),
        (Ok(_), _) => Ok(None),
    };
    match (result, &role) {
        (Ok(Some(saved)), _) => {
            let url = urls::role(saved.organization_id, saved.workspace_id, saved.project_id, saved.id);
            let text = context.texts().text_with("role-saved", &[("name", saved.name.as_str().into())]);
            Ok(see_other(context, &url, &Flash::new(text)))
        }
        (Ok(None), _) => {
            let form = FormState::with(fields);
            let facts = RolePage { found, role, name, rows, stage: Stage::Comparison, form };
            Ok(page(context, StatusCode::OK, &facts))
        }
        (Err(error), Some(current)) if is_outdated(&error) => {
            conflict(context, found, current, &fields, &rows).await
        }
        (Err(error), _) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            if rows.is_empty() {
                rows.push(RuleRow::default());
            }
            let facts = RolePage { found, role, name, rows, stage: Stage::Editor, form };
            Ok(page(context, error.status(), &facts))
        }
    }
}

/// Returns the role that the entries describe.
fn parse(fields: &Fields, rows: &[RuleRow]) -> Result<CreateRole> {
    let rules: Vec<Rule> = rows.iter().map(RuleRow::rule).collect();
    let mut violations = check_rules(&rules);
    match Slug::parse(fields.get("name")) {
        Ok(name) if violations.is_empty() => Ok(CreateRole { name, rules }),
        Ok(_) => Err(Error::invalid_fields(violations)),
        Err(invalid) => {
            let rule = Some(invalid.rule());
            violations.insert(0, Violation { rule, ..Violation::new("name", invalid.to_string()) });
            Err(Error::invalid_fields(violations))
        }
    }
}

async fn write(
    context: &Context,
    found: &VisibleProject,
    role: Option<&CustomRole>,
    command: CreateRole,
    expected: Option<Version>,
) -> Result<CustomRole> {
    let project = &found.project;
    let scope = (project.organization_id, project.workspace_id, project.id);
    let roles = context.platform().roles();
    match role {
        None => Ok(roles.create(&context.caller, scope, &command).await?.value),
        Some(role) => {
            let change = UpdateRole { name: Some(command.name), rules: Some(command.rules) };
            roles.update(&context.caller, scope, role.id, &change, expected).await
        }
    }
}

async fn conflict(
    context: Context,
    found: VisibleProject,
    role: &CustomRole,
    fields: &Fields,
    rows: &[RuleRow],
) -> PageResult {
    let texts = context.texts();
    let yours: Vec<Rule> = rows.iter().map(RuleRow::rule).collect();
    let in_words = |rules: &[Rule]| sentences(&texts, rules).join("; ");
    let conflict = Conflict {
        url: urls::role(role.organization_id, role.workspace_id, role.project_id, role.id),
        version: role.version,
        updated_at: role.updated_at,
        changes: Some(changes_of(
            format!("{}/{}/{}", role.workspace_id, role.project_id, role.id),
            Some("role.update"),
        )),
        values: vec![
            (texts.text("field-name"), fields.get("name").to_owned(), role.name.to_string()),
            (texts.text("role-rules"), in_words(&yours), in_words(&role.rules)),
        ],
    };
    conflict.respond(context, fields, Some(found.place.membership)).await
}
