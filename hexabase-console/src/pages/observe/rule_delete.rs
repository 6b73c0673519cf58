//! Deletion of an alert rule.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_core::access::Action;
use maud::html;

use super::rule_edit::{RuleScope, VisibleRule, rule_for};
use crate::components::{DangerForm, Link, danger_form, error_summary, page_heading};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{FormState, Submission, form_to};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::urls;

pub(super) async fn show(context: Context, Path(scope): Path<RuleScope>) -> PageResult {
    let found = rule_for(&context, scope, Action::AlertRulesManage).await?;
    Ok(page(context, StatusCode::OK, &found, &FormState::default()))
}

pub(super) async fn submit(Path(scope): Path<RuleScope>, submission: Submission) -> PageResult {
    let expected = submission.version();
    let Submission { context, fields } = submission;
    let found = rule_for(&context, scope, Action::AlertRulesManage).await?;
    let (org, ws, rule) = scope;
    match context.platform().alert_rules().delete(&context.caller, (org, ws), rule, expected).await {
        Ok(()) => {
            let name = found.rule.name.as_str().into();
            let text = context.texts().text_with("alert-rule-deleted", &[("name", name)]);
            Ok(see_other(context, &urls::alerts(org, ws), &Flash::new(text)))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            Ok(page(context, error.status(), &found, &form))
        }
    }
}

fn page(context: Context, status: StatusCode, found: &VisibleRule, form: &FormState) -> Response {
    let texts = context.texts();
    let rule = &found.rule;
    let (org, ws) = (rule.organization_id, rule.workspace_id);
    let delete = texts.text("alert-rule-delete");
    let danger = DangerForm {
        form: form_to(&context, urls::alert_rule_delete(org, ws, rule.id), Some(rule.version)),
        title: texts.text_with("alert-rule-delete-title", &[("name", rule.name.as_str().into())]),
        consequences: vec![
            texts.text_with("alert-rule-delete-notify", &[("count", rule.notify.len().into())]),
            texts.text("alert-rule-delete-resolves"),
        ],
        typed_name: None,
        error: None,
        button: delete.clone(),
        cancel_href: urls::alert_rule(org, ws, rule.id),
    };
    let content = html! {
        (page_heading(&html! { (delete) }, None, None))
        (error_summary(&texts, &form.summary(&[])))
        (danger_form(&texts, &danger))
    };
    PageContent {
        section: Section::Alerts,
        ancestors: vec![
            Link::new(texts.text("nav-alerts"), urls::alerts(org, ws)),
            Link::new(rule.name.as_str(), urls::alert_rule(org, ws, rule.id)),
        ],
        has_errors: form.has_errors(),
        ..PageContent::new(delete, content)
    }
    .in_organization(&found.place.membership)
    .in_workspace(&found.place.workspace)
    .respond(context, status)
}
