//! Observes the state of a tenant cluster on its host and, once its API server responds, inside it.

use std::collections::BTreeMap;

use hexabase_core::desired::TenantTarget;
use hexabase_core::error::Result;
use hexabase_core::id::{ProjectId, TypedId as _};
use hexabase_core::model::{Wait, WaitReason};
use hexabase_core::provisioner::{ControlPlaneState, Observation};
use hexabase_core::quota::Quota;
use kube::api::ListParams;
use serde_json::Value;

use super::pods::{cause, is_scheduled, state_of_pod, state_of_rejected_pod};
use super::suspend::{StatefulSets, replicas};
use super::{Namespace, VClusterProvisioner, decoded, text};
use crate::api_server::ApiServer;
use crate::config::Exposure;
use crate::labels;
use crate::object::Kind;
use crate::render::host::{CONTROL_PLANE, ETCD};
use crate::render::quantities::used;
use crate::render::tenant::is_project_quota;

impl VClusterProvisioner {
    pub(super) async fn observe_cluster(&self, target: &TenantTarget) -> Result<Observation> {
        let revision = self.metadata_cache.revision(&target.name);
        let observation = self.query_cluster(target).await?;
        let is_up = observation.control_plane == ControlPlaneState::Ready;
        let will_notify = observation.will_notify && self.metadata_cache.subscribe(target, revision, is_up);
        let observation = Observation { will_notify, ..observation };
        if is_up {
            self.metadata_cache.record_observation(&target.name, revision, &observation);
        }
        Ok(observation)
    }

    /// Queries the host and, once it is up, the tenant. Sets `will_notify` if the next progress shows on watched
    /// objects.
    async fn query_cluster(&self, target: &TenantTarget) -> Result<Observation> {
        match self.namespace(target).await? {
            // A foreign namespace is not a tenant cluster; `apply` reports it.
            Namespace::Foreign => return Ok(Observation::absent()),
            Namespace::Absent if self.remaining_nodes(target).await?.is_empty() => {
                return Ok(Observation::absent());
            }
            // The cluster is gone, but still has nodes: they are reused if it is created again, or released.
            Namespace::Absent => return Ok(Observation::of(ControlPlaneState::Stopped)),
            Namespace::Terminating => {
                return Ok(Observation::of(ControlPlaneState::Terminating).will_notify());
            }
            Namespace::Owned => {}
        }
        let name = &target.name;
        let Some(sets) = self.stateful_sets(target).await? else {
            return Ok(Observation::of(starting(WaitReason::ControlPlaneMissing)));
        };
        let quota = self.host.find(Kind::RESOURCE_QUOTA, name, &format!("vc-{name}")).await?;
        let usage = quota.as_ref().and_then(|quota| quota.get("status")).map(used);
        let set = &sets.control_plane;
        if replicas(set) == 0 {
            let control_plane = self.stopping_state(target, &sets).await?;
            return Ok(Observation { usage, ..Observation::of(control_plane) });
        }
        if number(set, "/status/readyReplicas") == 0 {
            let control_plane = self.not_ready(target, &sets).await?;
            return Ok(Observation { usage, ..Observation::of(control_plane).will_notify() });
        }
        if !is_rolled_out(set) {
            let replaced = Observation::of(starting(WaitReason::RollingOut)).will_notify();
            return Ok(Observation { usage, ..replaced });
        }
        let observation = match self.tenant(target).await? {
            Some(api) => self.observe_tenant(target, &api).await?,
            None => Observation::of(starting(WaitReason::KubeconfigPending)),
        };
        Ok(Observation { usage, ..observation })
    }

    /// Returns `Stopped` if no pod of the control plane or its workloads is left, else `Stopping`.
    async fn stopping_state(&self, target: &TenantTarget, sets: &StatefulSets) -> Result<ControlPlaneState> {
        if !sets.are_stopped() {
            return Ok(ControlPlaneState::Stopping);
        }
        let selector = format!("{}={}", labels::SYNCED_BY, target.name);
        let left = self.host.exists(Kind::POD, &target.name, &selector).await?;
        Ok(if left { ControlPlaneState::Stopping } else { ControlPlaneState::Stopped })
    }

    /// Determines why the control plane is not ready from its pods and their claims, or from events if it has no pods.
    async fn not_ready(&self, target: &TenantTarget, sets: &StatefulSets) -> Result<ControlPlaneState> {
        let selector = format!(
            "app in ({CONTROL_PLANE},{ETCD}),{}={},!{}",
            labels::RELEASE,
            target.name,
            labels::SYNCED_BY
        );
        let pods = self.host.list(Kind::POD, Some(&target.name), &selector).await?;
        let has_pods = |set: &Value| pods.iter().any(|pod| app(pod) == app(set));
        let mut states = Vec::new();
        for set in sets.all().filter(|set| !has_pods(set)) {
            states.push(self.pod_creation_state(target, text(set, "/metadata/name")).await?);
        }
        for pod in &pods {
            let claim = match is_scheduled(pod) {
                true => None,
                false => self.claim_of(target, text(pod, "/metadata/name")).await?,
            };
            states.push(state_of_pod(pod, claim.as_ref()));
        }
        Ok(cause(states))
    }

    /// Returns why a StatefulSet has no pods, from its newest `FailedCreate` event.
    async fn pod_creation_state(&self, target: &TenantTarget, set: &str) -> Result<ControlPlaneState> {
        let about = format!("involvedObject.kind=StatefulSet,involvedObject.name={set},reason=FailedCreate");
        let events =
            self.host.list_by(Kind::EVENT, Some(&target.name), ListParams::default().fields(&about)).await?;
        // RFC 3339 timestamps of one format sort chronologically.
        let newest = events.iter().max_by_key(|event| text(event, "/lastTimestamp"));
        Ok(newest.map_or_else(
            || starting(WaitReason::PodMissing),
            |event| state_of_rejected_pod(text(event, "/message")),
        ))
    }

    /// Observes a tenant whose pod is ready. The control plane is ready once its API server responds as well.
    async fn observe_tenant(&self, target: &TenantTarget, api: &ApiServer) -> Result<Observation> {
        let ready = async {
            api.ping("/readyz").await?;
            api.find(Kind::SERVICE_ACCOUNT, "default", "default").await
        };
        let ready = ready.await;
        self.record_response(target, ready.is_ok());
        match ready {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(Observation::of(starting(WaitReason::ControllersStarting))),
            Err(error) => {
                tracing::debug!(%error, cluster = %target.name, "the tenant API server does not respond");
                return Ok(Observation::of(starting(WaitReason::ApiServerStarting)));
            }
        }
        let Some(endpoint) = self.endpoint(target).await? else {
            return Ok(Observation::of(starting(WaitReason::LoadBalancerPending)).will_notify());
        };
        let secret = self.admin_secret(target).await?;
        let certificate_authority =
            secret.as_ref().and_then(|(secret, _)| decoded(secret, "certificate-authority"));
        Ok(Observation {
            api_endpoint: Some(endpoint),
            certificate_authority,
            project_usage: self.project_usage(target, api).await,
            ..Observation::of(ControlPlaneState::Ready).will_notify()
        })
    }

    /// Returns the URL of the API server for users; `None` while its load balancer has no address.
    async fn endpoint(&self, target: &TenantTarget) -> Result<Option<String>> {
        if self.config.exposure != Exposure::LoadBalancer {
            return Ok(Some(self.config.endpoint_of(&target.name)));
        }
        let service = self.host.find(Kind::SERVICE, &target.name, &target.name).await?.unwrap_or_default();
        let at = |field| text(&service, &format!("/status/loadBalancer/ingress/0/{field}"));
        Ok(match (at("hostname"), at("ip")) {
            ("", "") => None,
            ("", address) if address.contains(':') => Some(format!("https://[{address}]:443")),
            ("", host) | (host, _) => Some(format!("https://{host}:443")),
        })
    }

    /// Returns the usage of projects; empty if the tenant API server does not report it.
    async fn project_usage(&self, target: &TenantTarget, api: &ApiServer) -> BTreeMap<ProjectId, Quota> {
        let keys = &self.config.labels;
        let selector = format!("{}=true,{}", keys.managed(), keys.project());
        let quotas = match api.list(Kind::RESOURCE_QUOTA, None, &selector).await {
            Ok(quotas) => quotas,
            Err(error) => {
                tracing::debug!(%error, cluster = %target.name, "reading the usage of projects failed");
                return BTreeMap::new();
            }
        };
        let ours = quotas.iter().filter(|quota| is_project_quota(text(quota, "/metadata/name")));
        let measured = |quota: &Value| {
            let label =
                quota.pointer("/metadata/labels").and_then(|labels| labels.get(keys.project()))?.as_str()?;
            let id = format!("{}_{}", ProjectId::PREFIX, label.strip_prefix("prj-")?).parse().ok()?;
            Some((id, used(quota.get("status")?)))
        };
        ours.filter_map(measured).collect()
    }
}

/// Label that identifies the program of a pod or StatefulSet.
fn app(body: &Value) -> &str {
    text(body, "/metadata/labels/app")
}

fn number(body: &Value, pointer: &str) -> u64 {
    body.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

/// `true` if all pods have the current revision, as `kubectl rollout status` determines it.
pub(super) fn is_rolled_out(set: &Value) -> bool {
    number(set, "/status/observedGeneration") >= number(set, "/metadata/generation")
        && text(set, "/status/currentRevision") == text(set, "/status/updateRevision")
}

/// `true` if the control plane is up as far as the host reports it.
pub(super) fn is_up(set: &Value) -> bool {
    is_rolled_out(set) && number(set, "/status/readyReplicas") > 0
}

fn starting(reason: WaitReason) -> ControlPlaneState {
    ControlPlaneState::Starting(Wait::new(reason))
}
