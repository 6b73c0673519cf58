//! Workspace: phase, progress, conditions and usage.

use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_core::access::{Ability, Action, DenialReason};
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::model::{Plan, StepState as State, Task, TaskKind, TaskState, Workspace};
use hexabase_core::page::PageRequest;
use maud::{Markup, html};

use super::{VisibleWorkspace, workspace_with};
use crate::components::{
    ButtonKind, Meter, Step, StepState, Tone, api_text, card, conditions, copyable, data, disabled_button,
    facts, id, link_button, meter, name, notice, page_heading, phase_badge, phase_text, resource_text,
    shell_commands, steps,
};
use crate::context::Context;
use crate::language::{Language, Texts};
use crate::numbers::amount;
use crate::pages::api_call::api_call;
use crate::pages::{PageContent, Section, workspace_name};
use crate::reasons::{denial_text, status_text, wait_text};
use crate::response::PageResult;
use crate::time::time;
use crate::urls;

/// Number of tasks among which the current one is.
const RECENT_TASKS: u16 = 5;

/// Actions that the page offers.
const OFFERED: [Action; 4] =
    [Action::ClusterAccess, Action::WorkspaceSuspend, Action::WorkspaceResume, Action::WorkspaceDelete];

pub(super) async fn show(
    mut context: Context,
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
) -> PageResult {
    let platform = context.platform();
    let recent = PageRequest::new(RECENT_TASKS, None);
    let (found, tasks, plans) = tokio::try_join!(
        workspace_with(&context, (org, ws), Action::WorkspaceRead, &OFFERED),
        async { Ok(platform.tasks().list(&context.caller, org, ws, &recent).await?) },
        async { Ok(platform.current_plans().await?) },
    )?;
    context.note_inventory(org, ws).await?;
    let task = current_task(&tasks.items).cloned();
    let plan = plans.find(&found.workspace.plan_id);
    Ok(page(context, &found, task.as_ref(), plan))
}

/// Returns the task that is open, or the newest one if it failed.
fn current_task(tasks: &[Task]) -> Option<&Task> {
    let open = tasks.iter().find(|task| task.state.is_open());
    open.or_else(|| tasks.first().filter(|task| task.state == TaskState::Failed))
}

fn page(context: Context, found: &VisibleWorkspace, task: Option<&Task>, plan: Option<&Plan>) -> Response {
    let texts = context.texts();
    let workspace = &found.workspace;
    let (org, ws) = (workspace.organization_id, workspace.id);
    let title = workspace_name(workspace).to_owned();
    let is_in_progress = task.is_some_and(|task| task.state.is_open());
    let topic = format!("workspace:{ws}");
    let status = texts.text_with(
        "workspace-status",
        &[("name", (&title).into()), ("phase", (&phase_text(&texts, workspace.status.phase)).into())],
    );
    let path = format!("/organizations/{org}/workspaces/{ws}");
    let commands = [api_call(&context, texts.text("shell-workspace"), &path)];
    let content = html! {
        (page_heading(&html! { (name(&title)) }, None, Some(&actions(&texts, found, &topic))))
        div id="workspace" data-live=(topic) {
            p class="hidden" data-status { (status) }
            (state(&texts, workspace))
            @if let Some(task) = task { (card(&texts.text("workspace-task"), None, &progress(&texts, workspace, task))) }
            (card(&texts.text("settings-about"), None, &about(&texts, workspace, plan)))
            @if let Some(plan) = plan { (card(&texts.text("workspace-usage"), None, &usage(&texts, workspace, plan))) }
            @if !workspace.status.conditions.is_empty() {
                (card(&texts.text("workspace-conditions"), None, &conditions(&texts, &workspace.status.conditions)))
            }
        }
        (shell_commands(&texts, &commands))
    };
    PageContent { section: Section::Overview, is_in_progress, ..PageContent::new(title, content) }
        .in_organization(&found.membership)
        .in_workspace(workspace)
        .audited(ws.to_string())
        .respond(context, StatusCode::OK)
}

/// Buttons of what the user may do; those that are not possible now say why.
fn actions(texts: &Texts, found: &VisibleWorkspace, topic: &str) -> Markup {
    let (org, ws) = (found.workspace.organization_id, found.workspace.id);
    let is_suspended = found.workspace.power == hexabase_core::model::Power::Suspended;
    let power = match is_suspended {
        true => (Action::WorkspaceResume, texts.text("workspace-resume"), urls::resume(org, ws)),
        false => (Action::WorkspaceSuspend, texts.text("workspace-suspend"), urls::suspend(org, ws)),
    };
    let connect = (Action::ClusterAccess, texts.text("nav-connect"), urls::connect(org, ws));
    let delete = (Action::WorkspaceDelete, texts.text("workspace-delete"), urls::workspace_delete(org, ws));
    html! {
        div class="actions" id="workspace-actions" data-live=(topic) {
            @for (action, label, href) in [connect, power, delete] {
                @match found.abilities.get(&action) {
                    Some(Ability::Allowed) => (link_button(ButtonKind::Secondary, &label, &href)),
                    Some(Ability::Denied(denial)) if denial.reason != DenialReason::InsufficientRole => {
                        @let id = format!("reason-{}", action.permission().name.replace('.', "-"));
                        (disabled_button(&id, &label, &denial_text(texts, denial)))
                    },
                    _ => {},
                }
            }
        }
    }
}

/// Phase with its reason and remedy.
fn state(texts: &Texts, workspace: &Workspace) -> Markup {
    let status = &workspace.status;
    html! {
        p {
            (phase_badge(texts, status.phase)) " "
            span class="note" { (texts.text("workspace-since")) " " (time(texts, status.phase_since)) }
        }
        @if let Some((reason, message)) = workspace.imposed_suspension() {
            (explanation(texts, reason, message))
        } @else if !status.reason.is_empty() {
            (explanation(texts, &status.reason, &status.message))
        }
    }
}

/// Reason of a phase in words, with the description of the API, which has details such as messages of the host.
fn explanation(texts: &Texts, reason: &str, message: &str) -> Markup {
    let description = html! { p { (api_text(texts, message)) } };
    match status_text(texts, reason) {
        Some(title) if texts.language() != Language::English => notice(Tone::Warning, &title, &description),
        _ => notice(Tone::Warning, reason, &description),
    }
}

/// Steps of a task.
fn progress(texts: &Texts, workspace: &Workspace, task: &Task) -> Markup {
    let is_failed = task.state == TaskState::Failed;
    let waiting = workspace.status.waiting.as_ref().map(|wait| waiting_text(texts, wait));
    let step = |step: &hexabase_core::model::TaskStep| {
        let state = match step.state {
            State::Waiting => StepState::Waiting,
            State::Running if is_failed => StepState::Failed,
            State::Running => StepState::Running,
            State::Completed => StepState::Completed,
        };
        let detail = match state {
            StepState::Failed => Some(api_text(texts, &task.last_error)),
            StepState::Running if !task.last_error.is_empty() => Some(api_text(texts, &task.last_error)),
            StepState::Running => waiting.as_ref().map(|text| html! { (text) }),
            _ => None,
        };
        Step { label: step_text(texts, &step.name), state, detail, at: step.at }
    };
    let shown: Vec<Step> = task.steps.iter().map(step).collect();
    html! {
        p {
            (task_text(texts, task.kind))
            @if task.attempts > 1 {
                " · " (texts.text_with("task-attempts", &[("count", u64::from(task.attempts).into())]))
            }
        }
        @if is_failed { (notice(Tone::Bad, &texts.text("task-failed"), &html! { p { (api_text(texts, &task.last_error)) } })) }
        (steps(texts, &shown))
    }
}

fn waiting_text(texts: &Texts, wait: &hexabase_core::model::OngoingWait) -> String {
    texts.text_with("workspace-waiting", &[("reason", (&wait_text(texts, wait.reason)).into())])
}

/// Name of an operation.
pub(super) fn task_text(texts: &Texts, kind: TaskKind) -> String {
    match kind {
        TaskKind::Create => texts.text("task-create"),
        TaskKind::Update => texts.text("task-update"),
        TaskKind::Suspend => texts.text("task-suspend"),
        TaskKind::Resume => texts.text("task-resume"),
        TaskKind::Delete => texts.text("task-delete"),
    }
}

fn step_text(texts: &Texts, step: &str) -> String {
    match step {
        "apply_host_objects" => texts.text("step-apply-host"),
        "start_control_plane" => texts.text("step-start"),
        "apply_tenant_objects" => texts.text("step-apply-tenant"),
        "stop_control_plane" => texts.text("step-stop"),
        "remove_tenant" => texts.text("step-remove"),
        other => other.to_owned(),
    }
}

fn about(texts: &Texts, workspace: &Workspace, plan: Option<&Plan>) -> Markup {
    let plan = plan.map_or(workspace.plan_id.as_str(), |plan| &plan.name);
    let mut about = vec![
        (texts.text("field-name"), html! { code { (workspace.name) } }),
        (texts.text("field-plan"), html! { (name(plan)) }),
        (texts.text("field-version"), data(&workspace.kubernetes_version)),
        (texts.text("field-created"), time(texts, workspace.created_at)),
        (texts.text("field-id"), id(texts, &workspace.id.to_string())),
    ];
    if let Some(region) = &workspace.region {
        about.push((texts.text("field-region"), data(region)));
    }
    if let Some(endpoint) = &workspace.status.api_endpoint {
        about.push((texts.text("field-endpoint"), copyable(texts, endpoint)));
    }
    if let Some(drift) = workspace.status.drift.as_ref().filter(|drift| !drift.entries.is_empty()) {
        let count = drift.entries.len();
        let text = texts.text_with("workspace-drift", &[("count", count.into())]);
        about.push((
            texts.text("workspace-drift-title"),
            html! { (text) " " (time(texts, drift.checked_at)) },
        ));
    }
    facts(&about)
}

fn usage(texts: &Texts, workspace: &Workspace, plan: &Plan) -> Markup {
    let used = workspace.status.usage.as_ref();
    html! {
        @if let Some(usage) = used {
            p class="note" { (texts.text("workspace-measured")) " " (time(texts, usage.observed_at)) }
            @for (resource, limit) in plan.quota.iter() {
                @let used = usage.workspace.get(resource);
                @if let Some(used) = used {
                    (meter(texts, &Meter {
                        label: resource_text(texts, resource),
                        used: used.as_f64(),
                        reserved: 0.0,
                        limit: Some(limit.as_f64()),
                        used_text: amount(resource, used),
                        reserved_text: String::new(),
                        limit_text: amount(resource, limit),
                    }))
                }
            }
        } @else { p { (texts.text("workspace-unmeasured")) } }
    }
}

#[cfg(test)]
mod tests {
    use hexabase_core::model::{TaskKind, TaskState};

    use super::*;

    #[test]
    fn the_current_task_is_the_open_one_or_a_newest_that_failed() {
        let workspace = hexabase_core::fixture::workspace("acme");
        let task = |state| {
            let (id, by) = (hexabase_core::fixture::id("task"), hexabase_core::fixture::id("ann"));
            let task = hexabase_core::lifecycle::new_task(
                id,
                &workspace,
                TaskKind::Update,
                by,
                workspace.created_at,
            );
            Task { state, ..task }
        };
        let (failed, open, done) =
            (task(TaskState::Failed), task(TaskState::Running), task(TaskState::Succeeded));
        let current = |tasks: &[&Task]| {
            let tasks: Vec<Task> = tasks.iter().map(|task| (*task).clone()).collect();
            current_task(&tasks).map(|task| task.state)
        };
        assert_eq!(current(&[&failed, &open]), Some(TaskState::Running));
        assert_eq!(current(&[&failed, &done]), Some(TaskState::Failed));
        assert_eq!(current(&[&done, &failed]), None);
    }
}
