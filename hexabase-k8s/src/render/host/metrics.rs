//! Scraping of the tenant's API server: token and ServiceMonitor for a Prometheus of the host.
//!
//! The API server belongs to the tenant, so its responses are not trusted: labels of the target win over labels of its
//! series, their number and size are limited, and only named metrics are kept.

use hexabase_core::desired::TenantCluster;
use serde_json::{Value, json};

use super::Tenant;
use crate::config::HostConfig;
use crate::object::{Kind, Object};
use crate::scraping::{LABEL_LIMITS, SAMPLE_LIMIT, TenantScraping, kept_pattern};

/// Key of the token in its Secret.
pub(crate) const TOKEN_KEY: &str = "token";
/// Interval between two scrapes, the default of `PrometheusConfig::scrape_interval`.
const INTERVAL: &str = "30s";
/// Maximum size of a response. That of an API server with hundreds of CustomResourceDefinitions has a few MB.
const BODY_SIZE_LIMIT: &str = "32MB";

/// Name of the Secret with the token for Prometheus.
pub(crate) fn metrics_token_name(tenant: &str) -> String {
    format!("vc-metrics-{tenant}")
}

/// Returns the Secret with the token for Prometheus, with this `data`.
pub(crate) fn metrics_token(cluster: &TenantCluster, config: &HostConfig, data: Value) -> Object {
    let tenant = Tenant { cluster, config };
    tenant.object(Kind::SECRET, &metrics_token_name(tenant.name()), json!({ "type": "Opaque", "data": data }))
}

/// Returns the ServiceMonitor, if the host has the Prometheus operator.
pub(super) fn service_monitor(tenant: &Tenant<'_>) -> Option<Object> {
    let name = tenant.name();
    let certificate_authority = json!({ "name": format!("vc-{name}"), "key": "certificate-authority" });
    let endpoint = json!({
        "port": "https",
        "scheme": "https",
        "path": "/metrics",
        "interval": INTERVAL,
        "honorLabels": false,
        "authorization": { "credentials": { "name": metrics_token_name(name), "key": TOKEN_KEY } },
        "tlsConfig": {
            "ca": { "secret": certificate_authority },
            // A name in the certificate of every API server.
            "serverName": format!("{name}.{name}.svc"),
        },
        "metricRelabelings": [{ "action": "keep", "sourceLabels": ["__name__", "le"], "regex": kept_pattern() }],
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
