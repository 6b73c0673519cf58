//! Creation of an alert rule, with a preview.

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::html_pages::PageError;
use hexabase_core::access::Action;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{OrganizationId, ProjectId, WorkspaceId};
use hexabase_core::model::Project;
use hexabase_core::platform::CreateAlertRule;
use maud::{Markup, html};

use super::preview::{PREVIEW, Preview};
use super::rule_form::{FIELDS, parse, rule_fields, with_fields_of_form};
use crate::components::{
    ButtonKind, Link, disabled_button, error_summary, link_button, page_heading, post_form, shell_commands,
    submit_button,
};
use crate::context::{Context, refusal};
use crate::flash::Flash;
use crate::form::{Fields, FormState, INTENT, Submission, creating_form};
use crate::pages::api_call::api_request;
use crate::pages::filters::Filters;
use crate::pages::workspaces::{VisibleWorkspace, project_place_for, workspace_for};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::urls;

type Scope = (OrganizationId, WorkspaceId);

/// Workspace, or the project that the form is about, and the projects to choose from.
struct NewRulePage {
    place: VisibleWorkspace,
    projects: Vec<Project>,
}

pub(super) async fn show(
    mut context: Context,
    Path(scope): Path<Scope>,
    RawQuery(query): RawQuery,
) -> PageResult {
    let filters = Filters::new(query.as_deref().unwrap_or_default());
    let found = load(&context, scope, filters.get("project")).await?;
    let saved = context.saved_fields();
    let is_saved = saved.entries().next().is_some();
    let form = FormState::with(if is_saved { saved } else { first_entries(&context, &filters) });
    Ok(page(context, StatusCode::OK, &found, &form, None))
}

/// Entries of an empty form: the project of the address, and the user's own address.
fn first_entries(context: &Context, filters: &Filters) -> Fields {
    let own = context.user.email.as_ref().map(ToString::to_string).unwrap_or_default();
    let entries = [("project", filters.get("project")), ("percent_of_quota", "80"), ("notify", &own)];
    Fields::new(entries.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
}

pub(super) async fn submit(
    Path(scope): Path<Scope>,
    Submission { context, fields }: Submission,
) -> PageResult {
    let found = load(&context, scope, fields.get("project")).await?;
    let result = match parse(&fields, None) {
        Ok(command) if fields.get(INTENT) == PREVIEW => {
            Preview::of(&context, scope, &command).await.map(Some)
        }
        Ok(command) => match create(&context, scope, &command).await {
            Ok(()) => {
                let name = command.name.as_str().into();
                let text = context.texts().text_with("alert-rule-created", &[("name", name)]);
                return Ok(see_other(context, &urls::alerts(scope.0, scope.1), &Flash::new(text)));
            }
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    match result {
        Ok(preview) => Ok(page(context, StatusCode::OK, &found, &FormState::with(fields), preview.as_ref())),
        Err(error) => {
            let error = with_fields_of_form(context.texts(), error, &fields);
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            Ok(page(context, error.status(), &found, &form, None))
        }
    }
}

async fn create(context: &Context, (org, ws): Scope, command: &CreateAlertRule) -> Result<()> {
    context.platform().alert_rules().create(&context.caller, org, ws, command).await.map(drop)
}

async fn load(
    context: &Context,
    (org, ws): Scope,
    project: &str,
) -> std::result::Result<NewRulePage, PageError> {
    let place = match project {
        "" => workspace_for(context, org, ws, Action::AlertRuleCreate).await?,
        id => {
            let id: ProjectId = id.parse().map_err(|_| Error::not_found("project"))?;
            project_place_for(context, (org, ws, id), Action::AlertRuleCreate, &[]).await?
        }
    };
    let (projects, _) = context.platform().projects().all(&context.caller, org, ws).await?;
    Ok(NewRulePage { place, projects })
}

fn page(
    context: Context,
    status: StatusCode,
    found: &NewRulePage,
    form: &FormState,
    preview: Option<&Preview>,
) -> Response {
    let texts = context.texts();
    let workspace = &found.place.workspace;
    let (org, ws) = (workspace.organization_id, workspace.id);
    let target = creating_form(&context, urls::new_alert_rule(org, ws), form);
    let title = texts.text("alert-rule-create");
    let body = r#"{"name":"cpu-high","metric":"cpu","comparison":"above","percent_of_quota":80,"for":"5m","severity":"warning"}"#;
    let path = format!("/organizations/{org}/workspaces/{ws}/alert-rules?dry_run=true");
    let command = api_request(&context, texts.text("shell-rule-preview"), "POST", &path, body);
    let content = html! {
        (page_heading(&html! { (title) }, Some(&html! { (texts.text("alert-rules-purpose")) }), None))
        (error_summary(&texts, &form.summary(&FIELDS)))
        @if let Some(preview) = preview { (preview.markup(&texts)) }
        (post_form(&target, &html! {
            (rule_fields(&texts, form, Some(&found.projects)))
            (buttons(&context, found, &title))
        }))
        (shell_commands(&texts, &[command]))
    };
    PageContent {
        section: Section::Alerts,
        ancestors: vec![Link::new(texts.text("nav-alerts"), urls::alerts(org, ws))],
        has_errors: form.has_errors(),
        ..PageContent::new(title, content)
    }
    .in_organization(&found.place.membership)
    .in_workspace(workspace)
    .respond(context, status)
}

fn buttons(context: &Context, found: &NewRulePage, create: &str) -> Markup {
    let texts = context.texts();
    let workspace = &found.place.workspace;
    html! {
        div class="form-actions" {
            @match refusal(context, &found.place.abilities, Action::AlertRuleCreate) {
                None => (submit_button(&texts, ButtonKind::Primary, create)),
                Some(reason) => (disabled_button("create-reason", create, &reason)),
            }
            (preview_button(context))
            (link_button(ButtonKind::Secondary, &texts.text("button-cancel"), &urls::alerts(workspace.organization_id, workspace.id)))
        }
    }
}

/// Button that shows when the rule would have fired, and saves nothing.
pub(super) fn preview_button(context: &Context) -> Markup {
    let label = context.text("preview-button");
    html! { button class="button" type="submit" name=(INTENT) value=(PREVIEW) { (label) } }
}
