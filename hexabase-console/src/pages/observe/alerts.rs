//! Alerts of a workspace that are firing, their silences, and its alert rules.

use std::collections::BTreeMap;

use axum::extract::RawQuery;
use axum::http::StatusCode;
use axum::response::Response;
use hexabase_api::requests::{PageQuery, from_filter_form};
use hexabase_api::{Pager as Cursors, Path};
use hexabase_core::access::Action;
use hexabase_core::error::Result;
use hexabase_core::id::{OrganizationId, UserId, WorkspaceId};
use hexabase_core::model::{AlertRule, Project};
use hexabase_core::platform::{ActiveAlert, AlertSilence};
use maud::{Markup, html};

use super::alert_tables::{firing_table, rules_table, silences_table};
use super::rights::Rights;
use super::source::{Source, failure, part};
use crate::components::{
    ButtonKind, Empty, Link, card, disabled_button, empty, link_button, name, page_heading, pager,
    shell_commands,
};
use crate::context::Context;
use crate::pages::api_call::api_call;
use crate::pages::filters::Filters;
use crate::pages::workspaces::{VisibleWorkspace, workspace_with};
use crate::pages::{PageContent, Section, member_names};
use crate::response::PageResult;
use crate::urls;

/// Alerts that are firing, and silences that have not ended.
type AlertState = (Vec<ActiveAlert>, Vec<AlertSilence>);

/// Facts on the page.
pub(super) struct AlertsPage {
    pub(super) place: VisibleWorkspace,
    pub(super) projects: Vec<Project>,
    pub(super) rules: Vec<AlertRule>,
    filters: Filters,
    next_cursor: Option<String>,
    pub(super) state: Result<AlertState>,
    /// Names of the users who created silences.
    pub(super) authors: BTreeMap<UserId, String>,
    create: Rights,
    pub(super) manage: Rights,
}

/// Actions that the page offers.
const OFFERED: [Action; 2] = [Action::AlertRuleCreate, Action::AlertRulesManage];

pub(super) async fn show(
    context: Context,
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
    cursors: Cursors,
    RawQuery(query): RawQuery,
) -> PageResult {
    let filters = Filters::new(query.as_deref().unwrap_or_default());
    let request = cursors.request(&from_filter_form::<PageQuery>(filters.query())?)?;
    let (platform, caller) = (context.platform(), &context.caller);
    let (place, (projects, _), rules, (state, authors)) = tokio::try_join!(
        workspace_with(&context, (org, ws), Action::AlertsRead, &OFFERED),
        async { Ok(platform.projects().all(caller, org, ws).await?) },
        async { Ok(platform.alert_rules().list(caller, org, ws, &request).await?) },
        async { Ok(state_with_authors(&context, org, ws).await?) },
    )?;
    let next_cursor = cursors.next_cursor(&rules)?;
    let create = Rights::of(&context, &place, Action::AlertRuleCreate).await?;
    let manage = Rights::of(&context, &place, Action::AlertRulesManage).await?;
    let rules = rules.items;
    let found = AlertsPage { place, projects, rules, filters, next_cursor, state, authors, create, manage };
    Ok(page(context, &found))
}

/// Reads the state of the alerts, and the names of the users who created silences.
async fn state_with_authors(
    context: &Context,
    org: OrganizationId,
    ws: WorkspaceId,
) -> Result<(Result<AlertState>, BTreeMap<UserId, String>)> {
    let state = part(read_state(context, org, ws).await)?;
    let has_silences = state.as_ref().is_ok_and(|(_, silences)| !silences.is_empty());
    let authors = if has_silences { member_names(context, org).await? } else { BTreeMap::new() };
    Ok((state, authors))
}

async fn read_state(context: &Context, org: OrganizationId, ws: WorkspaceId) -> Result<AlertState> {
    let alerts = context.platform().alerts();
    let firing = alerts.list(&context.caller, org, ws).await?;
    Ok((firing, alerts.silences(&context.caller, org, ws).await?))
}

fn page(context: Context, found: &AlertsPage) -> Response {
    let texts = context.texts();
    let workspace = &found.place.workspace;
    let (org, ws) = (workspace.organization_id, workspace.id);
    let (title, url) = (texts.text("nav-alerts"), urls::alerts(org, ws));
    let path = format!("/organizations/{org}/workspaces/{ws}");
    let commands = [
        api_call(&context, texts.text("shell-alerts"), &format!("{path}/alerts")),
        api_call(&context, texts.text("shell-rules"), &format!("{path}/alert-rules")),
        api_call(&context, texts.text("shell-silences"), &format!("{path}/silences")),
    ];
    let content = html! {
        (page_heading(&html! { (title) }, Some(&html! { (texts.text("alerts-about")) }), Some(&create_button(&context, found))))
        div id="alerts" data-live="alerts" {
            @match &found.state {
                Ok((firing, silences)) => {
                    (card(&texts.text("alerts-firing"), None, &html! {
                        @if firing.is_empty() { p class="note" { (texts.text("alerts-none")) } }
                        @else { (firing_table(&context, found, firing)) }
                    }))
                    @if !silences.is_empty() {
                        (card(&texts.text("silences-title"), None, &silences_table(&context, found, silences)))
                    }
                },
                Err(error) => (failure(&texts, Source::Alerts, error)),
            }
        }
        div id="rules" data-live="alerts" { (rules(&context, found, &url)) }
        (shell_commands(&texts, &commands))
    };
    PageContent { section: Section::Alerts, ..PageContent::new(title, content) }
        .in_organization(&found.place.membership)
        .in_workspace(workspace)
        .respond(context, StatusCode::OK)
}

fn create_button(context: &Context, found: &AlertsPage) -> Markup {
    let texts = context.texts();
    let workspace = &found.place.workspace;
    let url = urls::new_alert_rule(workspace.organization_id, workspace.id);
    let label = texts.text("alert-rule-create");
    html! {
        @match &found.create.refusal {
            None => (link_button(ButtonKind::Primary, &label, &url)),
            Some(reason) if found.create.projects.is_empty() => (disabled_button("create-reason", &label, reason)),
            Some(_) => {
                span { (texts.text("alert-rule-create-in")) }
                @for project in &found.create.projects {
                    a class="button" href={ (url) "?project=" (project.id) } { (name(project.name.as_str())) }
                }
            },
        }
    }
}

fn rules(context: &Context, found: &AlertsPage, url: &str) -> Markup {
    let texts = context.texts();
    let workspace = &found.place.workspace;
    let create = found.create.refusal.is_none().then(|| {
        let url = urls::new_alert_rule(workspace.organization_id, workspace.id);
        Link::new(texts.text("alert-rule-create"), url)
    });
    html! {
        @if found.rules.is_empty() {
            (empty(&Empty {
                title: texts.text("alert-rules-none"),
                purpose: texts.text("alert-rules-purpose"),
                action: create,
                documentation: None,
            }))
        } @else {
            (card(&texts.text("alert-rules-title"), None, &rules_table(context, found)))
            (pager(&texts, &found.filters.pager(url, found.next_cursor.as_deref())))
        }
    }
}
