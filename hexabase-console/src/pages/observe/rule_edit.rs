//! Alert rule: its condition and recipients, and their change with a preview.

use axum::http::StatusCode;
use hexabase_api::Path;
use hexabase_api::html_pages::PageError;
use hexabase_core::access::Action;
use hexabase_core::error::Result;
use hexabase_core::id::{AlertRuleId, OrganizationId, WorkspaceId};
use hexabase_core::model::{AlertRule, Project};
use hexabase_core::platform::{CreateAlertRule, UpdateAlertRule};
use hexabase_core::version::Version;
use maud::{Markup, html};

use super::preview::{PREVIEW, Preview};
use super::rule_form::{FIELDS, entries, parse, rule_fields, with_fields_of_form};
use super::rule_new::preview_button;
use super::rule_words::{addresses, condition_text, scope_markup, severity_badge, severity_text};
use crate::components::{
    ButtonKind, Link, card, error_summary, facts, id, link_button, name, page_heading, post_form,
    shell_commands, submit_button,
};
use crate::context::{Context, is_possible};
use crate::flash::Flash;
use crate::form::{Fields, FormState, INTENT, Submission, form_to};
use crate::pages::api_call::api_call;
use crate::pages::conflict::{Conflict, changes_of, is_outdated};
use crate::pages::workspaces::{VisibleWorkspace, project_place_for, workspace_with};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::time::time;
use crate::urls;

/// Ids of a rule with those of its parents.
pub(super) type RuleScope = (OrganizationId, WorkspaceId, AlertRuleId);

/// Rule of a page, with what the user can do in its project.
pub(super) struct VisibleRule {
    pub(super) place: VisibleWorkspace,
    pub(super) rule: AlertRule,
}

/// Reads the rule of a page for an action.
pub(super) async fn rule_for(
    context: &Context,
    (org, ws, rule): RuleScope,
    action: Action,
) -> std::result::Result<VisibleRule, PageError> {
    let rule = context.platform().alert_rules().get(&context.caller, org, ws, rule).await?;
    let offered = [Action::AlertRulesManage];
    let place = match rule.project_id {
        Some(project) => project_place_for(context, (org, ws, project), action, &offered).await?,
        None => workspace_with(context, (org, ws), action, &offered).await?,
    };
    Ok(VisibleRule { place, rule })
}

pub(super) async fn show(mut context: Context, Path(scope): Path<RuleScope>) -> PageResult {
    let found = rule_for(&context, scope, Action::AlertsRead).await?;
    context.note_inventory(scope.0, scope.2).await?;
    let saved = context.saved_fields();
    let is_saved = saved.entries().next().is_some();
    let form = FormState::with(if is_saved { saved } else { entries(&found.rule) });
    page(context, StatusCode::OK, &found, &form, None).await
}

pub(super) async fn submit(Path(scope): Path<RuleScope>, submission: Submission) -> PageResult {
    let expected = submission.version();
    let Submission { context, fields } = submission;
    let found = rule_for(&context, scope, Action::AlertRulesManage).await?;
    let result = match parse(&fields, Some(found.rule.project_id)) {
        Ok(command) if fields.get(INTENT) == PREVIEW => {
            Preview::of(&context, (scope.0, scope.1), &command).await.map(Some)
        }
        Ok(command) => match update(&context, scope, command, expected).await {
            Ok(after) => {
                let name = after.name.as_str().into();
                let text = context.texts().text_with("alert-rule-changed", &[("name", name)]);
                return Ok(see_other(context, &urls::alerts(scope.0, scope.1), &Flash::new(text)));
            }
            Err(error) if is_outdated(&error) => return conflict(context, found, &fields).await,
            Err(error) => Err(error),
        },
        Err(error) => Err(error),
    };
    match result {
        Ok(preview) => {
            page(context, StatusCode::OK, &found, &FormState::with(fields), preview.as_ref()).await
        }
        Err(error) => {
            let error = with_fields_of_form(context.texts(), error, &fields);
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            page(context, error.status(), &found, &form, None).await
        }
    }
}

async fn update(
    context: &Context,
    (org, ws, rule): RuleScope,
    command: CreateAlertRule,
    expected: Option<Version>,
) -> Result<AlertRule> {
    let CreateAlertRule { name, condition, severity, notify, .. } = command;
    let command = UpdateAlertRule {
        name: Some(name),
        metric: Some(condition.metric),
        comparison: Some(condition.comparison),
        limit: Some(condition.limit),
        duration: Some(condition.duration),
        severity: Some(severity),
        notify: Some(notify),
    };
    context.platform().alert_rules().update(&context.caller, (org, ws), rule, &command, expected).await
}

/// Page of a change to a rule that has changed meanwhile.
async fn conflict(context: Context, found: VisibleRule, fields: &Fields) -> PageResult {
    let texts = context.texts();
    let VisibleRule { place, rule } = found;
    let yours = parse(fields, Some(rule.project_id)).ok();
    let mut values = vec![(texts.text("field-name"), fields.get("name").to_owned(), rule.name.to_string())];
    if let Some(yours) = yours {
        values.push((
            texts.text("alert-condition"),
            condition_text(&texts, yours.condition),
            condition_text(&texts, rule.condition),
        ));
        values.push((
            texts.text("field-severity"),
            severity_text(&texts, yours.severity),
            severity_text(&texts, rule.severity),
        ));
    }
    values.push((texts.text("field-notify"), fields.get("notify").to_owned(), addresses(&rule)));
    let conflict = Conflict {
        url: urls::alert_rule(rule.organization_id, rule.workspace_id, rule.id),
        version: rule.version,
        updated_at: rule.updated_at,
        changes: Some(changes_of(format!("{}/{}", rule.workspace_id, rule.id), Some("alert_rule.update"))),
        values,
    };
    conflict.respond(context, fields, Some(place.membership)).await
}

async fn page(
    context: Context,
    status: StatusCode,
    found: &VisibleRule,
    form: &FormState,
    preview: Option<&Preview>,
) -> PageResult {
    let texts = context.texts();
    let rule = &found.rule;
    let (org, ws) = (rule.organization_id, rule.workspace_id);
    let (projects, _) = context.platform().projects().all(&context.caller, org, ws).await?;
    let may_manage = is_possible(&found.place.abilities, Action::AlertRulesManage);
    let actions = html! {
        @if may_manage {
            (link_button(ButtonKind::Secondary, &texts.text("alert-silence"), &urls::alert_silence(org, ws, rule.id)))
            (link_button(ButtonKind::Danger, &texts.text("alert-rule-delete"), &urls::alert_rule_delete(org, ws, rule.id)))
        }
    };
    let path = format!("/organizations/{org}/workspaces/{ws}/alert-rules/{}", rule.id);
    let content = html! {
        (page_heading(&html! { (name(rule.name.as_str())) }, None, Some(&actions)))
        (error_summary(&texts, &form.summary(&FIELDS)))
        (card(&texts.text("settings-about"), None, &about(&context, rule, &projects)))
        @if let Some(preview) = preview { (preview.markup(&texts)) }
        @if may_manage { (card(&texts.text("alert-rule-change"), None, &edit_form(&context, rule, form))) }
        (shell_commands(&texts, &[api_call(&context, texts.text("shell-rule"), &path)]))
    };
    Ok(PageContent {
        section: Section::Alerts,
        ancestors: vec![Link::new(texts.text("nav-alerts"), urls::alerts(org, ws))],
        has_errors: form.has_errors(),
        ..PageContent::new(rule.name.as_str(), content)
    }
    .in_organization(&found.place.membership)
    .in_workspace(&found.place.workspace)
    .respond(context, status))
}

fn about(context: &Context, rule: &AlertRule, projects: &[Project]) -> Markup {
    let texts = context.texts();
    facts(&[
        (texts.text("alert-condition"), html! { (condition_text(&texts, rule.condition)) }),
        (texts.text("field-severity"), severity_badge(&texts, rule.severity)),
        (texts.text("field-project"), scope_markup(&texts, projects, rule.project_id)),
        (
            texts.text("field-notify"),
            html! {
                @if rule.notify.is_empty() { span class="note" { (texts.text("alert-notify-none")) } }
                @for address in &rule.notify { (name(address.as_str())) " " }
            },
        ),
        (texts.text("field-updated"), time(&texts, rule.updated_at)),
        (texts.text("field-id"), id(&texts, &rule.id.to_string())),
    ])
}

fn edit_form(context: &Context, rule: &AlertRule, form: &FormState) -> Markup {
    let texts = context.texts();
    let url = urls::alert_rule(rule.organization_id, rule.workspace_id, rule.id);
    post_form(
        &form_to(context, url, Some(rule.version)),
        &html! {
            (rule_fields(&texts, form, None))
            div class="form-actions" {
                (submit_button(&texts, ButtonKind::Primary, &texts.text("alert-rule-save")))
                (preview_button(context))
            }
        },
    )
}
