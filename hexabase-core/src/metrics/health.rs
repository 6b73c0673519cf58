//! Health of a tenant: readings, and the conditions that they mean.

use std::collections::BTreeMap;
use std::fmt::Display;

use jiff::Timestamp;

use crate::model::ConditionStatus;

/// Share of failed requests above which the API server counts as failing.
const MAX_ERROR_RATIO: f64 = 0.01;
/// 99th percentile of response times, in seconds, above which the API server counts as slow.
const MAX_P99_SECONDS: f64 = 1.0;
/// Used share of the control plane's volume above which it counts as filling.
const MAX_VOLUME_RATIO: f64 = 0.85;
/// Used share of a quota above which it counts as nearly exhausted.
const MAX_QUOTA_RATIO: f64 = 0.9;

/// State of a tenant's control plane and pods, as measured; `None` for what is unknown.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HealthReadings {
    /// Replicas of the control plane.
    pub control_plane: Option<Replicas>,
    /// Number of restarts of control plane containers in the last hour.
    pub control_plane_restarts: Option<f64>,
    /// The tenant API server.
    pub api_server: ApiServerReading,
    /// Used share of the fullest volume of the control plane, from 0 to 1.
    pub volume_ratio: Option<f64>,
    /// Pods of the cluster's DNS.
    pub dns: Option<Replicas>,
    /// Pods of the workload.
    pub pods: Option<PodReading>,
    /// Quotas of the workspace, its control plane included, by resource in Kubernetes' notation: `requests.cpu`.
    pub quotas: BTreeMap<String, QuotaReading>,
}

/// Replicas of a component.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replicas {
    /// Number of ready replicas.
    pub ready: u64,
    /// Number of desired replicas.
    pub desired: u64,
}

/// State of a tenant API server in the last five minutes; `None` for what is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ApiServerReading {
    /// Share of requests that failed with a status of 500 or more, from 0 to 1.
    pub error_ratio: Option<f64>,
    /// 99th percentile of response times, without watches, in seconds.
    pub p99_seconds: Option<f64>,
}

/// Numbers of the workload's pods and containers that do not run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PodReading {
    /// Number of pending pods.
    pub pending: u64,
    /// Creation time of the oldest pending pod.
    pub pending_since: Option<Timestamp>,
    /// Number of pods that no node can run.
    pub unschedulable: u64,
    /// Number of containers that wait for a restart after repeated failures.
    pub crash_looping: u64,
    /// Number of containers that exceeded their memory limit in the last hour.
    pub oom_killed: u64,
}

/// Use of a quota.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct QuotaReading {
    /// Used amount.
    pub used: f64,
    /// Maximum amount.
    pub hard: f64,
}

/// Condition of a workspace's health. `True` is healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCondition {
    /// Type, in `CamelCase`.
    pub kind: &'static str,
    /// Status.
    pub status: ConditionStatus,
    /// Reason of the status, in `CamelCase`.
    pub reason: &'static str,
    /// Description of the reason, with the measured values.
    pub message: String,
    /// Measured values in the description by their names, for descriptions in other languages.
    pub values: Vec<(&'static str, String)>,
    /// Next step; empty if the condition holds.
    pub remedy: &'static str,
    /// Start of the state, if known.
    pub since: Option<Timestamp>,
}

impl HealthCondition {
    fn healthy(kind: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        let (status, values) = (ConditionStatus::True, Vec::new());
        Self { kind, status, reason, message, values, remedy: "", since: None }
    }

    /// Adds a measured value of the description.
    fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.values.push((name, value.to_string()));
        self
    }

    fn unhealthy(
        kind: &'static str,
        reason: &'static str,
        message: impl Into<String>,
        remedy: &'static str,
    ) -> Self {
        Self { status: ConditionStatus::False, remedy, ..Self::healthy(kind, reason, message) }
    }

    fn unmeasured(kind: &'static str, remedy: &'static str) -> Self {
        let message = "this was not measured recently";
        Self { status: ConditionStatus::Unknown, remedy, ..Self::healthy(kind, "NotMeasured", message) }
    }
}

const NO_STATE_METRICS: &str =
    "if it stays unknown, the operator checks that Prometheus scrapes kube-state-metrics";
const NO_API_METRICS: &str =
    "if it stays unknown, the operator checks that Prometheus scrapes the tenant API servers";
const NO_VOLUME_METRICS: &str =
    "if it stays unknown, the storage driver of the host does not report the use of volumes";
const NO_DNS_NAMES: &str = "the operator starts kube-state-metrics with \
     --metric-labels-allowlist=pods=[vcluster.loft.sh/namespace]";

/// Returns the conditions of a workspace in a fixed order.
#[must_use]
pub fn conditions(readings: &HealthReadings) -> Vec<HealthCondition> {
    let is_suspended = readings.control_plane.is_some_and(|it| it.desired == 0);
    vec![
        control_plane_ready(readings.control_plane),
        control_plane_stable(readings.control_plane_restarts),
        api_server_succeeds(readings.api_server.error_ratio, is_suspended),
        api_server_responsive(readings.api_server.p99_seconds, is_suspended),
        control_plane_volume(readings.volume_ratio, is_suspended),
        dns_ready(readings.dns, is_suspended),
        pods_scheduled(readings.pods),
        containers_running(readings.pods),
        quota_available(&readings.quotas),
    ]
}

fn suspended(kind: &'static str) -> HealthCondition {
    HealthCondition {
        status: ConditionStatus::Unknown,
        remedy: "resume the workspace",
        ..HealthCondition::healthy(kind, "Suspended", "the workspace is suspended")
    }
}

fn control_plane_ready(replicas: Option<Replicas>) -> HealthCondition {
    const KIND: &str = "ControlPlaneReady";
    match replicas {
        None => HealthCondition::unmeasured(KIND, NO_STATE_METRICS),
        Some(Replicas { desired: 0, .. }) => suspended(KIND),
        Some(Replicas { ready: 0, .. }) => HealthCondition::unhealthy(
            KIND,
            "NoReplicaReady",
            "no replica of the control plane is ready",
            "wait some minutes; if it lasts, read the tasks of the workspace and ask the operator",
        ),
        Some(Replicas { ready, desired }) if ready < desired => HealthCondition::unhealthy(
            KIND,
            "ReplicasMissing",
            format!("{ready} of {desired} replicas of the control plane are ready"),
            "no action; if it lasts, ask the operator",
        )
        .with("ready", ready)
        .with("desired", desired),
        Some(Replicas { ready, .. }) => HealthCondition::healthy(
            KIND,
            "Ready",
            format!("{ready} replicas of the control plane are ready"),
        )
        .with("ready", ready),
    }
}

fn control_plane_stable(restarts: Option<f64>) -> HealthCondition {
    const KIND: &str = "ControlPlaneStable";
    match restarts {
        None => HealthCondition::unmeasured(KIND, NO_STATE_METRICS),
        Some(restarts) if restarts >= 1.0 => HealthCondition::unhealthy(
            KIND,
            "Restarted",
            format!("containers of the control plane restarted {restarts:.0} times in the last hour"),
            "reduce the number of objects and watches, or choose a plan with a larger control plane; if it lasts, ask the operator",
        )
        .with("count", format!("{restarts:.0}")),
        Some(_) => {
            HealthCondition::healthy(KIND, "NoRestarts", "the control plane did not restart in the last hour")
        }
    }
}

fn api_server_succeeds(ratio: Option<f64>, is_suspended: bool) -> HealthCondition {
    const KIND: &str = "ApiServerSucceeds";
    match ratio {
        None if is_suspended => suspended(KIND),
        None => HealthCondition::unmeasured(KIND, NO_API_METRICS),
        Some(ratio) if ratio > MAX_ERROR_RATIO => HealthCondition::unhealthy(
            KIND,
            "RequestsFail",
            format!(
                "{:.1} % of API requests failed with a server error in the last five minutes",
                ratio * 100.0
            ),
            "check the admission webhooks and API services of the cluster; they are the usual cause",
        )
        .with("percent", format!("{:.1}", ratio * 100.0)),
        Some(_) => HealthCondition::healthy(KIND, "RequestsSucceed", "API requests succeed"),
    }
}

fn api_server_responsive(p99: Option<f64>, is_suspended: bool) -> HealthCondition {
    const KIND: &str = "ApiServerResponsive";
    match p99 {
        None if is_suspended => suspended(KIND),
        None => HealthCondition::unmeasured(KIND, NO_API_METRICS),
        Some(seconds) if seconds > MAX_P99_SECONDS => HealthCondition::unhealthy(
            KIND,
            "Slow",
            format!("1 % of API requests took more than {seconds:.1} s in the last five minutes"),
            "reduce large lists and the number of watches, or choose a plan with a larger control plane",
        )
        .with("seconds", format!("{seconds:.1}")),
        Some(seconds) => HealthCondition::healthy(
            KIND,
            "Fast",
            format!("99 % of API requests took at most {seconds:.2} s"),
        )
        .with("seconds", format!("{seconds:.2}")),
    }
}

fn control_plane_volume(ratio: Option<f64>, is_suspended: bool) -> HealthCondition {
    const KIND: &str = "ControlPlaneVolumeHasSpace";
    match ratio {
        None if is_suspended => suspended(KIND),
        None => HealthCondition::unmeasured(KIND, NO_VOLUME_METRICS),
        Some(ratio) if ratio > MAX_VOLUME_RATIO => HealthCondition::unhealthy(
            KIND,
            "Filling",
            format!("the volume of the control plane is {:.0} % full", ratio * 100.0),
            "delete objects that are not needed, such as events, Secrets and ConfigMaps, and ask the operator for a larger volume",
        )
        .with("percent", format!("{:.0}", ratio * 100.0)),
        Some(ratio) => {
            let message = format!("the volume of the control plane is {:.0} % full", ratio * 100.0);
            HealthCondition::healthy(KIND, "HasSpace", message).with("percent", format!("{:.0}", ratio * 100.0))
        }
    }
}

fn dns_ready(replicas: Option<Replicas>, is_suspended: bool) -> HealthCondition {
    const KIND: &str = "DnsReady";
    match replicas {
        _ if is_suspended => suspended(KIND),
        None => HealthCondition::unmeasured(KIND, NO_DNS_NAMES),
        Some(Replicas { desired: 0, .. }) => HealthCondition::unhealthy(
            KIND,
            "NoPods",
            "the cluster has no pods of CoreDNS",
            "restore the Deployment coredns in the namespace kube-system",
        ),
        Some(Replicas { ready: 0, .. }) => HealthCondition::unhealthy(
            KIND,
            "NotReady",
            "no pod of CoreDNS is ready, so names of Services cannot be resolved",
            "read the events and logs of the Deployment coredns in the namespace kube-system",
        ),
        Some(Replicas { ready, .. }) => {
            HealthCondition::healthy(KIND, "Ready", format!("{ready} pods of CoreDNS are ready"))
                .with("ready", ready)
        }
    }
}

fn pods_scheduled(pods: Option<PodReading>) -> HealthCondition {
    const KIND: &str = "PodsScheduled";
    let Some(pods) = pods else { return HealthCondition::unmeasured(KIND, NO_STATE_METRICS) };
    let condition = match pods {
        PodReading { unschedulable, .. } if unschedulable > 0 => HealthCondition::unhealthy(
            KIND,
            "Unschedulable",
            format!("no node can run {unschedulable} of the pods"),
            "reduce the requests of the pods, or remove node selectors and affinities that no node matches",
        )
        .with("count", unschedulable),
        PodReading { pending, .. } if pending > 0 => HealthCondition::unhealthy(
            KIND,
            "Pending",
            format!("{pending} pods are pending"),
            "wait until images are pulled and volumes are attached; if it lasts, read the events of the pods",
        )
        .with("count", pending),
        _ => return HealthCondition::healthy(KIND, "Scheduled", "no pod is pending"),
    };
    HealthCondition { since: pods.pending_since, ..condition }
}

fn containers_running(pods: Option<PodReading>) -> HealthCondition {
    const KIND: &str = "ContainersRunning";
    match pods {
        None => HealthCondition::unmeasured(KIND, NO_STATE_METRICS),
        Some(PodReading { crash_looping, .. }) if crash_looping > 0 => HealthCondition::unhealthy(
            KIND,
            "CrashLoop",
            format!("{crash_looping} containers fail repeatedly after their start"),
            "read the logs of the containers with `kubectl logs --previous`",
        )
        .with("count", crash_looping),
        Some(PodReading { oom_killed, .. }) if oom_killed > 0 => HealthCondition::unhealthy(
            KIND,
            "OomKilled",
            format!("{oom_killed} containers exceeded their memory limit in the last hour"),
            "raise the memory limit of the containers, or reduce their use of memory",
        )
        .with("count", oom_killed),
        Some(_) => HealthCondition::healthy(KIND, "Running", "no container fails repeatedly"),
    }
}

fn quota_available(quotas: &BTreeMap<String, QuotaReading>) -> HealthCondition {
    const KIND: &str = "QuotaAvailable";
    let ratio = |quota: &QuotaReading| if quota.hard > 0.0 { quota.used / quota.hard } else { 0.0 };
    let fullest = quotas.iter().max_by(|(_, one), (_, other)| ratio(one).total_cmp(&ratio(other)));
    let Some((resource, quota)) = fullest else {
        return HealthCondition::unmeasured(KIND, NO_STATE_METRICS);
    };
    let message = format!("{:.0} % of {resource} is used, the most of all quotas", ratio(quota) * 100.0);
    let condition = match ratio(quota) > MAX_QUOTA_RATIO {
        true => HealthCondition::unhealthy(
            KIND,
            "NearlyExhausted",
            message,
            "delete what is not needed, or choose a larger plan; new pods are rejected at 100 %",
        ),
        false => HealthCondition::healthy(KIND, "Available", message),
    };
    condition.with("percent", format!("{:.0}", ratio(quota) * 100.0)).with("resource", resource)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::FIXTURE_TIME;
    use crate::model::ConditionStatus::{False, True, Unknown};

    fn healthy() -> HealthReadings {
        HealthReadings {
            control_plane: Some(Replicas { ready: 1, desired: 1 }),
            control_plane_restarts: Some(0.0),
            api_server: ApiServerReading { error_ratio: Some(0.0), p99_seconds: Some(0.05) },
            volume_ratio: Some(0.3),
            dns: Some(Replicas { ready: 1, desired: 1 }),
            pods: Some(PodReading::default()),
            quotas: [("requests.cpu".to_owned(), QuotaReading { used: 1.0, hard: 4.0 })].into(),
        }
    }

    fn pods(pods: PodReading) -> HealthReadings {
        HealthReadings { pods: Some(pods), ..healthy() }
    }

    fn quotas(quotas: &[(&str, f64, f64)]) -> HealthReadings {
        let quota = |(name, used, hard): &(&str, f64, f64)| {
            ((*name).to_owned(), QuotaReading { used: *used, hard: *hard })
        };
        HealthReadings { quotas: quotas.iter().map(quota).collect(), ..healthy() }
    }

    #[test]
    fn each_reading_changes_its_condition_only() {
        let replicas = |ready, desired| Some(Replicas { ready, desired });
        let api = |error_ratio, p99_seconds| HealthReadings {
            api_server: ApiServerReading { error_ratio, p99_seconds },
            ..healthy()
        };
        let control_plane = |replicas| HealthReadings { control_plane: replicas, ..healthy() };
        let restarts = |restarts| HealthReadings { control_plane_restarts: restarts, ..healthy() };
        let volume = |ratio| HealthReadings { volume_ratio: ratio, ..healthy() };
        let dns = |replicas| HealthReadings { dns: replicas, ..healthy() };
        let fast = Some(0.1);
        let table = [
            (control_plane(None), "ControlPlaneReady", Unknown, "NotMeasured"),
            (control_plane(replicas(0, 1)), "ControlPlaneReady", False, "NoReplicaReady"),
            (control_plane(replicas(2, 3)), "ControlPlaneReady", False, "ReplicasMissing"),
            (restarts(None), "ControlPlaneStable", Unknown, "NotMeasured"),
            (restarts(Some(2.0)), "ControlPlaneStable", False, "Restarted"),
            (api(None, fast), "ApiServerSucceeds", Unknown, "NotMeasured"),
            (api(Some(0.02), fast), "ApiServerSucceeds", False, "RequestsFail"),
            (api(Some(0.0), None), "ApiServerResponsive", Unknown, "NotMeasured"),
            (api(Some(0.0), Some(2.5)), "ApiServerResponsive", False, "Slow"),
            (volume(None), "ControlPlaneVolumeHasSpace", Unknown, "NotMeasured"),
            (volume(Some(0.9)), "ControlPlaneVolumeHasSpace", False, "Filling"),
            (dns(None), "DnsReady", Unknown, "NotMeasured"),
            (dns(replicas(0, 0)), "DnsReady", False, "NoPods"),
            (dns(replicas(0, 1)), "DnsReady", False, "NotReady"),
            (pods(PodReading { pending: 1, ..PodReading::default() }), "PodsScheduled", False, "Pending"),
            (
                pods(PodReading { pending: 1, unschedulable: 1, ..PodReading::default() }),
                "PodsScheduled",
                False,
                "Unschedulable",
            ),
            (
                pods(PodReading { crash_looping: 1, oom_killed: 1, ..PodReading::default() }),
                "ContainersRunning",
                False,
                "CrashLoop",
            ),
            (
                pods(PodReading { oom_killed: 1, ..PodReading::default() }),
                "ContainersRunning",
                False,
                "OomKilled",
            ),
            (quotas(&[]), "QuotaAvailable", Unknown, "NotMeasured"),
            (
                quotas(&[("requests.cpu", 1.0, 4.0), ("count/pods", 19.0, 20.0)]),
                "QuotaAvailable",
                False,
                "NearlyExhausted",
            ),
            (quotas(&[("count/pods", 0.0, 0.0)]), "QuotaAvailable", True, "Available"),
        ];
        for (readings, kind, status, reason) in table {
            let found = conditions(&readings);
            for condition in &found {
                let (expected, is_subject) = (condition.kind == kind, condition.status != True);
                assert!(!is_subject || expected, "{reason}: {condition:?}");
                assert_eq!(condition.remedy.is_empty(), condition.status == True, "{condition:?}");
            }
            let subject = found.iter().find(|condition| condition.kind == kind).unwrap();
            assert_eq!((subject.status, subject.reason), (status, reason));
        }
    }

    #[test]
    fn a_healthy_workspace_has_no_remedies_and_an_unmeasured_one_has_no_verdict() {
        assert!(conditions(&healthy()).iter().all(|condition| condition.status == True));
        let unmeasured = conditions(&HealthReadings::default());
        assert!(
            unmeasured.iter().all(|condition| condition.status == Unknown && !condition.remedy.is_empty())
        );
    }

    #[test]
    fn each_measured_value_of_a_description_is_among_the_values() {
        let readings = HealthReadings {
            control_plane: Some(Replicas { ready: 2, desired: 3 }),
            control_plane_restarts: Some(7.0),
            api_server: ApiServerReading { error_ratio: Some(0.02), p99_seconds: Some(2.5) },
            volume_ratio: Some(0.9),
            dns: Some(Replicas { ready: 4, desired: 4 }),
            pods: Some(PodReading { pending: 5, oom_killed: 6, ..PodReading::default() }),
            ..healthy()
        };
        for condition in conditions(&readings).into_iter().chain(conditions(&healthy())) {
            assert!(
                condition.values.iter().all(|(_, value)| condition.message.contains(value)),
                "{condition:?}"
            );
            let has_number =
                condition.message.split_once("in the last").map_or(&*condition.message, |(start, _)| start);
            assert_eq!(
                has_number.contains(|letter: char| letter.is_ascii_digit()),
                !condition.values.is_empty(),
                "{condition:?}"
            );
        }
    }

    #[test]
    fn a_suspended_workspace_is_not_unhealthy() {
        let replicas = Some(Replicas { ready: 0, desired: 0 });
        let suspended = HealthReadings {
            control_plane: replicas,
            dns: replicas,
            api_server: ApiServerReading::default(),
            volume_ratio: None,
            ..healthy()
        };
        let found = conditions(&suspended);
        assert!(found.iter().all(|condition| condition.status != False), "{found:?}");
        assert_eq!(found.iter().filter(|condition| condition.reason == "Suspended").count(), 5);
    }

    #[test]
    fn pending_pods_have_a_start() {
        let pending = PodReading { pending: 1, pending_since: Some(FIXTURE_TIME), ..PodReading::default() };
        let found = conditions(&pods(pending));
        let condition = found.iter().find(|condition| condition.kind == "PodsScheduled").unwrap();
        assert_eq!(condition.since, Some(FIXTURE_TIME));
    }
}
