//! New API token of a service account.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::html_pages::SignInOption;
use hexabase_core::error::Result;
use hexabase_core::id::{OrganizationId, UserId};
use hexabase_core::platform::NewToken;
use maud::{Markup, html};

use super::VisibleAccount;
use crate::components::{
    ButtonKind, error_summary, form_actions, name, page_heading, post_form, shell_commands,
};
use crate::context::Context;
use crate::form::{Fields, FormState, Submission, creating_form};
use crate::pages::api_call::api_request;
use crate::pages::reauthentication::{
    is_required, keep_entries, reauthentication, require_for_token, sign_in_again,
};
use crate::pages::tokens::{FIELDS, created, parse, token_fields};
use crate::pages::{PageContent, Section};
use crate::response::PageResult;
use crate::urls;

pub(super) async fn show(
    mut context: Context,
    Path((org, id)): Path<(OrganizationId, UserId)>,
) -> PageResult {
    let found = VisibleAccount::load(&context, org, id).await?;
    let form = FormState::with(context.saved_fields());
    Ok(page(context, StatusCode::OK, &found, &form, None))
}

/// Creates a token. Its secret is in the response to this form only: in no address, and in no cache.
pub(super) async fn submit(
    Path((org, id)): Path<(OrganizationId, UserId)>,
    Submission { mut context, fields }: Submission,
) -> PageResult {
    let found = VisibleAccount::load(&context, org, id).await?;
    let path = urls::NEW_ACCOUNT_TOKEN.replace("{org}", &org.to_string()).replace("{id}", &id.to_string());
    let options = reauthentication(&context, &path).await?;
    match create(&context, (org, id), &fields, options.is_none()).await {
        Ok(new) => Ok(show_secret(context, &found, &new)),
        Err(error) => {
            let options = options.filter(|_| is_required(&error));
            if options.is_some() {
                keep_entries(&mut context, &path, &fields);
            }
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            Ok(page(context, error.status(), &found, &form, options.as_deref()))
        }
    }
}

async fn create(
    context: &Context,
    (org, id): (OrganizationId, UserId),
    fields: &Fields,
    is_recent: bool,
) -> Result<NewToken> {
    let command = parse(context.texts(), fields, context.platform().clock().now())?;
    require_for_token(&context.texts(), &command, is_recent)?;
    let accounts = context.platform().service_accounts();
    Ok(accounts.create_token(&context.caller, org, id, &command).await?.value)
}

fn page(
    context: Context,
    status: StatusCode,
    found: &VisibleAccount,
    form: &FormState,
    reauthentication: Option<&[SignInOption]>,
) -> Response {
    let texts = context.texts();
    let (org, id) = (found.account.organization_id, found.account.id);
    let create = texts.text("token-create");
    let target = creating_form(&context, urls::new_account_token(org, id), form);
    let about = texts.text_with("account-token-about", &[("name", found.account.name.as_str().into())]);
    let path = format!("/organizations/{org}/service-accounts/{id}/tokens");
    let body = r#"{"name":"ci","scopes":["workspaces:read"],"expires_at":"2027-01-31T00:00:00Z"}"#;
    let command = api_request(&context, create.clone(), "POST", &path, body);
    let content = html! {
        (page_heading(&html! { (create) }, Some(&html! { (about) }), None))
        (error_summary(&texts, &form.summary(&FIELDS)))
        @if let Some(options) = reauthentication { (sign_in_again(&texts, options)) }
        (post_form(&target, &html! {
            (token_fields(&texts, form))
            (form_actions(&texts, ButtonKind::Primary, &create, &urls::service_account(org, id)))
        }))
        (shell_commands(&texts, &[command]))
    };
    PageContent { has_errors: form.has_errors(), ..in_section(&context, found, create, content) }
        .respond(context, status)
}

fn show_secret(context: Context, found: &VisibleAccount, new: &NewToken) -> Response {
    let title = context.texts().text_with("token-title", &[("name", new.token.name.as_str().into())]);
    let back = urls::service_account(found.account.organization_id, found.account.id);
    let content = html! {
        (page_heading(&html! { (name(&title)) }, None, None))
        (created(&context, new, &back))
    };
    in_section(&context, found, title, content).respond(context, StatusCode::OK)
}

fn in_section<'a>(
    context: &Context,
    found: &'a VisibleAccount,
    title: String,
    content: Markup,
) -> PageContent<'a> {
    PageContent {
        section: Section::ServiceAccounts,
        ancestors: found.ancestors(context, true),
        ..PageContent::new(title, content)
    }
    .in_organization(&found.membership)
}
