//! Sessions of the user, and clients that act for the user.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_core::error::Error;
use hexabase_core::id::SessionId;
use hexabase_core::model::{Grant, Session};
use maud::{Markup, html};

use crate::components::{
    Column, Table, Tone, badge, card, confirmation, data, name, page_heading, shell_commands, table,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{INTENT, Submission, form_to};
use crate::pages::api_call::session_call;
use crate::pages::api_pages::permissions;
use crate::pages::device::device_text;
use crate::pages::{PageContent, Section};
use crate::response::{PageResult, see_other};
use crate::time::time;
use crate::urls;

/// Field with the id of the session to end.
const SESSION: &str = "session_id";
/// Intent of the form that ends all other sessions.
const END_OTHERS: &str = "others";

pub(super) async fn show(context: Context) -> PageResult {
    let current = context.require_session()?;
    let sessions = context.auth().sessions().list(context.user.id).await?;
    Ok(page(context, &sessions, current))
}

/// Ends a session, or all others.
pub(super) async fn submit(Submission { context, fields }: Submission) -> PageResult {
    let current = context.require_session()?;
    let (sessions, user, origin) = (context.auth().sessions(), context.user.id, &context.caller.origin);
    let flash = match fields.get(INTENT) {
        END_OTHERS => {
            sessions.revoke_others(user, current, origin).await?;
            Flash::new(context.text("sessions-others-ended"))
        }
        _ => {
            let id = fields.get(SESSION).parse().map_err(|_| Error::not_found("session"))?;
            sessions.revoke(user, id, origin).await?;
            Flash::new(context.text("session-is-ended"))
        }
    };
    Ok(see_other(context, &urls::sessions(), &flash))
}

fn page(context: Context, sessions: &[Session], current: SessionId) -> Response {
    let texts = context.texts();
    let title = texts.text("sessions-title");
    let (clients, own): (Vec<_>, Vec<_>) = sessions.iter().partition(|session| session.grant.is_some());
    let mut others = form_to(&context, urls::sessions(), None);
    others.hidden.push((INTENT, END_OTHERS.to_owned()));
    let end_others = texts.text("sessions-end-others");
    let actions = confirmation(&texts, &end_others, &texts.text("sessions-end-others-about"), &others);
    let commands = [session_call(&context, texts.text("sessions-command"), "/auth/sessions")];
    let content = html! {
        (page_heading(&html! { (title) }, Some(&html! { (texts.text("sessions-about")) }), None))
        @if sessions.len() > 1 { (actions) }
        (session_table(&context, &own, current))
        (card(&texts.text("clients-title"), None, &html! {
            @if clients.is_empty() { p { (texts.text("clients-none")) } }
            @else { p { (texts.text("clients-about")) } (client_table(&context, &clients)) }
        }))
        (shell_commands(&texts, &commands))
    };
    PageContent { section: Section::Sessions, ..PageContent::new(title, content) }
        .respond(context, StatusCode::OK)
}

fn session_table(context: &Context, sessions: &[&Session], current: SessionId) -> Markup {
    let texts = context.texts();
    let row = |session: &&Session| {
        let is_current = session.id == current;
        let device = html! {
            (name(&device_text(texts, &session.device)))
            @if is_current { " " (badge(Tone::Good, &texts.text("session-current"))) }
        };
        let end = html! { @if !is_current { (end_form(context, session, &texts.text("session-end"))) } };
        vec![
            device,
            place(session),
            provider(context, session),
            time(&texts, session.created_at),
            used(context, session, is_current),
            end,
        ]
        .into()
    };
    table(&Table {
        caption: texts.text("sessions-title"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("session-device-title")),
            Column::text(texts.text("session-address")),
            Column::text(texts.text("session-provider")),
            Column::text(texts.text("session-started")),
            Column::text(texts.text("session-used")),
            Column::actions(texts.text("actions-label")),
        ],
        rows: sessions.iter().map(row).collect(),
    })
}

/// Clients with the access that the user granted. The access ends with the session of the client.
fn client_table(context: &Context, sessions: &[&Session]) -> Markup {
    let texts = context.texts();
    let row = |session: &&Session| {
        let revoke = end_form(context, session, &texts.text("client-revoke"));
        vec![
            session.grant.as_ref().map(|grant| client(context, grant)).unwrap_or_default(),
            session.grant.as_ref().map(|grant| scopes(context, grant)).unwrap_or_default(),
            html! { (name(&device_text(texts, &session.device))) },
            time(&texts, session.created_at),
            time(&texts, session.used_at),
            revoke,
        ]
        .into()
    };
    table(&Table {
        caption: texts.text("clients-title"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("client-name")),
            Column::text(texts.text("client-permissions")),
            Column::text(texts.text("session-device-title")),
            Column::text(texts.text("session-started")),
            Column::text(texts.text("session-used")),
            Column::actions(texts.text("actions-label")),
        ],
        rows: sessions.iter().map(row).collect(),
    })
}

fn client(context: &Context, grant: &Grant) -> Markup {
    let title = context.auth().issuer().client_name(&grant.client_id);
    html! {
        @match title {
            Some(title) => { (name(&title)) " " code { (grant.client_id) } },
            None => code { (grant.client_id) },
        }
    }
}

fn scopes(context: &Context, grant: &Grant) -> Markup {
    let scopes: Vec<String> = grant.scope.split_whitespace().map(str::to_owned).collect();
    permissions(&context.texts(), &scopes, None)
}

/// Address of a device. Its location is not known.
fn place(session: &Session) -> Markup {
    html! { @if let Some(address) = &session.address { (data(address)) } }
}

fn provider(context: &Context, session: &Session) -> Markup {
    let known = context.auth().sign_in().provider(session.provider.as_str());
    name(known.map_or(session.provider.as_str(), |provider| provider.title()))
}

/// Time of the last renewal of tokens; the sessions of browsers renew none.
fn used(context: &Context, session: &Session, is_current: bool) -> Markup {
    let texts = context.texts();
    html! {
        @if is_current { (texts.text("session-now")) }
        @else { (time(&texts, session.used_at)) }
    }
}

fn end_form(context: &Context, session: &Session, label: &str) -> Markup {
    let mut form = form_to(context, urls::sessions(), None);
    form.hidden.push((SESSION, session.id.to_string()));
    confirmation(&context.texts(), label, &context.text("session-end-about"), &form)
}
