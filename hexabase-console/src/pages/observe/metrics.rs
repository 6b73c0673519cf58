//! Metric of a workspace over time, as a chart, a table and CSV.

use axum::extract::RawQuery;
use axum::response::Response;
use hexabase_api::Path;
use hexabase_core::access::Action;
use hexabase_core::error::Result;
use hexabase_core::id::{OrganizationId, WorkspaceId};
use hexabase_core::metrics::{Chart, Metric};
use hexabase_core::model::Project;
use hexabase_core::platform::MetricChart;
use maud::{Markup, html};

use super::charts::metric_chart;
use super::selection::{Selection, group_field, project_field, range_links};
use super::source::{Source, failure, part, simulated, status};
use super::words::{metric_about, metric_text};
use crate::components::{ButtonKind, Link, card, get_form, link_button, page_heading, shell_commands};
use crate::context::Context;
use crate::pages::api_call::api_call;
use crate::pages::csv::{attachment, line};
use crate::pages::filters::{Filters, submit_filters};
use crate::pages::workspaces::{VisibleWorkspace, workspace_for};
use crate::pages::{PageContent, Section};
use crate::response::PageResult;
use crate::urls;

/// Facts on the page.
struct MetricPage {
    place: VisibleWorkspace,
    projects: Vec<Project>,
    selection: Selection,
    chart: Result<MetricChart>,
}

pub(super) async fn show(
    context: Context,
    Path((org, ws)): Path<(OrganizationId, WorkspaceId)>,
    RawQuery(query): RawQuery,
) -> PageResult {
    let filters = Filters::new(query.as_deref().unwrap_or_default());
    let place = workspace_for(&context, org, ws, Action::WorkspaceRead).await?;
    let selection = Selection::of(&filters)?;
    let chart = read(&context, (org, ws), &selection).await;
    if filters.get("format") == "csv" {
        let name = format!("{}-{}.csv", place.workspace.name, selection.metric);
        return Ok(attachment("text/csv; charset=utf-8", &name, csv(&chart?.chart)));
    }
    let (projects, _) = context.platform().projects().all(&context.caller, org, ws).await?;
    Ok(page(context, &MetricPage { place, projects, selection, chart: part(chart)? }))
}

async fn read(
    context: &Context,
    (org, ws): (OrganizationId, WorkspaceId),
    selection: &Selection,
) -> Result<MetricChart> {
    let request = selection.request(false)?;
    context.platform().metrics().chart(&context.caller, org, ws, &request).await
}

/// Returns the values of all series, one line each; a gap has no value.
fn csv(chart: &Chart) -> String {
    let mut text = line(&["time", "project", "pod", "container", "value"]);
    for series in &chart.series {
        let labels = &series.labels;
        let name = |label: &Option<String>| label.clone().unwrap_or_default();
        let (project, pod, container) = (name(&labels.project), name(&labels.pod), name(&labels.container));
        for (at, value) in chart.times.iter().zip(&series.values) {
            let value = value.map(|value| value.to_string()).unwrap_or_default();
            text += &line(&[&at.to_string(), &project, &pod, &container, &value]);
        }
    }
    text
}

fn page(context: Context, found: &MetricPage) -> Response {
    let texts = context.texts();
    let workspace = &found.place.workspace;
    let (org, ws) = (workspace.organization_id, workspace.id);
    let (selection, url) = (&found.selection, urls::metrics(org, ws));
    let title = metric_text(&texts, selection.metric);
    let command = api_call(
        &context,
        texts.text("shell-metric"),
        &format!(
            "/organizations/{org}/workspaces/{ws}/metrics/{}?{}",
            selection.metric,
            selection.api_query()
        ),
    );
    let error = found.chart.as_ref().err();
    let content = html! {
        (page_heading(&html! { (title) }, Some(&html! { (metric_about(&texts, selection.metric)) }), None))
        (metric_links(&context, selection, &url))
        (range_links(&context, selection, &url))
        (get_form(&url, &filter_fields(&context, found)))
        @match &found.chart {
            Ok(chart) => (chart_card(&context, found, chart)),
            Err(error) => (failure(&texts, Source::Metrics, error)),
        }
        (shell_commands(&texts, &[command]))
    };
    PageContent {
        section: Section::Usage,
        ancestors: vec![Link::new(texts.text("nav-usage"), urls::usage(org, ws))],
        ..PageContent::new(title, content)
    }
    .in_organization(&found.place.membership)
    .in_workspace(workspace)
    .respond(context, status(error))
}

fn chart_card(context: &Context, found: &MetricPage, chart: &MetricChart) -> Markup {
    let texts = context.texts();
    let workspace = &found.place.workspace;
    let url = urls::metrics(workspace.organization_id, workspace.id);
    let csv = link_button(
        ButtonKind::Secondary,
        &texts.text("metric-csv"),
        &found.selection.href(&url, &[("format", "csv")]),
    );
    let count = chart.chart.series.len();
    let content = html! {
        @if chart.is_simulated { (simulated(&texts)) }
        @if count == 0 { p class="note" { (texts.text("metric-nothing")) } }
        @else { (metric_chart(&texts, found.selection.metric, chart)) }
        @if count > 6 { p class="note" { (texts.text_with("metric-largest", &[("count", count.into())])) } }
    };
    card(&texts.text("metric-over-time"), Some(&csv), &content)
}

/// Links to all metrics, with the same range and groups.
fn metric_links(context: &Context, selection: &Selection, url: &str) -> Markup {
    let texts = context.texts();
    html! {
        nav class="tabs" aria-label=(texts.text("metrics-label")) {
            ul {
                @for metric in Metric::ALL {
                    @let is_current = *metric == selection.metric;
                    li {
                        a href=(selection.with_metric(*metric).href(url, &[])) aria-current=[is_current.then_some("page")] {
                            (metric_text(&texts, *metric))
                        }
                    }
                }
            }
        }
    }
}

fn filter_fields(context: &Context, found: &MetricPage) -> Markup {
    let texts = context.texts();
    let selection = &found.selection;
    html! {
        input type="hidden" name="metric" value=(selection.metric);
        input type="hidden" name="range" value=(selection.range.as_str());
        (project_field(&texts, &found.projects, &selection.project))
        (group_field(&texts, selection))
        (submit_filters(&texts))
    }
}

#[cfg(test)]
mod tests {
    use hexabase_core::metrics::{ChartSeries, SeriesLabels};
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn the_values_are_lines_and_gaps_stay_gaps() {
        let at = Timestamp::constant(1_767_225_600, 0);
        let labels = SeriesLabels { pod: Some("=cmd,\"x\"".to_owned()), ..SeriesLabels::default() };
        let chart = Chart {
            window: std::time::Duration::from_secs(60),
            times: vec![at, at + jiff::SignedDuration::from_mins(1)],
            measured: vec![true, false],
            series: vec![ChartSeries { labels, values: vec![Some(0.25), None] }],
        };
        let expected = "time,project,pod,container,value\r\n\
             2026-01-01T00:00:00Z,,\"'=cmd,\"\"x\"\"\",,0.25\r\n\
             2026-01-01T00:01:00Z,,\"'=cmd,\"\"x\"\"\",,\r\n";
        assert_eq!(csv(&chart), expected);
    }
}
