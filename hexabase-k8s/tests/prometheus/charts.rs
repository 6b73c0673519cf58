//! Charts: names that kube-state-metrics lacks, names that tenants invent, and more pods than a chart shows.

use std::collections::BTreeSet;

use hexabase_core::ErrorKind;
use hexabase_core::conformance::metrics_source::{
    MEASUREMENT_START, Part, SAMPLE_STEP, busy, idle, in_use, other, parts,
};
use hexabase_core::desired::TenantTarget;
use hexabase_core::fixture::id;
use hexabase_core::id::TypedId as _;
use hexabase_core::metrics::{Chart, ChartQuery, GroupBy, MAX_SERIES, Metric, MetricsSource as _};
use hexabase_k8s::PrometheusMetrics;
use hexabase_test_servers::Prometheus;
use jiff::SignedDuration;

use super::{ScrapedSeries, measurements, metrics_of, open_metrics, series_of, tenant_series};

fn query(metric: Metric, by: Option<GroupBy>) -> ChartQuery {
    ChartQuery {
        target: TenantTarget::by_id(id("acme"), busy()),
        metric,
        start: MEASUREMENT_START,
        end: MEASUREMENT_START + SignedDuration::from_mins(20),
        step: SAMPLE_STEP,
        project: None,
        by,
    }
}

fn of_project(metric: Metric, project: &str) -> ChartQuery {
    ChartQuery { project: Some(project.to_owned()), ..query(metric, None) }
}

/// Series of the tenant, changed.
fn busy_series(change: impl Fn(&mut ScrapedSeries) -> bool) -> Vec<ScrapedSeries> {
    let mut series = tenant_series(&busy().kubernetes_name(), &parts(busy()));
    series.retain_mut(change);
    series
}

fn names(chart: &Chart) -> Vec<(Option<&str>, Option<&str>)> {
    chart.series.iter().map(|it| (it.labels.project.as_deref(), it.labels.pod.as_deref())).collect()
}

async fn read(metrics: &PrometheusMetrics, query: &ChartQuery) -> Chart {
    metrics.chart(query).await.unwrap()
}

#[tokio::test]
async fn without_the_names_of_projects_charts_of_projects_name_the_missing_flag() {
    let without_labels = busy_series(|series| !series.name.ends_with("_labels"));
    let server = Prometheus::with(&open_metrics(without_labels));
    let metrics = metrics_of(&server);
    for metric in [Metric::Cpu, Metric::Storage] {
        for query in [of_project(metric, "shop"), query(metric, Some(GroupBy::Project))] {
            let error = metrics.chart(&query).await.unwrap_err();
            assert_eq!((error.kind(), error.code()), (ErrorKind::Unavailable, "unsupported"));
            let flag = "--metric-labels-allowlist=pods=[vcluster.loft.sh/namespace]";
            assert!(error.message().contains(flag), "{error}");
        }
    }
    // A tenant without pods has nothing that could be named.
    let target = TenantTarget::by_id(id("acme"), idle());
    let idle = ChartQuery { target, ..of_project(Metric::Cpu, "shop") };
    assert_eq!(read(&metrics, &idle).await.series[0].values, [Some(0.0); 4]);
    // Everything else needs no names of projects.
    let pods = read(&metrics, &query(Metric::Cpu, Some(GroupBy::Pod))).await;
    assert_eq!(names(&pods), [(None, Some("db-0")), (None, Some("web-1")), (None, Some("web-2"))]);
    assert_eq!(read(&metrics, &query(Metric::Cpu, None)).await.series.len(), 1);
}

#[tokio::test]
async fn pods_without_annotations_have_the_names_of_the_host() {
    let without_annotations = busy_series(|series| !series.name.ends_with("_annotations"));
    let server = Prometheus::with(&open_metrics(without_annotations));
    let pods = read(&metrics_of(&server), &query(Metric::Cpu, Some(GroupBy::Pod))).await;
    let suffix = format!("-x-shop-x-{}", busy().kubernetes_name());
    assert_eq!(
        names(&pods),
        [
            (Some("data"), Some("abcdefghijklmnopqrstuvwxyz-0123456789")),
            (Some("shop"), Some(format!("web-1{suffix}").as_str())),
            (Some("shop"), Some(format!("web-2{suffix}").as_str())),
        ]
    );
}

/// The annotation of a pod's name is the tenant's: a pod that claims the name of another, or one that no pod can have, is
/// shown by its own on the host.
#[tokio::test]
async fn a_pod_cannot_take_the_name_or_the_project_of_another() {
    let forged = busy_series(|series| {
        series.labels = series.labels.replace("object_name=\"web-2\"", "object_name=\"web-1\"");
        series.labels = series.labels.replace("object_name=\"db-0\"", "object_name=\"\\\"}\\n<script>\"");
        true
    });
    let server = Prometheus::with(&open_metrics(forged));
    let metrics = metrics_of(&server);
    let pods = read(&metrics, &query(Metric::Cpu, Some(GroupBy::Pod))).await;
    let suffix = format!("-x-shop-x-{}", busy().kubernetes_name());
    assert_eq!(
        names(&pods),
        [
            (Some("data"), Some("abcdefghijklmnopqrstuvwxyz-0123456789")),
            (Some("shop"), Some(format!("web-1{suffix}").as_str())),
            (Some("shop"), Some(format!("web-2{suffix}").as_str())),
        ]
    );
    let data = read(&metrics, &of_project(Metric::Cpu, "data")).await;
    let expected = in_use(Metric::Cpu) * 6.0 / 16.0;
    assert!(data.series[0].values.iter().flatten().all(|value| (value - expected).abs() < 1e-9), "{data:?}");
}

/// More pods than one query returns, the largest of which is small at one time.
#[tokio::test]
async fn the_largest_pods_of_many_are_complete() {
    let namespace = busy().kubernetes_name();
    let labels = |number: usize| {
        format!(
            "namespace=\"{namespace}\",job=\"kubelet\",pod=\"pod-{number:03}\",container=\"web\",id=\"/{number}\""
        )
    };
    let many = 0..2 * MAX_SERIES + 20;
    let mut series: Vec<ScrapedSeries> = many
        .map(|number| {
            series_of("container_memory_working_set_bytes", labels(number), 1_000.0 + number as f64)
        })
        .collect();
    series.push(series_of("container_memory_working_set_bytes", labels(999), 5_000.0));
    let at = |minutes: i64| (MEASUREMENT_START + SignedDuration::from_mins(minutes)).as_second();
    // The largest one is the smallest at the end.
    let dip = |line: &str| {
        let time = line.rsplit(' ').next().and_then(|at| at.parse::<i64>().ok());
        match line.contains("pod-999") && time.is_some_and(|time| time > at(15)) {
            true => line.replace("} 5000 ", "} 1 ") + "\n",
            false => line.to_owned() + "\n",
        }
    };
    let text: String = open_metrics(series).lines().map(dip).collect();
    let server = Prometheus::with(&text);
    let metrics = metrics_of(&server);
    for by in [GroupBy::Pod, GroupBy::Container] {
        let chart = read(&metrics, &query(Metric::Memory, Some(by))).await;
        assert_eq!(chart.series.len(), MAX_SERIES);
        assert_eq!(chart.series[0].labels.pod.as_deref(), Some("pod-999"));
        let largest = [Some(5_000.0), Some(5_000.0), Some(5_000.0), Some(1.0)];
        assert_eq!(chart.series[0].values, largest, "the value outside of the largest hundred is not a gap");
        let found: BTreeSet<&str> =
            chart.series.iter().filter_map(|series| series.labels.pod.as_deref()).collect();
        assert!(found.contains("pod-071") && !found.contains("pod-070"), "{found:?}");
    }
}

/// Storage drivers that do not report used storage leave a gap, which is not the same as unused storage.
#[tokio::test]
async fn used_storage_that_no_driver_reports_is_a_gap() {
    let server = Prometheus::with(&open_metrics(busy_series(|series| !series.name.contains("volume_stats"))));
    let metrics = metrics_of(&server);
    let used = read(&metrics, &query(Metric::StorageUsed, None)).await;
    assert_eq!(used.series[0].values, [None; 4]);
    let target = TenantTarget::by_id(id("acme"), idle());
    let without_volumes = ChartQuery { target, ..query(Metric::StorageUsed, None) };
    assert_eq!(read(&metrics, &without_volumes).await.series[0].values, [Some(0.0); 4]);
}

/// A tenant API server that is not scraped leaves a gap, whatever other tenants have.
#[tokio::test]
async fn requests_are_measured_where_the_tenants_own_api_server_is() {
    let server = Prometheus::with(&measurements());
    let metrics = metrics_of(&server);
    let chart = |of| {
        let target = TenantTarget::by_id(id("acme"), of);
        let query = ChartQuery { target, ..query(Metric::ApiRequests, None) };
        let metrics = &metrics;
        async move { read(metrics, &query).await.series[0].values.clone() }
    };
    assert!(chart(busy()).await.iter().all(Option::is_some));
    assert_eq!(chart(other()).await, [None; 4]);
}

/// Steps shorter than the scrape interval still have rates: the window is longer.
#[tokio::test]
async fn short_steps_have_values_and_the_window_says_what_they_cover() {
    let server = Prometheus::with(&measurements());
    let step = std::time::Duration::from_secs(15);
    let chart = read(&metrics_of(&server), &ChartQuery { step, ..query(Metric::Cpu, None) }).await;
    assert_eq!((chart.window.as_secs(), chart.times.len()), (60, 80));
    let expected = in_use(Metric::Cpu);
    let is_expected = |value: &Option<f64>| value.is_some_and(|value| (value - expected).abs() < 1e-9);
    assert!(chart.series[0].values.iter().all(is_expected), "{chart:?}");
}

#[test]
fn the_tenants_of_these_tests_have_near_identical_names() {
    let [one, another] = [busy(), other()].map(|it| it.kubernetes_name());
    assert_eq!(
        (one.len(), one.split_at(one.len() - 1).0),
        (another.len(), another.split_at(one.len() - 1).0)
    );
    let foreign: Vec<Part> = parts(other());
    assert!(foreign.iter().all(|part| parts(busy()).iter().all(|own| own.pod != part.pod)));
}
