//! Usage of a workspace: its health, and the metrics with a quota.

use axum::extract::RawQuery;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_core::access::Action;
use hexabase_core::error::{Error, ErrorKind, Result};
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::metrics::{HealthCondition, Metric};
use hexabase_core::model::{PolicyReport, Project};
use hexabase_core::platform::MetricChart;
use maud::{Markup, html};

use super::charts::metric_chart;
use super::health::health;
use super::policies::policies;
use super::selection::{Selection, project_field, range_links};
use super::source::{Source, failure, part, simulated, status};
use super::words::metric_text;
use crate::components::{card, get_form, page_heading, shell_commands};
use crate::context::Context;
use crate::pages::api_call::api_call;
use crate::pages::filters::{Filters, submit_filters};
use crate::pages::workspaces::{VisibleWorkspace, workspace_for};
use crate::pages::{PageContent, Section};
use crate::response::PageResult;
use crate::urls;

/// Metrics on the page.
const SHOWN: [Metric; 4] = [Metric::Cpu, Metric::Memory, Metric::Storage, Metric::Pods];

/// Facts on the page.
struct UsagePage {
    place: VisibleWorkspace,
    projects: Vec<Project>,
    selection: Selection,
    health: Result<Vec<HealthCondition>>,
    policies: Option<PolicyReport>,
    charts: Vec<(Metric, MetricChart)>,
    /// Error after which no further charts were read.
    failure: Option<Error>,
}

pub(super) async fn show(
    context: Context,
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
    RawQuery(query): RawQuery,
) -> PageResult {
    let place = workspace_for(&context, org, ws, Action::WorkspaceRead).await?;
    let selection = Selection::of(&Filters::new(query.as_deref().unwrap_or_default()))?;
    let (projects, _) = context.platform().projects().all(&context.caller, org, ws).await?;
    let health = part(context.platform().metrics().health(&context.caller, org, ws).await)?;
    let policies = match context.platform().policy_reports().get(&context.caller, org, ws).await {
        // A role in the organization alone shows no objects of the cluster.
        Err(error) if error.kind() == ErrorKind::Forbidden => None,
        read => read?,
    };
    let mut found =
        UsagePage { place, projects, selection, health, policies, charts: Vec::new(), failure: None };
    if found.health.is_ok() {
        read_charts(&context, (org, ws), &mut found).await?;
    }
    Ok(page(context, &found))
}

/// Reads the charts one after the other: a workspace has few queries at once.
async fn read_charts(
    context: &Context,
    (org, ws): (OrganizationId, WorkspaceId),
    found: &mut UsagePage,
) -> Result<()> {
    for metric in SHOWN {
        let selection = Selection { metric, by: String::new(), ..found.selection.clone() };
        let chart = match selection.request(true) {
            Ok(request) => context.platform().metrics().chart(&context.caller, org, ws, &request).await,
            Err(error) => Err(error),
        };
        match part(chart)? {
            Ok(chart) => found.charts.push((metric, chart)),
            Err(error) => {
                found.failure = Some(error);
                break;
            }
        }
    }
    Ok(())
}

fn page(context: Context, found: &UsagePage) -> Response {
    let texts = context.texts();
    let workspace = &found.place.workspace;
    let (org, ws) = (workspace.organization_id, workspace.id);
    let (title, url) = (texts.text("nav-usage"), urls::usage(org, ws));
    let path = format!("/organizations/{org}/workspaces/{ws}");
    let query = Selection { by: String::new(), ..found.selection.clone() }.api_query();
    let commands = [
        api_call(&context, texts.text("shell-health"), &format!("{path}/health")),
        api_call(&context, texts.text("shell-metric"), &format!("{path}/metrics/cpu?{query}")),
        api_call(&context, texts.text("shell-policies"), &format!("{path}/policy-reports")),
    ];
    let content = html! {
        (page_heading(&html! { (title) }, Some(&html! { (texts.text("usage-about")) }), None))
        @match &found.health {
            Ok(conditions) => {
                (card(&texts.text("health-title"), None, &health(&texts, conditions)))
                (range_links(&context, &found.selection, &url))
                (get_form(&url, &filter_fields(&context, found)))
                @if let Some(error) = &found.failure { (failure(&texts, Source::Metrics, error)) }
                (charts(&context, found))
            },
            Err(error) => (failure(&texts, Source::Metrics, error)),
        }
        (policies(&texts, found.policies.as_ref()))
        (shell_commands(&texts, &commands))
    };
    PageContent { section: Section::Usage, ..PageContent::new(title, content) }
        .in_organization(&found.place.membership)
        .in_workspace(workspace)
        .respond(context, status(found.failure.as_ref()))
}

fn filter_fields(context: &Context, found: &UsagePage) -> Markup {
    let texts = context.texts();
    html! {
        input type="hidden" name="range" value=(found.selection.range.as_str());
        (project_field(&texts, &found.projects, &found.selection.project))
        (submit_filters(&texts))
    }
}

/// Cards with the charts, each with a link to the metric by project, pod and container.
fn charts(context: &Context, found: &UsagePage) -> Markup {
    let texts = context.texts();
    let workspace = &found.place.workspace;
    let url = urls::metrics(workspace.organization_id, workspace.id);
    html! {
        @if found.charts.iter().any(|(_, chart)| chart.is_simulated) { (simulated(&texts)) }
        div class="charts" {
            @for (metric, chart) in &found.charts {
                @let selection = found.selection.with_metric(*metric);
                @let name = metric_text(&texts, *metric);
                section class="card" aria-label=(name) {
                    (metric_chart(&texts, *metric, chart))
                    p {
                        a href=(selection.href(&url, &[])) {
                            (texts.text_with("metric-details", &[("metric", (&name).into())]))
                        }
                    }
                }
            }
        }
    }
}
