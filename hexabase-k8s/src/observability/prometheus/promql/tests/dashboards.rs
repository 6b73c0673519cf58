//! The dashboards of tenants show the values of the API: their expressions are those of charts and of health.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use hexabase_core::desired::TenantTarget;
use hexabase_core::fixture::id;
use hexabase_core::metrics::{GroupBy, MAX_SERIES, Metric};
use serde_json::Value;

use super::super::{MAX_READ_SERIES, Scope, Selection, api_health, chart};
use crate::observability::prometheus::ScrapeJobs;

/// Step of most charts, and of restarts, which count within an hour.
const STEP: Duration = Duration::from_secs(60);
const RESTARTS_STEP: Duration = Duration::from_secs(3_600);
const SCRAPE_INTERVAL: Duration = Duration::from_secs(30);

/// Expressions of a dashboard without its variables for rates: Grafana chooses the window of a rate as charts do, four
/// scrapes at least.
fn expressions(name: &str) -> BTreeSet<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy/chart/hexabase/files/dashboards")
        .join(format!("{name}.json"));
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().replace("[$__rate_interval]", "[120s]")).collect()
}

fn with_scope<T>(metric: Metric, use_scope: impl FnOnce(&Scope<'_>) -> T) -> T {
    let step = if metric == Metric::Restarts { RESTARTS_STEP } else { STEP };
    let target =
        TenantTarget { name: "$namespace".to_owned(), ..TenantTarget::by_id(id("acme"), id("shop")) };
    let (targets, jobs) = ([target], ScrapeJobs::default());
    use_scope(&Scope { targets: &targets, jobs: &jobs, scrape_interval: SCRAPE_INTERVAL, step, pods: &[] })
}

/// Expression of a chart. Panels show as many series as a chart does, which reads more of them.
fn chart_of(metric: Metric, selection: Selection<'_>) -> String {
    let read = with_scope(metric, |scope| chart(metric, scope, selection));
    read.replace(&format!("topk({MAX_READ_SERIES}, "), &format!("topk({MAX_SERIES}, "))
}

#[test]
fn the_dashboard_of_a_workspace_shows_every_metric_as_the_api_does() {
    let mut expressions = expressions("tenants-workspace");
    for metric in Metric::ALL.iter().copied() {
        let expected = chart_of(metric, Selection::default());
        assert!(expressions.remove(&expected), "{metric}: {expected}");
    }
    for metric in [Metric::Cpu, Metric::Memory] {
        let by_project = Selection { by: Some(GroupBy::Project), ..Selection::default() };
        assert!(expressions.remove(&chart_of(metric, by_project)), "{metric}");
    }
    // Readings of health, apart from the label that tells them apart in one query.
    let health = with_scope(Metric::ApiRequests, api_health);
    expressions.retain(|expression| !health.contains(expression.as_str()));
    let others: Vec<&String> = expressions.iter().collect();
    assert!(matches!(others[..], [quota] if quota.contains("kube_resourcequota")), "{others:#?}");
}

#[test]
fn the_dashboard_of_a_project_shows_every_metric_as_the_api_does() {
    let mut expressions = expressions("tenants-project");
    let of_project = Selection { project: Some("$project"), ..Selection::default() };
    for metric in Metric::ALL.iter().copied().filter(|metric| metric.has_groups(GroupBy::Project)) {
        let expected = chart_of(metric, of_project);
        assert!(expressions.remove(&expected), "{metric}: {expected}");
    }
    for metric in [Metric::Cpu, Metric::Memory, Metric::Throttling, Metric::Restarts] {
        let by_pod = chart_of(metric, Selection { by: Some(GroupBy::Pod), ..of_project });
        assert!(expressions.remove(&by_pod), "{metric}: {by_pod}");
    }
    assert!(expressions.is_empty(), "{expressions:#?}");
}
