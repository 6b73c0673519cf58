//! Table of API tokens.

use hexabase_core::model::ApiToken;
use maud::{Markup, html};

use super::words::{Validity, scope_text};
use crate::components::{Column, Table, badge, confirmation, name, table};
use crate::context::Context;
use crate::form::form_to;
use crate::time::time;

/// Field with the id of the token to revoke.
pub(in crate::pages) const TOKEN: &str = "token_id";

/// Table of tokens, each with a form that is sent to `action` and revokes it.
pub(in crate::pages) fn token_table(context: &Context, tokens: &[ApiToken], action: &str) -> Markup {
    let texts = context.texts();
    let now = context.platform().clock().now();
    let row = |token: &ApiToken| {
        let scopes = html! {
            ul class="badges" {
                @for scope in token.scopes.iter() {
                    li { span class="badge role" { (scope_text(texts, scope)) } }
                }
            }
        };
        let expiry = html! {
            @if let Some((tone, text)) = Validity::of(token.expires_at, now).badge(texts) { (badge(tone, &text)) " " }
            @if let Some(end) = token.expires_at { (time(&texts, end)) }
        };
        let used = html! {
            @match token.used_at {
                Some(used) => (time(&texts, used)),
                None => { span class="note" { (texts.text("token-unused")) } },
            }
        };
        let mut form = form_to(context, action.to_owned(), None);
        form.hidden.push((TOKEN, token.id.to_string()));
        let revoke = texts.text("token-revoke");
        let about = texts.text_with("token-revoke-about", &[("name", token.name.as_str().into())]);
        vec![
            html! { (name(token.name.as_str())) },
            scopes,
            used,
            expiry,
            confirmation(&texts, &revoke, &about, &form),
        ]
        .into()
    };
    table(&Table {
        caption: texts.text("tokens-title"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("field-name")),
            Column::text(texts.text("token-scopes")),
            Column::text(texts.text("token-used")),
            Column::text(texts.text("token-expires")),
            Column::actions(texts.text("actions-label")),
        ],
        rows: tokens.iter().map(row).collect(),
    })
}
