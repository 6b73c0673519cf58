//! Task queue: backlog, and dead letters with their retry.

use axum::http::StatusCode;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::MessageId;
use hexabase_core::platform::Platform;
use hexabase_core::queue::DeadLetter;
use hexabase_core::telemetry::Backlog;
use maud::{Markup, html};

use super::overview::backlog;
use super::{Operator, OperatorSubmission};
use crate::components::{
    ButtonKind, Column, Table, api_text, card, page_heading, post_form, shell_commands, submit_button, table,
    unavailable,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{Submission, form_to};
use crate::pages::api_call::api_call;
use crate::pages::{OperatorSection, PageContent, Section, unless_unavailable};
use crate::response::{PageResult, see_other};
use crate::time::time;
use crate::urls;

/// Maximum number of dead letters on the page.
const SHOWN: usize = 100;

/// Facts on the page.
struct Queue {
    backlog: Backlog,
    /// `None` if the queue does not respond.
    dead_letters: Option<Vec<DeadLetter>>,
}

async fn read(platform: &Platform) -> Result<Queue> {
    let gauges = platform.gauges();
    let (backlog, dead_letters) = tokio::join!(gauges.backlog(), platform.queue().dead_letters(SHOWN));
    Ok(Queue { backlog, dead_letters: unless_unavailable(dead_letters)? })
}

pub(super) async fn show(Operator(context): Operator) -> PageResult {
    let facts = read(context.platform()).await?;
    let texts = context.texts();
    let title = texts.text("operators-queue");
    let content = html! {
        (page_heading(&html! { (title) }, Some(&html! { (texts.text("queue-about")) }), None))
        (card(&texts.text("queue-backlog"), None, &backlog(&texts, &facts.backlog)))
        (card(&texts.text("queue-dead-letters"), None, &html! {
            @match &facts.dead_letters {
                None => (unavailable(&texts, &texts.text("operators-queue"))),
                Some(letters) if letters.is_empty() => p { (texts.text("queue-no-dead-letters")) },
                Some(letters) => (dead_letters(&context, letters)),
            }
            @if facts.dead_letters.as_ref().is_some_and(|letters| letters.len() == SHOWN) {
                p class="note" { (texts.text_with("queue-truncated", &[("count", SHOWN.into())])) }
            }
        }))
        (shell_commands(&texts, &[api_call(&context, texts.text("queue-command"), "/admin/queue")]))
    };
    let section = Section::Operators(OperatorSection::Queue);
    Ok(PageContent { section, ..PageContent::new(title, content) }.respond(context, StatusCode::OK))
}

fn dead_letters(context: &Context, letters: &[DeadLetter]) -> Markup {
    let texts = context.texts();
    let row = |letter: &DeadLetter| {
        let message = &letter.message;
        let about = html! {
            a href=(urls::tenant(message.organization_id)) { code { (message.organization_id) } }
            @if let Some(workspace) = message.workspace_id { " " code { (workspace) } }
        };
        let mut form = form_to(context, urls::queue(), None);
        form.hidden.push(("message", message.id.to_string()));
        let retry =
            post_form(&form, &submit_button(&texts, ButtonKind::Secondary, &texts.text("queue-retry")));
        vec![
            html! { code { (message.topic.as_str()) } },
            about,
            api_text(&texts, &letter.reason),
            html! { (letter.attempts) },
            time(&texts, letter.at),
            retry,
        ]
        .into()
    };
    table(&Table {
        caption: texts.text("queue-dead-letters"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("queue-topic")),
            Column::text(texts.text("audit-object")),
            Column::text(texts.text("conditions-reason")),
            Column::number(texts.text("queue-attempts")),
            Column::text(texts.text("audit-time")),
            Column::actions(texts.text("actions-label")),
        ],
        rows: letters.iter().map(row).collect(),
    })
}

/// Returns a dead letter to the queue.
pub(super) async fn submit(OperatorSubmission(submission): OperatorSubmission) -> PageResult {
    let Submission { context, fields } = submission;
    let retried = retry(context.platform(), fields.get("message")).await?;
    tracing::info!(message = %retried, by = %context.caller.principal.user_id, "dead letter retried");
    let flash = Flash::new(context.text("queue-retried"));
    Ok(see_other(context, &urls::queue(), &flash))
}

async fn retry(platform: &Platform, message: &str) -> Result<MessageId> {
    let missing = || Error::not_found("dead letter");
    let id: MessageId = message.parse().map_err(|_| missing())?;
    if platform.queue().retry_dead_letter(id).await? { Ok(id) } else { Err(missing()) }
}
