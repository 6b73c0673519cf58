//! Federated series: read from the Prometheus of the host, and scraped by that of the tenant.

use std::collections::BTreeSet;
use std::time::Duration;

use hexabase_core::conformance::metrics_source::{MEASUREMENT_START, busy, other, parts};
use hexabase_core::desired::TenantTarget;
use hexabase_core::fixture::id;
use hexabase_core::id::TypedId as _;
use hexabase_core::metrics::MetricsSource as _;
use hexabase_test_servers::Prometheus;
use jiff::SignedDuration;
use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::{metrics_of, open_metrics, series_of, tenant_series};

const PATH: &str = "/federate";

async fn query(prometheus: &Prometheus, expression: &str) -> Vec<Value> {
    let http = reqwest::Client::builder().build().unwrap();
    let url = reqwest::Url::parse_with_params(
        &format!("{}/api/v1/query", prometheus.url()),
        [("query", expression)],
    );
    let response = http.get(url.unwrap()).send().await.unwrap().bytes().await.unwrap();
    let answer: Value = serde_json::from_slice(&response).unwrap();
    answer["data"]["result"].as_array().unwrap().clone()
}

#[tokio::test]
async fn the_prometheus_of_a_tenant_sees_its_own_names_and_nothing_else() {
    let namespace = busy().kubernetes_name();
    let mut series = tenant_series(&namespace, &parts(busy()));
    series.extend(tenant_series(&other().kubernetes_name(), &parts(other())));
    // A container whose name would end a series, if it was not escaped.
    let hostile = r#"evil\"} 1\ncontainer_memory_working_set_bytes{namespace=\"kube-system"#;
    let state = format!("namespace=\"{namespace}\",job=\"kube-state-metrics\",pod=\"host-evil\",uid=\"1\"");
    let kubelet = format!("namespace=\"{namespace}\",job=\"kubelet\",pod=\"host-evil\"");
    let labels =
        format!("{kubelet},container=\"{hostile}\",id=\"/pods/1\",image=\"secret.example/x\",name=\"k8s\"");
    series.push(series_of("container_memory_working_set_bytes", labels, 7.0));
    series.push(series_of(
        "kube_pod_labels",
        format!("{state},label_vcluster_loft_sh_namespace=\"shop\""),
        1.0,
    ));
    let name = format!("{state},annotation_vcluster_loft_sh_object_name=\"evil\"");
    series.push(series_of("kube_pod_annotations", name, 1.0));
    // A pod without a name of the tenant, and one whose annotation is no name.
    for (pod, annotation) in [("unnamed", None), ("misnamed", Some("A\\\"B"))] {
        let labels = format!("namespace=\"{namespace}\",job=\"kubelet\",pod=\"{pod}\",container=\"x\"");
        series.push(series_of("container_memory_working_set_bytes", labels, 9.0));
        let state = format!("namespace=\"{namespace}\",job=\"kube-state-metrics\",pod=\"{pod}\",uid=\"1\"");
        series.push(series_of(
            "kube_pod_labels",
            format!("{state},label_vcluster_loft_sh_namespace=\"shop\""),
            1.0,
        ));
        let named =
            annotation.map(|name| format!("{state},annotation_vcluster_loft_sh_object_name=\"{name}\""));
        series.extend(named.map(|labels| series_of("kube_pod_annotations", labels, 1.0)));
    }
    let host = Prometheus::with(&open_metrics(series));
    let target = TenantTarget::by_id(id("acme"), busy());
    let now = MEASUREMENT_START + SignedDuration::from_mins(15);
    let federation = metrics_of(&host).federate(&target, now).await.unwrap();
    assert_eq!(federation.left_out, 2);
    let text = federation.to_text();
    for secret in ["secret", "host-evil", "unnamed", "/pods/1", "foreign", "ws-", "node", "kubelet\""] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }

    let server = MockServer::start().await;
    let response = ResponseTemplate::new(200).set_body_raw(text, "text/plain; version=0.0.4");
    Mock::given(path(PATH)).respond_with(response).mount(&server).await;
    let tenant = Prometheus::with_config(&json!({
        "scrape_configs": [{
            "job_name": "hexabase", "honor_labels": true, "metrics_path": PATH,
            "scrape_interval": "1s", "scrape_timeout": "1s",
            // The measurements are older than those that a new server accepts.
            "honor_timestamps": false,
            "static_configs": [{ "targets": [server.address().to_string()] }],
        }],
    }));
    while query(&tenant, "hexabase_federation_series_left_out == 2").await.is_empty() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let memory = query(&tenant, "container_memory_working_set_bytes").await;
    let label = |name: &str| -> BTreeSet<String> {
        memory.iter().map(|it| it["metric"][name].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(label("namespace"), ["data", "shop"].map(str::to_owned).into());
    assert_eq!(label("pod"), ["db-0", "evil", "web-1", "web-2"].map(str::to_owned).into());
    let evil = "evil\"} 1\ncontainer_memory_working_set_bytes{namespace=\"kube-system";
    assert!(label("container").contains(evil), "{memory:?}");
    for expression in ["container_cpu_usage_seconds_total", "kubelet_volume_stats_used_bytes"] {
        assert!(!query(&tenant, expression).await.is_empty(), "{expression}");
    }
    assert!(query(&tenant, r#"{namespace="kube-system"}"#).await.is_empty());
    let names = query(&tenant, "group by (__name__) ({job=\"hexabase\",__name__!~\"up|scrape_.*\"})").await;
    assert_eq!(names.len(), 8 + 1 - 1, "all metrics but the capacity, and what is left out: {names:?}");
}
