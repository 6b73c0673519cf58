//! Logs of a workspace: a page of lines, which a script continues as they are written.

use std::collections::BTreeSet;

use axum::extract::RawQuery;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_api::layers::server_path;
use hexabase_core::access::Action;
use hexabase_core::error::{Error, Result};
use hexabase_core::id::{OrganizationId, ProjectId, WorkspaceId};
use hexabase_core::logs::{LineId, LogLine};
use hexabase_core::model::Project;
use maud::{Markup, html};

use super::log_fields::filter_fields;
use super::log_lines::{log_file, log_lines};
use super::log_query::LogSelection;
use super::rights::Rights;
use super::source::{Source, failure, part, status};
use crate::components::{
    ButtonKind, Tone, empty_by_filter, get_form, link_button, name, notice, page_heading, shell_commands,
};
use crate::context::{Context, is_possible};
use crate::pages::api_call::api_call;
use crate::pages::csv::attachment;
use crate::pages::filters::Filters;
use crate::pages::workspaces::{VisibleWorkspace, project_place_for, workspace_with};
use crate::pages::{PageContent, Section};
use crate::response::PageResult;
use crate::urls;

/// Facts on the page.
pub(super) struct LogsPage {
    place: VisibleWorkspace,
    pub(super) projects: Vec<Project>,
    pub(super) selection: LogSelection,
    /// Places whose logs the user may read; those of the selected project if there is one.
    rights: Rights,
    /// Lines, oldest first, and the position of the page of older lines.
    lines: Result<(Vec<LogLine>, Option<LineId>)>,
}

/// Actions that the content of the page depends on.
const OFFERED: [Action; 2] = [Action::LogsRead, Action::RolesRead];

pub(super) async fn show(
    context: Context,
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
    RawQuery(query): RawQuery,
) -> PageResult {
    let selection = LogSelection::of(Filters::new(query.as_deref().unwrap_or_default()))?;
    let place = match selection.get("project") {
        "" => workspace_with(&context, (org, ws), Action::WorkspaceRead, &OFFERED).await?,
        id => {
            let id: ProjectId = id.parse().map_err(|_| Error::not_found("project"))?;
            project_place_for(&context, (org, ws, id), Action::WorkspaceRead, &OFFERED).await?
        }
    };
    if selection.get("format") == "text" {
        let mut lines = read(&context, (org, ws), &selection, true).await?;
        lines.reverse();
        let name = format!("{}.log", place.workspace.name);
        return Ok(attachment("text/plain; charset=utf-8", &name, log_file(&lines)));
    }
    let rights = Rights::of(&context, &place, Action::LogsRead).await?;
    let lines = match rights.refusal {
        None => part(read(&context, (org, ws), &selection, false).await)?,
        Some(_) => Ok(Vec::new()),
    };
    let lines = lines.map(|lines| selection.page(lines));
    let (projects, _) = context.platform().projects().all(&context.caller, org, ws).await?;
    Ok(page(context, &LogsPage { place, projects, selection, rights, lines }))
}

/// Reads lines, newest first.
async fn read(
    context: &Context,
    (org, ws): (OrganizationId, WorkspaceId),
    selection: &LogSelection,
    is_download: bool,
) -> Result<Vec<LogLine>> {
    let request = selection.request(context.platform().clock().now(), is_download)?;
    context.platform().logs().read(&context.caller, org, ws, &request).await
}

fn page(context: Context, found: &LogsPage) -> Response {
    let texts = context.texts();
    let workspace = &found.place.workspace;
    let (org, ws) = (workspace.organization_id, workspace.id);
    let (title, url) = (texts.text("nav-logs"), urls::logs(org, ws));
    let path = format!("/organizations/{org}/workspaces/{ws}/logs");
    let command = |label: String, further: &[(&str, &str)]| {
        api_call(&context, label, &format!("{path}?{}", found.selection.parameters(further)))
    };
    let commands =
        [command(texts.text("shell-logs"), &[]), command(texts.text("shell-follow"), &[("follow", "true")])];
    let (lines, older) = found.lines.as_ref().map_or((&[][..], None), |(lines, older)| (&lines[..], *older));
    let (pods, containers): (BTreeSet<&str>, BTreeSet<&str>) =
        lines.iter().map(|line| (&*line.pod, &*line.container)).unzip();
    let content = html! {
        (page_heading(&html! { (title) }, None, None))
        (get_form(&url, &filter_fields(&texts, found, &pods, &containers)))
        @match (&found.lines, &found.rights.refusal) {
            (_, Some(reason)) => (refused(&context, found, reason)),
            (Err(error), None) => (failure(&texts, Source::Logs, error)),
            (Ok(_), None) => (viewer(&context, found, lines, older)),
        }
        (shell_commands(&texts, &commands))
    };
    PageContent { section: Section::Logs, ..PageContent::new(title, content) }
        .in_organization(&found.place.membership)
        .in_workspace(workspace)
        .respond(context, status(found.lines.as_ref().err()))
}

/// Place of the lines for users who may not read them here.
fn refused(context: &Context, found: &LogsPage, reason: &str) -> Markup {
    let texts = context.texts();
    let workspace = &found.place.workspace;
    let (org, ws) = (workspace.organization_id, workspace.id);
    let why = format!("{}?verb=get&resource=pods%2Flog", urls::why(org, ws));
    let content = html! {
        p { (reason) }
        @if found.rights.projects.is_empty() { p { (texts.text("logs-refused-about")) } }
        @else {
            p { (texts.text("logs-projects")) }
            ul {
                @for project in &found.rights.projects {
                    li { a href={ (urls::logs(org, ws)) "?project=" (project.id) } { (name(project.name.as_str())) } }
                }
            }
        }
        @if is_possible(&found.place.abilities, Action::RolesRead) {
            p { a href=(why) { (texts.text("logs-why")) } }
        }
    };
    notice(Tone::Neutral, &texts.text("logs-refused"), &content)
}

fn viewer(context: &Context, found: &LogsPage, lines: &[LogLine], older: Option<LineId>) -> Markup {
    let texts = context.texts();
    let workspace = &found.place.workspace;
    let (org, ws) = (workspace.organization_id, workspace.id);
    let (selection, url) = (&found.selection, urls::logs(org, ws));
    let link = |further: &[(&str, &str)]| {
        let further = [further, &selection.presentation()].concat();
        format!("{url}?{}", selection.parameters(&further))
    };
    let older = older.map(|id| link(&[("before", &id.to_string())]));
    let newest = selection.before.is_some().then(|| link(&[]));
    // The newest lines continue; older pages do not change.
    let last = lines.last().map_or_else(|| LineId::before(context.platform().clock().now()), |line| line.id);
    let follow = selection.before.is_none().then(|| {
        let query = selection.parameters(&[("follow", "true")]);
        server_path(&format!("/api/v1/organizations/{org}/workspaces/{ws}/logs?{query}"))
    });
    html! {
        div class="actions" {
            @if let Some(older) = &older { (link_button(ButtonKind::Secondary, &texts.text("logs-older"), older)) }
            @if let Some(newest) = &newest { (link_button(ButtonKind::Secondary, &texts.text("logs-newest"), newest)) }
            (link_button(ButtonKind::Secondary, &texts.text("logs-download"), &link(&[("format", "text")])))
            span class="note" role="status" data-log-state data-following=(texts.text("logs-following"))
                data-paused=(texts.text("logs-paused")) data-lost=(texts.text("logs-lost")) {}
        }
        @if lines.is_empty() && selection.is_filtered() { (empty_by_filter(&texts, &url)) }
        @else if lines.is_empty() { p class="note" { (texts.text("logs-none")) } }
        div class={ "log times-" (selection.times()) @if !selection.is_wrapped() { " unwrapped" } } role="log" aria-live="off" tabindex="0"
            aria-label=(texts.text("nav-logs")) data-follow=[follow] data-last=(last) data-since=(last.at())
            data-mark=[selection.text()] {
            (log_lines(lines, selection.text()))
        }
        button class="button" type="button" data-log-new=(texts.text("logs-new")) hidden {}
    }
}
