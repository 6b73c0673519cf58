//! API tokens of the user.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_core::error::Error;
use hexabase_core::model::ApiToken;
use hexabase_core::page::PageRequest;
use maud::html;

use crate::components::{ButtonKind, Empty, Link, empty, link_button, page_heading, shell_commands};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::Submission;
use crate::pages::api_call::api_call;
use crate::pages::tokens::{TOKEN, token_table};
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::urls;

pub(super) async fn show(context: Context) -> PageResult {
    // A user has fewer tokens than a page shows at most.
    let tokens = context.auth().api_tokens().list(&context.caller, &PageRequest::largest()).await?;
    Ok(page(context, &tokens.items))
}

pub(super) async fn revoke(Submission { context, fields }: Submission) -> PageResult {
    let token = fields.get(TOKEN).parse().map_err(|_| Error::not_found("token"))?;
    context.auth().api_tokens().delete(&context.caller, token).await?;
    let flash = Flash::new(context.text("token-revoked"));
    Ok(see_other(context, &urls::tokens(), &flash))
}

fn page(context: Context, tokens: &[ApiToken]) -> Response {
    let texts = context.texts();
    let title = texts.text("tokens-title");
    let create = texts.text("token-create");
    let actions = link_button(ButtonKind::Primary, &create, &urls::new_token());
    let commands = [api_call(&context, texts.text("tokens-command"), "/me/tokens")];
    let content = html! {
        (page_heading(&html! { (title) }, Some(&html! { (texts.text("tokens-about")) }), Some(&actions)))
        @if tokens.is_empty() {
            (empty(&Empty {
                title: texts.text("tokens-none"),
                purpose: texts.text("tokens-purpose"),
                action: Some(Link::new(create, urls::new_token())),
                documentation: None,
            }))
        } @else { (token_table(&context, tokens, &urls::tokens())) }
        (shell_commands(&texts, &commands))
    };
    PageContent { section: Section::Tokens, ..PageContent::new(title, content) }
        .respond(context, StatusCode::OK)
}
