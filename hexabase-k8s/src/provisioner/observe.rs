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

use super::host_cache::TenantClient;
use super::pass::{Pass, TenantAccess, TenantConnection};
use super::pods::{cause, is_scheduled, state_of_pod, state_of_rejected_pod};
use super::suspend::{StatefulSets, replicas};
use super::{Namespace, VClusterProvisioner, text};
use crate::api_server::ApiServer;
use crate::config::Exposure;
use crate::labels::{self, Labels};
use crate::object::Kind;
use crate::render::host::{CONTROL_PLANE, ETCD};
use crate::render::quantities::used;
use crate::render::tenant::is_project_quota;

impl VClusterProvisioner {
    pub(super) async fn observe_cluster(&self, target: &TenantTarget) -> Result<Observation> {
        let mut pass = Pass::new(self, target);
        let observation = pass.observe().await?;
        let mut observation = pass.subscribe(observation);
        if observation.control_plane == ControlPlaneState::Ready
            && let TenantAccess::Ready(api) = pass.access().await?
        {
            observation.project_usage = self.project_usage(target, &api).await;
        }
        pass.record(&observation);
        Ok(observation)
    }

    /// Returns the usage of projects; empty if the tenant API server does not report it.
    async fn project_usage(&self, target: &TenantTarget, api: &ApiServer) -> BTreeMap<ProjectId, Quota> {
        let keys = &self.config.labels;
        let selector = format!("{}=true,{}", keys.managed(), keys.project());
        match api.list(Kind::RESOURCE_QUOTA, None, &selector).await {
            Ok(quotas) => project_usage(quotas.iter(), keys),
            Err(error) => {
                tracing::debug!(%error, cluster = %target.name, "reading the usage of projects failed");
                BTreeMap::new()
            }
        }
    }
}

/// Usage of projects in their ResourceQuotas.
pub(super) fn project_usage<'a>(
    quotas: impl Iterator<Item = &'a Value>,
    keys: &Labels,
) -> BTreeMap<ProjectId, Quota> {
    let ours = quotas.filter(|quota| is_project_quota(text(quota, "/metadata/name")));
    let measured = |quota: &Value| {
        let label =
            quota.pointer("/metadata/labels").and_then(|labels| labels.get(keys.project()))?.as_str()?;
        let id = format!("{}_{}", ProjectId::PREFIX, label.strip_prefix("prj-")?).parse().ok()?;
        Some((id, used(quota.get("status")?)))
    };
    ours.filter_map(measured).collect()
}

impl Pass<'_> {
    /// Registers for a notification of the tenant's next progress, if the observation says that the host watch shows it.
    pub(super) fn subscribe(&self, observation: Observation) -> Observation {
        let is_up = observation.control_plane == ControlPlaneState::Ready;
        let metadata = &self.provisioner.cache.metadata;
        let will_notify = observation.will_notify && metadata.subscribe(self.target, self.revision, is_up);
        Observation { will_notify, ..observation }
    }

    /// Records the observation of a tenant that is up, as long as it does not change.
    pub(super) fn record(&self, observation: &Observation) {
        if observation.control_plane == ControlPlaneState::Ready {
            let metadata = &self.provisioner.cache.metadata;
            metadata.record_observation(&self.target.name, self.revision, observation);
        }
    }

    /// Observes the host and, once it is up, the tenant, without the usage of projects. Sets `will_notify` if the next
    /// progress shows on watched objects.
    pub(super) async fn observe(&mut self) -> Result<Observation> {
        match self.namespace().await? {
            // A foreign namespace is not a tenant cluster; `apply` reports it.
            Namespace::Foreign => return Ok(Observation::absent()),
            Namespace::Absent if self.provisioner.remaining_nodes(self.target).await?.is_empty() => {
                return Ok(Observation::absent());
            }
            // The cluster is gone, but still has nodes: they are reused if it is created again, or released.
            Namespace::Absent => return Ok(Observation::of(ControlPlaneState::Stopped)),
            Namespace::Terminating => {
                return Ok(Observation::of(ControlPlaneState::Terminating).will_notify());
            }
            Namespace::Owned => {}
        }
        self.read(&[Kind::STATEFUL_SET, Kind::RESOURCE_QUOTA]).await?;
        let Some(sets) = self.stateful_sets().await? else {
            return Ok(Observation::of(starting(WaitReason::ControlPlaneMissing)));
        };
        let quota = self.object(Kind::RESOURCE_QUOTA, &format!("vc-{}", self.target.name));
        let usage = quota.and_then(|quota| quota.get("status")).map(used);
        let set = &sets.control_plane;
        if replicas(set) == 0 {
            let control_plane = self.stopping_state(&sets).await?;
            return Ok(Observation { usage, ..Observation::of(control_plane) });
        }
        if number(set, "/status/readyReplicas") == 0 {
            let control_plane = self.not_ready(&sets).await?;
            return Ok(Observation { usage, ..Observation::of(control_plane).will_notify() });
        }
        if !is_rolled_out(set) {
            let replaced = Observation::of(starting(WaitReason::RollingOut)).will_notify();
            return Ok(Observation { usage, ..replaced });
        }
        let observation = match self.connection().await? {
            TenantConnection::Usable(client) => self.observe_tenant(client).await?,
            TenantConnection::Unusable | TenantConnection::NoKubeconfig => {
                Observation::of(starting(WaitReason::KubeconfigPending))
            }
        };
        Ok(Observation { usage, ..observation })
    }

    /// Returns `Stopped` if no pod of the control plane or its workloads is left, else `Stopping`.
    async fn stopping_state(&self, sets: &StatefulSets) -> Result<ControlPlaneState> {
        if !sets.are_stopped() {
            return Ok(ControlPlaneState::Stopping);
        }
        let (name, host) = (&self.target.name, &self.provisioner.host);
        let selector = format!("{}={name}", labels::SYNCED_BY);
        let left = host.exists(Kind::POD, name, &selector).await?;
        Ok(if left { ControlPlaneState::Stopping } else { ControlPlaneState::Stopped })
    }

    /// Determines why the control plane is not ready from its pods and their claims, or from events if it has no pods.
    async fn not_ready(&self, sets: &StatefulSets) -> Result<ControlPlaneState> {
        let selector = format!(
            "app in ({CONTROL_PLANE},{ETCD}),{}={},!{}",
            labels::RELEASE,
            self.target.name,
            labels::SYNCED_BY
        );
        let pods = self.provisioner.host.list(Kind::POD, Some(&self.target.name), &selector).await?;
        let has_pods = |set: &Value| pods.iter().any(|pod| app(pod) == app(set));
        let mut states = Vec::new();
        for set in sets.all().filter(|set| !has_pods(set)) {
            states.push(self.pod_creation_state(text(set, "/metadata/name")).await?);
        }
        for pod in &pods {
            let claim = match is_scheduled(pod) {
                true => None,
                false => self.provisioner.claim_of(self.target, text(pod, "/metadata/name")).await?,
            };
            states.push(state_of_pod(pod, claim.as_ref()));
        }
        Ok(cause(states))
    }

    /// Returns why a StatefulSet has no pods, from its newest `FailedCreate` event.
    async fn pod_creation_state(&self, set: &str) -> Result<ControlPlaneState> {
        let about = format!("involvedObject.kind=StatefulSet,involvedObject.name={set},reason=FailedCreate");
        let host = &self.provisioner.host;
        let events =
            host.list_by(Kind::EVENT, Some(&self.target.name), ListParams::default().fields(&about)).await?;
        // RFC 3339 timestamps of one format sort chronologically.
        let newest = events.iter().max_by_key(|event| text(event, "/lastTimestamp"));
        Ok(newest.map_or_else(
            || starting(WaitReason::PodMissing),
            |event| state_of_rejected_pod(text(event, "/message")),
        ))
    }

    /// Observes a tenant whose pod is ready. The control plane is ready once its API server responds as well.
    async fn observe_tenant(&mut self, client: TenantClient) -> Result<Observation> {
        let ready = async {
            client.api.ping("/readyz").await?;
            client.api.find(Kind::SERVICE_ACCOUNT, "default", "default").await
        };
        let ready = ready.await;
        self.provisioner.cache.record_response(&self.target.name, ready.is_ok());
        match ready {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(Observation::of(starting(WaitReason::ControllersStarting))),
            Err(error) => {
                tracing::debug!(%error, cluster = %self.target.name, "the tenant API server does not respond");
                return Ok(Observation::of(starting(WaitReason::ApiServerStarting)));
            }
        }
        let Some(endpoint) = self.endpoint().await? else {
            return Ok(Observation::of(starting(WaitReason::LoadBalancerPending)).will_notify());
        };
        Ok(Observation {
            api_endpoint: Some(endpoint),
            certificate_authority: client.certificate_authority,
            ..Observation::of(ControlPlaneState::Ready).will_notify()
        })
    }

    /// Returns the URL of the API server for users; `None` while its load balancer has no address.
    async fn endpoint(&mut self) -> Result<Option<String>> {
        let config = &self.provisioner.config;
        if config.exposure != Exposure::LoadBalancer {
            return Ok(Some(config.endpoint_of(&self.target.name)));
        }
        self.read(&[Kind::SERVICE]).await?;
        let service = self.object(Kind::SERVICE, &self.target.name).unwrap_or(&Value::Null);
        let at = |field| text(service, &format!("/status/loadBalancer/ingress/0/{field}"));
        Ok(match (at("hostname"), at("ip")) {
            ("", "") => None,
            ("", address) if address.contains(':') => Some(format!("https://[{address}]:443")),
            ("", host) | (host, _) => Some(format!("https://{host}:443")),
        })
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
