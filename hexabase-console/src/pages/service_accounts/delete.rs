//! Deletion of a service account.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_core::id::{OrganizationId, UserId};
use maud::html;

use super::VisibleAccount;
use crate::components::{DangerForm, danger_form, error_summary, page_heading, shell_commands};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{FormState, Submission, form_to, invalid_entry};
use crate::pages::api_call::api_request;
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::urls;

pub(super) async fn show(context: Context, Path((org, id)): Path<(OrganizationId, UserId)>) -> PageResult {
    let found = VisibleAccount::load(&context, org, id).await?;
    Ok(page(context, StatusCode::OK, &found, &FormState::default()))
}

pub(super) async fn submit(
    Path((org, id)): Path<(OrganizationId, UserId)>,
    submission: Submission,
) -> PageResult {
    let expected = submission.version();
    let Submission { context, fields } = submission;
    let found = VisibleAccount::load(&context, org, id).await?;
    let deleted = match fields.get("confirm_name") == found.account.name.as_str() {
        true => context.platform().service_accounts().delete(&context.caller, org, id, expected).await,
        false => Err(invalid_entry("confirm_name", context.text("danger-wrong-name"))),
    };
    match deleted {
        Ok(()) => {
            let name = found.account.name.as_str();
            let text = context.texts().text_with("account-deleted", &[("name", name.into())]);
            Ok(see_other(context, &urls::service_accounts(org), &Flash::new(text)))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            Ok(page(context, error.status(), &found, &form))
        }
    }
}

fn page(context: Context, status: StatusCode, found: &VisibleAccount, form: &FormState) -> Response {
    let texts = context.texts();
    let account = &found.account;
    let (org, id) = (account.organization_id, account.id);
    let delete = texts.text("account-delete");
    let danger = DangerForm {
        form: form_to(&context, urls::service_account_delete(org, id), Some(account.version)),
        title: texts.text_with("account-delete-title", &[("name", account.name.as_str().into())]),
        consequences: vec![texts.text("account-delete-tokens"), texts.text("account-delete-groups")],
        typed_name: Some(account.name.to_string()),
        error: form.error("confirm_name"),
        button: delete.clone(),
        cancel_href: urls::service_account(org, id),
    };
    let path = format!("/organizations/{org}/service-accounts/{id}");
    let command = api_request(&context, delete.clone(), "DELETE", &path, "");
    let content = html! {
        (page_heading(&html! { (delete) }, None, None))
        (error_summary(&texts, &form.summary(&["confirm_name"])))
        (danger_form(&texts, &danger))
        (shell_commands(&texts, &[command]))
    };
    PageContent {
        section: Section::ServiceAccounts,
        ancestors: found.ancestors(&context, true),
        has_errors: form.has_errors(),
        ..PageContent::new(delete, content)
    }
    .in_organization(&found.membership)
    .respond(context, status)
}
