//! Accounts at providers with which the user signs in.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hexabase_api::layers::server_path;
use hexabase_api::sign_in::start_link;
use hexabase_core::model::Identity;
use maud::{Markup, html};

use super::security;
use crate::components::{
    ButtonKind, Column, Table, confirmation, link_button, name, post_form, submit_button, table,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{FormState, INTENT, Submission, form_to};
use crate::pages::api_pages::Frame;
use crate::response::{PageResult, see_other};
use crate::time::time;
use crate::urls;

/// Intents of the forms.
const LINK: &str = "link";
const UNLINK: &str = "unlink";

/// Starts to link an account, or unlinks one.
pub(super) async fn submit(Submission { context, fields }: Submission) -> PageResult {
    context.require_session()?;
    let provider = fields.get("provider");
    if fields.get(INTENT) == LINK {
        return link(context, provider).await;
    }
    match context.auth().sign_in().unlink(&context.caller, provider, fields.get("subject")).await {
        Ok(()) => {
            let flash = Flash::new(context.text("account-unlinked"));
            Ok(see_other(context, &urls::security(), &flash))
        }
        Err(error) => {
            let (form, error) = FormState::rejected(context.texts(), &fields, error)?;
            security::page(context, error.status(), &form).await
        }
    }
}

/// Leads the browser to the provider, by a page: browsers apply the policy of forms to redirects.
async fn link(context: Context, provider: &str) -> PageResult {
    let return_to = server_path(urls::SECURITY);
    let title = provider_title(&context, provider);
    let Context { state, caller, jar, .. } = context;
    let (jar, url) = start_link(state.api.auth(), &caller, provider, return_to, jar).await?;
    let texts = crate::context::View::current().texts;
    let label = texts.text_with("sign-in-with", &[("provider", (&title).into())]);
    let content = link_button(ButtonKind::Primary, &label, &url);
    let page: Response = Frame::new(&state.product, &texts.text("account-link-title"))
        .continuing_at(Some(url))
        .respond(StatusCode::OK, &content);
    Ok((jar, page).into_response())
}

fn provider_title(context: &Context, provider: &str) -> String {
    let known = context.auth().sign_in().provider(provider);
    known.map_or(provider, |provider| provider.title()).to_owned()
}

/// Linked accounts, and buttons that link others.
pub(super) fn accounts(context: &Context, identities: &[Identity]) -> Markup {
    let texts = context.texts();
    let row = |identity: &Identity| {
        let mut form = form_to(context, urls::security(), None);
        form.hidden.push((INTENT, UNLINK.to_owned()));
        form.hidden.push(("provider", identity.provider.to_string()));
        form.hidden.push(("subject", identity.subject.clone()));
        let title = provider_title(context, identity.provider.as_str());
        let about = texts.text_with("account-unlink-about", &[("provider", (&title).into())]);
        let known = identity.email.as_ref().map_or(identity.subject.as_str(), |email| email.as_str());
        let unlink = html! {
            @if identities.len() > 1 { (confirmation(&texts, &texts.text("account-unlink"), &about, &form)) }
        };
        vec![name(&title), html! { (name(known)) }, time(&texts, identity.created_at), unlink].into()
    };
    html! {
        (table(&Table {
            caption: texts.text("accounts-title"),
            is_caption_hidden: true,
            columns: vec![
                Column::text(texts.text("session-provider")),
                Column::text(texts.text("account-known-as")),
                Column::text(texts.text("account-since")),
                Column::actions(texts.text("actions-label")),
            ],
            rows: identities.iter().map(row).collect(),
        }))
        p class="note" { (texts.text("account-link-about")) }
        div class="actions" {
            @for provider in context.auth().sign_in().providers() {
                (link_form(context, provider.name().as_str(), provider.title()))
            }
        }
    }
}

fn link_form(context: &Context, provider: &str, title: &str) -> Markup {
    let texts = context.texts();
    let mut form = form_to(context, urls::security(), None);
    form.hidden.push((INTENT, LINK.to_owned()));
    form.hidden.push(("provider", provider.to_owned()));
    let label = texts.text_with("account-link", &[("provider", title.into())]);
    post_form(&form, &submit_button(&texts, ButtonKind::Secondary, &label))
}
