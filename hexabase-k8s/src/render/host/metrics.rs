//! Scraping of the tenant's API server: token and ServiceMonitor for a Prometheus of the host.
//!
//! The API server belongs to the tenant, so its responses are not trusted: labels of the target win over labels of its
//! series, their number and size are limited, and only named metrics are kept.

use hexabase_core::desired::TenantCluster;
use serde_json::{Value, json};

use super::Tenant;
use crate::config::HostConfig;
use crate::object::{Kind, Object};
use crate::scraping::TenantScraping;

/// Key of the token in its Secret.
pub(crate) const TOKEN_KEY: &str = "token";
/// Interval between two scrapes, the default of `PrometheusConfig::scrape_interval`.
const INTERVAL: &str = "30s";
/// Maximum number of samples of a scrape after the selection of metrics.
const SAMPLE_LIMIT: u32 = 20_000;
/// Maximum size of a response. That of an API server with hundreds of CustomResourceDefinitions has a few MB.
const BODY_SIZE_LIMIT: &str = "32MB";
/// Maximum number of labels of a series, and the maximum lengths of their names and values.
const LABEL_LIMITS: (u32, u32, u32) = (32, 128, 512);
/// Metrics that are kept.
const METRICS: [&str; 8] = [
    "apiserver_current_inflight_requests",
    "apiserver_request_duration_seconds_count",
    "apiserver_request_duration_seconds_sum",
    "apiserver_request_total",
    "apiserver_storage_objects",
    "process_resident_memory_bytes",
    "rest_client_requests_total",
    "workqueue_depth",
];
/// Kept buckets of the durations of requests, in seconds; Prometheus 3 writes whole numbers with a decimal.
const BUCKETS: &str = r"0\.1|1(\.0)?|5(\.0)?|\+Inf";
/// Kept bucket of the remaining validity of client certificates, in seconds: a week.
const CERTIFICATE_BUCKETS: &str = r"604800(\.0)?";

/// Name of the Secret with the token for Prometheus.
fn token_name(tenant: &str) -> String {
    format!("vc-metrics-{tenant}")
}

/// Returns the Secret with the token for Prometheus, with this `data`.
pub(crate) fn metrics_token(cluster: &TenantCluster, config: &HostConfig, data: Value) -> Object {
    let tenant = Tenant { cluster, config };
    tenant.object(Kind::SECRET, &token_name(tenant.name()), json!({ "type": "Opaque", "data": data }))
}

/// Returns the ServiceMonitor, if the host has the Prometheus operator.
pub(super) fn service_monitor(tenant: &Tenant<'_>) -> Option<Object> {
    let name = tenant.name();
    let certificate_authority = json!({ "name": format!("vc-{name}"), "key": "certificate-authority" });
    let kept = format!(
        "({});|apiserver_request_duration_seconds_bucket;({BUCKETS})\
         |apiserver_client_certificate_expiration_seconds_bucket;{CERTIFICATE_BUCKETS}",
        METRICS.join("|")
    );
    let endpoint = json!({
        "port": "https",
        "scheme": "https",
        "path": "/metrics",
        "interval": INTERVAL,
        "honorLabels": false,
        "authorization": { "credentials": { "name": token_name(name), "key": TOKEN_KEY } },
        "tlsConfig": {
            "ca": { "secret": certificate_authority },
            // A name in the certificate of every API server.
            "serverName": format!("{name}.{name}.svc"),
        },
        "metricRelabelings": [{ "action": "keep", "sourceLabels": ["__name__", "le"], "regex": kept }],
    });
    let (labels, name_length, value_length) = LABEL_LIMITS;
    let spec = json!({
        // The label whose value `ScrapeJobs::api_servers` names.
        "jobLabel": "app",
        // Services that the syncer created are the tenant's.
        "selector": {
            "matchLabels": { super::services::API_SERVICE: "true", crate::labels::RELEASE: name },
            "matchExpressions": [{ "key": crate::labels::SYNCED_BY, "operator": "DoesNotExist" }],
        },
        "endpoints": [endpoint],
        "sampleLimit": SAMPLE_LIMIT,
        "bodySizeLimit": BODY_SIZE_LIMIT,
        "labelLimit": labels,
        "labelNameLengthLimit": name_length,
        "labelValueLengthLimit": value_length,
    });
    (tenant.config.scraping == TenantScraping::ServiceMonitor)
        .then(|| tenant.object(Kind::SERVICE_MONITOR, name, json!({ "spec": spec })))
}
