//! Tasks and audit log of a workspace.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_core::access::Action;
use hexabase_core::error::Error;
use hexabase_core::id::{OrganizationId, TaskId, WorkspaceId};
use hexabase_core::model::{AuditEvent, AuditFilter, Task, TaskState};
use hexabase_core::page::PageRequest;
use maud::{Markup, html};

use super::overview::task_text;
use super::{VisibleWorkspace, workspace_for, workspace_with};
use crate::components::{
    ButtonKind, Column, Table, Tone, api_text, badge, card, page_heading, post_form, submit_button, table,
};
use crate::context::Context;
use crate::flash::Flash;
use crate::form::{Submission, form_to};
use crate::language::Texts;
use crate::pages::{PageContent, Section, latest_audit_events};
use crate::response::{PageResult, see_other};
use crate::time::{exact_time, time};
use crate::urls;

/// Number of tasks and of audit entries on the page.
const SHOWN: u16 = 50;

pub(super) async fn show(
    context: Context,
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
) -> PageResult {
    let membership = context.organization(org).await?;
    let platform = context.platform();
    let (shown, caller) = (PageRequest::new(SHOWN, None), &context.caller);
    let filter = AuditFilter { resource: Some(ws.to_string()), ..AuditFilter::default() };
    let (found, tasks, audit) = tokio::try_join!(
        workspace_with(&context, (org, ws), Action::WorkspaceRead, &[Action::TaskRetry]),
        async { Ok(platform.tasks().list(caller, org, ws, &shown).await?) },
        async { Ok(latest_audit_events(&context, &membership, &filter, &shown).await?) },
    )?;
    Ok(page(context, &found, &tasks.items, audit.as_deref()))
}

/// Retries a failed task.
pub(super) async fn submit(
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
    Submission { context, fields }: Submission,
) -> PageResult {
    workspace_for(&context, org, ws, Action::TaskRetry).await?;
    let task: TaskId = fields.get("task").parse().map_err(|_| Error::not_found("task"))?;
    context.platform().tasks().retry(&context.caller, org, ws, task).await?;
    let flash = Flash::new(context.text("task-retried"));
    Ok(see_other(context, &urls::workspace(org, ws), &flash))
}

fn page(
    context: Context,
    found: &VisibleWorkspace,
    tasks: &[Task],
    audit: Option<&[AuditEvent]>,
) -> Response {
    let texts = context.texts();
    let title = texts.text("nav-activity");
    let topic = format!("workspace:{}", found.workspace.id);
    let content = html! {
        (page_heading(&html! { (title) }, None, None))
        div id="tasks" data-live=(topic) {
            (card(&texts.text("tasks-title"), None, &task_table(&context, found, tasks)))
        }
        @if let Some(events) = audit {
            (card(&texts.text("overview-audit"), None, &audit_table(&texts, events)))
        }
    };
    PageContent { section: Section::Activity, ..PageContent::new(title, content) }
        .in_organization(&found.membership)
        .in_workspace(&found.workspace)
        .audited(found.workspace.id.to_string())
        .respond(context, StatusCode::OK)
}

fn task_table(context: &Context, found: &VisibleWorkspace, tasks: &[Task]) -> Markup {
    let texts = context.texts();
    let url = urls::activity(found.workspace.organization_id, found.workspace.id);
    let may_retry = found.abilities.get(&Action::TaskRetry) == Some(&hexabase_core::access::Ability::Allowed);
    let row = |task: &Task| {
        let (tone, state) = match task.state {
            TaskState::Pending => (Tone::Busy, texts.text("task-pending")),
            TaskState::Running => (Tone::Busy, texts.text("task-running")),
            TaskState::Succeeded => (Tone::Good, texts.text("task-succeeded")),
            TaskState::Failed => (Tone::Bad, texts.text("task-failed")),
            TaskState::Superseded => (Tone::Neutral, texts.text("task-superseded")),
        };
        let mut form = form_to(context, url.clone(), None);
        form.hidden.push(("task", task.id.to_string()));
        let state = html! {
            (badge(tone, &state))
            @if !task.last_error.is_empty() { p class="note" { (api_text(&texts, &task.last_error)) } }
            @if task.state == TaskState::Failed && may_retry {
                (post_form(&form, &submit_button(&texts, ButtonKind::Secondary, &texts.text("task-retry"))))
            }
        };
        vec![html! { (task_text(&texts, task.kind)) }, state, time(&texts, task.created_at)].into()
    };
    table(&Table {
        caption: texts.text("tasks-title"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("task-kind")),
            Column::text(texts.text("task-state")),
            Column::text(texts.text("task-created")),
        ],
        rows: tasks.iter().map(row).collect(),
    })
}

/// Table of audit entries.
fn audit_table(texts: &Texts, events: &[AuditEvent]) -> Markup {
    let row = |event: &AuditEvent| {
        let actor = event.actor.user_id.map(|user| user.to_string());
        vec![
            html! { code { (event.action) } },
            html! { @if let Some(actor) = actor { code { (actor) } } @else { (texts.text("audit-platform")) } },
            exact_time(texts, event.at),
        ]
        .into()
    };
    table(&Table {
        caption: texts.text("overview-audit"),
        is_caption_hidden: true,
        columns: vec![
            Column::text(texts.text("audit-action")),
            Column::text(texts.text("audit-actor")),
            Column::text(texts.text("audit-time")),
        ],
        rows: events.iter().map(row).collect(),
    })
}
