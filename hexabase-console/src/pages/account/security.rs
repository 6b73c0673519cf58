//! Sign-in accounts and security events of the user.

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Pager as Cursors;
use hexabase_api::requests::{PageQuery, from_filter_form};
use hexabase_core::model::{Identity, SecurityEvent, SecurityEventKind};
use hexabase_core::page::PageRequest;
use maud::{Markup, html};

use super::linked_accounts::accounts;
use crate::components::{
    Column, Pager, Table, card, error_summary, name, page_heading, pager, shell_commands, table,
};
use crate::context::Context;
use crate::form::FormState;
use crate::language::Texts;
use crate::pages::api_call::session_call;
use crate::pages::device::device_text;
use crate::pages::filters::Filters;
use crate::pages::{PageContent, Section};
use crate::response::PageResult;
use crate::time::exact_time;
use crate::urls;

/// Facts on the page.
struct SecurityPage {
    identities: Vec<Identity>,
    events: Vec<SecurityEvent>,
    pager: Pager,
}

pub(super) async fn show(context: Context, cursors: Cursors, RawQuery(query): RawQuery) -> PageResult {
    let filters = Filters::new(query.as_deref().unwrap_or_default());
    let request = cursors.request(&from_filter_form::<PageQuery>(filters.query())?)?;
    let (identities, events) = load(&context, &request).await?;
    let next = cursors.next_cursor(&events)?;
    let pager = filters.pager(&urls::security(), next.as_deref());
    let facts = SecurityPage { identities, events: events.items, pager };
    Ok(render(context, StatusCode::OK, &facts, &FormState::default()))
}

/// Shows the page with an error of a form.
pub(super) async fn page(context: Context, status: StatusCode, form: &FormState) -> PageResult {
    let (identities, events) = load(&context, &PageRequest::new(PageRequest::DEFAULT_LIMIT, None)).await?;
    let facts = SecurityPage { identities, events: events.items, pager: Pager::default() };
    Ok(render(context, status, &facts, form))
}

async fn load(
    context: &Context,
    request: &PageRequest,
) -> hexabase_core::Result<(Vec<Identity>, hexabase_core::page::Page<SecurityEvent>)> {
    let sign_in = context.auth().sign_in();
    tokio::try_join!(async { sign_in.linked_accounts(&context.caller).await }, async {
        context.platform().users().security_events(context.user.id, request).await
    },)
}

fn render(context: Context, status: StatusCode, facts: &SecurityPage, form: &FormState) -> Response {
    let texts = context.texts();
    let title = texts.text("security-title");
    let commands = [session_call(&context, texts.text("security-command"), "/auth/security-events")];
    let content = html! {
        (page_heading(&html! { (title) }, None, None))
        (error_summary(&texts, &form.summary(&[])))
        (card(&texts.text("accounts-title"), None, &accounts(&context, &facts.identities)))
        (card(&texts.text("events-title"), None, &html! {
            p { (texts.text("events-about")) " " a href=(urls::sessions()) { (texts.text("sessions-title")) } }
            (events(texts, &facts.events))
            (pager(&texts, &facts.pager))
        }))
        (shell_commands(&texts, &commands))
    };
    PageContent {
        section: Section::Security,
        has_errors: form.has_errors(),
        ..PageContent::new(title, content)
    }
    .respond(context, status)
}

fn events(texts: Texts, events: &[SecurityEvent]) -> Markup {
    let row = |event: &SecurityEvent| {
        vec![
            html! { (event_text(texts, event.kind)) },
            html! { (name(&device_text(texts, &event.device))) },
            html! { @if let Some(address) = &event.address { (address) } },
            exact_time(&texts, event.at),
        ]
        .into()
    };
    table(&Table {
        caption: texts.text("events-title"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("event-kind")),
            Column::text(texts.text("session-device-title")),
            Column::text(texts.text("session-address")),
            Column::text(texts.text("audit-time")),
        ],
        rows: events.iter().map(row).collect(),
    })
}

/// Returns the explanation of a security event.
fn event_text(texts: Texts, kind: SecurityEventKind) -> String {
    match kind {
        SecurityEventKind::UserCreated => texts.text("event-user-created"),
        SecurityEventKind::SignIn => texts.text("event-signed-in"),
        SecurityEventKind::ClientAuthorized => texts.text("event-client-authorized"),
        SecurityEventKind::IdentityLinked => texts.text("event-identity-linked"),
        SecurityEventKind::IdentityUnlinked => texts.text("event-identity-unlinked"),
        SecurityEventKind::TokenRefreshed => texts.text("event-token-refreshed"),
        SecurityEventKind::RefreshReused => texts.text("event-refresh-reused"),
        SecurityEventKind::SessionRevoked => texts.text("event-session-revoked"),
        SecurityEventKind::AllSessionsRevoked => texts.text("event-all-sessions-revoked"),
        SecurityEventKind::TokenCreated => texts.text("event-token-created"),
        SecurityEventKind::TokenRevoked => texts.text("event-token-revoked"),
    }
}
