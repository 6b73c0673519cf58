//! Silence of the alerts of a rule, and its end.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::alerts::requests::NewSilence;
use hexabase_core::access::Action;
use hexabase_core::alerts::SilenceId;
use hexabase_core::error::Result;
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::platform::AlertSilence;
use maud::html;

use super::rule_edit::{RuleScope, VisibleRule, rule_for};
use crate::components::{
    ButtonKind, Choice, Control, Field, Link, error_summary, field, form_actions, page_heading, post_form,
    shell_commands,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{Fields, FormState, Submission, creating_form};
use crate::pages::api_call::api_request;
use crate::pages::workspaces::workspace_for;
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::time::time_text;
use crate::urls;

pub(super) async fn show(mut context: Context, Path(scope): Path<RuleScope>) -> PageResult {
    let form = FormState::with(context.saved_fields());
    let found = rule_for(&context, scope, Action::AlertRulesManage).await?;
    Ok(page(context, StatusCode::OK, &found, &form))
}

pub(super) async fn submit(
    Path(scope): Path<RuleScope>,
    Submission { context, fields }: Submission,
) -> PageResult {
    let found = rule_for(&context, scope, Action::AlertRulesManage).await?;
    match create(&context, scope, &fields).await {
        Ok(silence) => {
            let texts = context.texts();
            let end = time_text(&texts, silence.ends_at);
            let name = found.rule.name.as_str().into();
            let text = texts.text_with("silence-created", &[("name", name), ("end", (&end).into())]);
            let undo = urls::silence(scope.0, scope.1, silence.id);
            let flash = Flash::new(text).with_undo(undo, &[]);
            Ok(see_other(context, &urls::alerts(scope.0, scope.1), &flash))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            Ok(page(context, error.status(), &found, &form))
        }
    }
}

async fn create(context: &Context, (org, ws, rule): RuleScope, fields: &Fields) -> Result<AlertSilence> {
    let command = fields.parse::<NewSilence>()?.parse();
    let created = context.platform().alerts().silence(&context.caller, (org, ws), rule, &command).await?;
    Ok(created.value)
}

/// Ends a silence.
pub(super) async fn end(
    Path((org, ws, id)): Path<(OrganizationId, WorkspaceId, SilenceId)>,
    Submission { context, .. }: Submission,
) -> PageResult {
    workspace_for(&context, org, ws, Action::AlertsRead).await?;
    context.platform().alerts().end_silence(&context.caller, (org, ws), id).await?;
    let flash = Flash::new(context.text("silence-ended"));
    Ok(see_other(context, &urls::alerts(org, ws), &flash))
}

fn page(context: Context, status: StatusCode, found: &VisibleRule, form: &FormState) -> Response {
    let texts = context.texts();
    let rule = &found.rule;
    let (org, ws) = (rule.organization_id, rule.workspace_id);
    let title = texts.text("alert-silence");
    let durations = vec![
        Choice::new("30", texts.text("silence-half-hour")),
        Choice::new("60", texts.text("range-hour")),
        Choice::new("240", texts.text("silence-four-hours")),
        Choice::new("1440", texts.text("range-day")),
        Choice::new("10080", texts.text("range-week")),
        Choice::new("43200", texts.text("range-month")),
    ];
    let minutes = Field::new("minutes", texts.text("silence-duration"), Control::Select(durations))
        .value(form.value_or("minutes", "60"))
        .error(form.error("minutes"))
        .hint(texts.text("silence-duration-hint"))
        .required();
    let comment = Field::line("comment", texts.text("silence-reason"))
        .value(form.value("comment"))
        .error(form.error("comment"))
        .hint(texts.text("silence-reason-hint"));
    let target = creating_form(&context, urls::alert_silence(org, ws, rule.id), form);
    let path = format!("/organizations/{org}/workspaces/{ws}/alerts/{}/silence", rule.id);
    let command =
        api_request(&context, title.clone(), "POST", &path, r#"{"minutes":60,"comment":"maintenance"}"#);
    let about = texts.text_with("silence-about", &[("name", rule.name.as_str().into())]);
    let content = html! {
        (page_heading(&html! { (title) }, Some(&html! { (about) }), None))
        (error_summary(&texts, &form.summary(&["minutes", "comment"])))
        (post_form(&target, &html! {
            (field(&texts, &minutes))
            (field(&texts, &comment))
            (form_actions(&texts, ButtonKind::Primary, &title, &urls::alerts(org, ws)))
        }))
        (shell_commands(&texts, &[command]))
    };
    PageContent {
        section: Section::Alerts,
        ancestors: vec![
            Link::new(texts.text("nav-alerts"), urls::alerts(org, ws)),
            Link::new(rule.name.as_str(), urls::alert_rule(org, ws, rule.id)),
        ],
        has_errors: form.has_errors(),
        ..PageContent::new(title, content)
    }
    .in_organization(&found.place.membership)
    .in_workspace(&found.place.workspace)
    .respond(context, status)
}
