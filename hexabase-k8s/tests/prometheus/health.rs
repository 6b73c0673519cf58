//! Health readings, of two tenants with near-identical names.

use hexabase_core::conformance::metrics_source::{MEASUREMENT_START, busy, idle, other};
use hexabase_core::desired::TenantTarget;
use hexabase_core::fixture::id;
use hexabase_core::id::TypedId as _;
use hexabase_core::metrics::{HealthReadings, MetricsSource as _, PodReading, QuotaReading, Replicas};
use hexabase_k8s::{PrometheusConfig, PrometheusMetrics};
use hexabase_test_servers::Prometheus;
use jiff::SignedDuration;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{ScrapedSeries, metrics_of, open_metrics, series_of};

/// Series of a tenant: healthy, or with a problem of each kind.
pub(super) fn series(namespace: &str, is_healthy: bool) -> Vec<ScrapedSeries> {
    let state = format!("namespace=\"{namespace}\",job=\"kube-state-metrics\"");
    let kubelet = format!("namespace=\"{namespace}\",job=\"kubelet\",metrics_path=\"/metrics\"");
    let api = format!("namespace=\"{namespace}\",job=\"vcluster\"");
    let bad = |value: f64| if is_healthy { 0.0 } else { value };
    let mut series = Vec::new();
    let mut add = |name, labels: String, value| series.push(series_of(name, labels, value));
    add("kube_statefulset_replicas", format!("{state},statefulset=\"{namespace}\""), 1.0);
    let ready = format!("{state},statefulset=\"{namespace}\"");
    add("kube_statefulset_status_replicas_ready", ready, 1.0 - bad(1.0));
    let control_plane = format!("{state},pod=\"{namespace}-0\",uid=\"1\",container=\"syncer\"");
    // A counter: one restart in 20 minutes.
    add("kube_pod_container_status_restarts_total", control_plane, bad(1.0 / 1_200.0));
    for (pod, project) in
        [("coredns-5d78c9869d-abcde-x-kube-s-0123456789", "kube-system"), ("coredns-fake", "shop")]
    {
        let pod = format!("pod=\"{pod}\"");
        add("kube_pod_labels", format!("{state},{pod},label_vcluster_loft_sh_namespace=\"{project}\""), 1.0);
        let is_ready = if project == "shop" { 1.0 } else { 1.0 - bad(1.0) };
        add("kube_pod_status_ready", format!("{state},{pod},condition=\"true\""), is_ready);
    }
    let pod = "pod=\"web-x-shop\"";
    add("kube_pod_status_phase", format!("{state},{pod},phase=\"Pending\""), bad(1.0));
    // The pod of the control plane does not count as the tenant's.
    add("kube_pod_status_phase", format!("{state},pod=\"{namespace}-0\",phase=\"Pending\""), 1.0);
    #[expect(clippy::cast_precision_loss, reason = "whole seconds")]
    add("kube_pod_created", format!("{state},{pod}"), MEASUREMENT_START.as_second() as f64);
    add("kube_pod_status_unschedulable", format!("{state},{pod}"), bad(1.0));
    let container = format!("{state},{pod},uid=\"2\",container=\"web\"");
    let waiting = format!("{container},reason=\"CrashLoopBackOff\"");
    add("kube_pod_container_status_waiting_reason", waiting, bad(1.0));
    let killed = format!("{container},reason=\"OOMKilled\"");
    add("kube_pod_container_status_last_terminated_reason", killed, 1.0);
    add("kube_pod_container_status_restarts_total", container, bad(0.01));
    for (kind, value) in [("used", 1.0 + bad(2.9)), ("hard", 4.0)] {
        let quota =
            format!("{state},resourcequota=\"vc-{namespace}\",resource=\"requests.cpu\",type=\"{kind}\"");
        add("kube_resourcequota", quota, value);
    }
    let claim = format!("{kubelet},persistentvolumeclaim=\"data-{namespace}-0\"");
    add("kubelet_volume_stats_used_bytes", claim.clone(), 25.0 + bad(65.0));
    add("kubelet_volume_stats_capacity_bytes", claim, 100.0);
    add("apiserver_request_total", format!("{api},verb=\"GET\",code=\"200\""), 9.0);
    add("apiserver_request_total", format!("{api},verb=\"GET\",code=\"503\""), bad(1.0));
    series
}

async fn read(metrics: &PrometheusMetrics, of: hexabase_core::id::WorkspaceId) -> HealthReadings {
    let at = MEASUREMENT_START + SignedDuration::from_mins(18);
    metrics.health(&TenantTarget::by_id(id("acme"), of), at).await.unwrap()
}

#[tokio::test]
async fn readings_are_those_of_the_tenant() {
    let mut all = series(&busy().kubernetes_name(), false);
    all.extend(series(&other().kubernetes_name(), true));
    let server = Prometheus::with(&open_metrics(all));
    let metrics = metrics_of(&server);
    let sick = read(&metrics, busy()).await;
    assert_eq!(sick.control_plane, Some(Replicas { ready: 0, desired: 1 }));
    assert!(sick.control_plane_restarts.unwrap() > 1.0, "{sick:?}");
    assert_eq!(sick.dns, Some(Replicas { ready: 0, desired: 1 }), "a pod in another project is no DNS");
    let pods = PodReading {
        pending: 1,
        pending_since: Some(MEASUREMENT_START),
        unschedulable: 1,
        crash_looping: 1,
        oom_killed: 1,
    };
    assert_eq!(sick.pods, Some(pods));
    assert_eq!(sick.quotas["requests.cpu"], QuotaReading { used: 3.9, hard: 4.0 });
    assert!((sick.volume_ratio.unwrap() - 0.9).abs() < 1e-9);
    assert!((sick.api_server.error_ratio.unwrap() - 0.1).abs() < 1e-6);

    let healthy = read(&metrics, other()).await;
    assert_eq!(healthy.control_plane, Some(Replicas { ready: 1, desired: 1 }));
    assert_eq!((healthy.control_plane_restarts, healthy.pods), (Some(0.0), Some(PodReading::default())));
    assert_eq!(healthy.api_server.error_ratio, Some(0.0));
    assert_eq!(healthy.quotas["requests.cpu"], QuotaReading { used: 1.0, hard: 4.0 });

    // Of a tenant without series, only the absence of pods is known.
    let unknown = HealthReadings { pods: Some(PodReading::default()), ..HealthReadings::default() };
    assert_eq!(read(&metrics, idle()).await, unknown);
}

#[tokio::test]
async fn health_takes_at_most_four_requests() {
    let server = MockServer::start().await;
    let empty = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;
    let response = ResponseTemplate::new(200).set_body_raw(empty, "application/json");
    Mock::given(wiremock::matchers::path("/api/v1/query")).respond_with(response).mount(&server).await;
    let metrics = PrometheusMetrics::new(&PrometheusConfig::new(server.uri())).unwrap();
    assert_eq!(read(&metrics, busy()).await, HealthReadings::default(), "nothing is known");
    let requests = server.received_requests().await.unwrap().len();
    assert!((1..=4).contains(&requests), "{requests}");
    let target = TenantTarget::by_id(id("acme"), busy());
    metrics.latest(&target, MEASUREMENT_START).await.unwrap();
    assert_eq!(
        server.received_requests().await.unwrap().len(),
        requests + 1,
        "one request for the latest values"
    );
}
