//! New API token of the user.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::html_pages::SignInOption;
use hexabase_core::error::Result;
use hexabase_core::platform::NewToken;
use maud::html;

use crate::components::{
    ButtonKind, Link, error_summary, form_actions, name, page_heading, post_form, shell_commands,
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

pub(super) async fn show(mut context: Context) -> PageResult {
    // The form is of no use to a caller who cannot manage tokens.
    context.require_session()?;
    let form = FormState::with(context.saved_fields());
    Ok(page(context, StatusCode::OK, &form, None))
}

/// Creates a token. Its secret is in the response to this form only: in no address, and in no cache.
pub(super) async fn submit(Submission { mut context, fields }: Submission) -> PageResult {
    let options = reauthentication(&context, urls::NEW_TOKEN).await?;
    match create(&context, &fields, options.is_none()).await {
        Ok(new) => Ok(show_secret(context, &new)),
        Err(error) => {
            let options = options.filter(|_| is_required(&error));
            if options.is_some() {
                keep_entries(&mut context, urls::NEW_TOKEN, &fields);
            }
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            Ok(page(context, error.status(), &form, options.as_deref()))
        }
    }
}

async fn create(context: &Context, fields: &Fields, is_recent: bool) -> Result<NewToken> {
    let command = parse(context.texts(), fields, context.platform().clock().now())?;
    require_for_token(&context.texts(), &command, is_recent)?;
    Ok(context.auth().api_tokens().create(&context.caller, &command).await?.value)
}

fn page(
    context: Context,
    status: StatusCode,
    form: &FormState,
    reauthentication: Option<&[SignInOption]>,
) -> Response {
    let texts = context.texts();
    let create = texts.text("token-create");
    let target = creating_form(&context, urls::new_token(), form);
    let body = r#"{"name":"ci","scopes":["workspaces:read"],"expires_at":"2027-01-31T00:00:00Z"}"#;
    let command = api_request(&context, texts.text("token-create-command"), "POST", "/me/tokens", body);
    let content = html! {
        (page_heading(&html! { (create) }, Some(&html! { (texts.text("token-create-about")) }), None))
        (error_summary(&texts, &form.summary(&FIELDS)))
        @if let Some(options) = reauthentication { (sign_in_again(&texts, options)) }
        (post_form(&target, &html! {
            (token_fields(&texts, form))
            (form_actions(&texts, ButtonKind::Primary, &create, &urls::tokens()))
        }))
        (shell_commands(&texts, &[command]))
    };
    PageContent { has_errors: form.has_errors(), ..in_section(&context, create, content) }
        .respond(context, status)
}

fn show_secret(context: Context, new: &NewToken) -> Response {
    let title = context.texts().text_with("token-title", &[("name", new.token.name.as_str().into())]);
    let content = html! {
        (page_heading(&html! { (name(&title)) }, None, None))
        (created(&context, new, &urls::tokens()))
    };
    in_section(&context, title, content).respond(context, StatusCode::OK)
}

fn in_section(context: &Context, title: String, content: maud::Markup) -> PageContent<'static> {
    PageContent {
        section: Section::Tokens,
        ancestors: vec![Link::new(context.text("tokens-title"), urls::tokens())],
        ..PageContent::new(title, content)
    }
}
