//! Health of one tenant, from three queries.

use hexabase_core::clock::before;
use hexabase_core::desired::TenantTarget;
use hexabase_core::error::Result;
use hexabase_core::metrics::{ApiServerReading, HealthReadings, PodReading, QuotaReading, Replicas};
use jiff::Timestamp;
use prometheus_http_query::response::InstantVector;

use super::chart::INGESTION_DELAY;
use super::{PrometheusMetrics, promql, timestamp};

/// Reads the state of a tenant with three requests, one for each scrape job.
pub(super) async fn read(
    metrics: &PrometheusMetrics,
    target: &TenantTarget,
    now: Timestamp,
) -> Result<HealthReadings> {
    let scope = metrics.scope(std::slice::from_ref(target), metrics.scrape_interval);
    let at = before(now, INGESTION_DELAY);
    let (state, volumes, api) = futures_util::try_join!(
        metrics.query_at(promql::state_health(&scope, &target.name), at),
        metrics.query_at(promql::volume_health(&scope), at),
        metrics.query_at(promql::api_health(&scope), at)
    )?;
    Ok(readings(&state, &volumes, &api))
}

fn readings(state: &[InstantVector], volumes: &[InstantVector], api: &[InstantVector]) -> HealthReadings {
    let value = |name: &str| reading(state, name);
    let number = |name: &str| count(value(name).unwrap_or(0.0));
    // Without kube-state-metrics nothing is known; with it, what it does not have is zero.
    let is_up = value("up").is_some_and(|up| up > 0.0);
    let replicas = |ready: &str, desired: &str| {
        let desired = value(desired).map(count)?;
        Some(Replicas { ready: number(ready), desired })
    };
    let pods = PodReading {
        pending: number("pending"),
        pending_since: value("pending_since").and_then(timestamp),
        unschedulable: number("unschedulable"),
        crash_looping: number("crash_looping"),
        oom_killed: number("oom_killed"),
    };
    let dns = replicas("dns_ready", "dns").or_else(|| value("named").map(|_| Replicas::default()));
    let mut readings = HealthReadings {
        control_plane: replicas("ready", "desired"),
        control_plane_restarts: value("restarts"),
        api_server: ApiServerReading {
            error_ratio: reading(api, "error_ratio"),
            p99_seconds: reading(api, "p99"),
        },
        volume_ratio: reading(volumes, "volume"),
        dns: dns.filter(|_| is_up),
        pods: is_up.then_some(pods),
        ..HealthReadings::default()
    };
    for vector in state.iter().filter(|it| has_name(it, "quota")) {
        let labels = vector.metric();
        let (Some(resource), Some(kind)) = (labels.get("resource"), labels.get("type")) else { continue };
        let quota: &mut QuotaReading = readings.quotas.entry(resource.clone()).or_default();
        match kind.as_str() {
            "used" => quota.used = vector.sample().value(),
            "hard" => quota.hard = vector.sample().value(),
            _ => {}
        }
    }
    readings
}

fn has_name(vector: &InstantVector, name: &str) -> bool {
    vector.metric().get(promql::READING).map(String::as_str) == Some(name)
}

/// Value of a reading, if it is a number: quotients of zeros are not.
pub(super) fn reading(found: &[InstantVector], name: &str) -> Option<f64> {
    let own = found.iter().find(|vector| has_name(vector, name))?;
    Some(own.sample().value()).filter(|value| value.is_finite())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers of pods are small")]
fn count(value: f64) -> u64 {
    value.round().max(0.0) as u64
}
