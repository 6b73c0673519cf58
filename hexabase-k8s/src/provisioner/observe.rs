use std::collections::BTreeMap;

use hexabase_core::desired::TenantTarget;
use hexabase_core::error::Result;
use hexabase_core::id::{ProjectId, TypedId as _};
use hexabase_core::provisioner::{ControlPlaneState, Observation};
use hexabase_core::quota::Quota;
use kube::api::ListParams;
use serde_json::Value;

use super::power::{StatefulSets, replicas};
use super::{Namespace, VClusterProvisioner, decoded, text};
use crate::api_server::ApiServer;
use crate::labels;
use crate::object::Kind;
use crate::render::host::{CONTROL_PLANE, ETCD};
use crate::render::quantities::used;
use crate::render::tenant::is_project_quota;
use crate::settings::Exposure;

impl VClusterProvisioner {
    pub(super) async fn observe_cluster(&self, target: &TenantTarget) -> Result<Observation> {
        let moment = self.reflection.moment(&target.name);
        let observation = self.ask(target).await?;
        let is_up = observation.control_plane == ControlPlaneState::Ready;
        let announced = observation.announced && self.reflection.announce(target, moment, is_up);
        let observation = Observation { announced, ..observation };
        if is_up {
            self.reflection.observed(&target.name, moment, &observation);
        }
        Ok(observation)
    }

    /// Asks the host, and the tenant once it is up. What is next counts as announced where it shows on what can be watched.
    async fn ask(&self, target: &TenantTarget) -> Result<Observation> {
        match self.namespace(target).await? {
            // What is not ours is no cluster of ours; applying says so.
            Namespace::Foreign => return Ok(Observation::absent()),
            Namespace::Absent if self.nodes_left(target).await?.is_empty() => {
                return Ok(Observation::absent());
            }
            // Nothing runs, and something is still its own: it can be made anew with it, or has to give it back.
            Namespace::Absent => return Ok(Observation::of(ControlPlaneState::Stopped)),
            Namespace::Terminating => return Ok(Observation::of(ControlPlaneState::Terminating).announced()),
            Namespace::Ours => {}
        }
        let name = &target.name;
        let Some(sets) = self.stateful_sets(target).await? else {
            return Ok(Observation::of(starting("its control plane was not made yet")));
        };
        let quota = self.host.find(Kind::RESOURCE_QUOTA, name, &format!("vc-{name}")).await?;
        let usage = quota.as_ref().and_then(|quota| quota.get("status")).map(used);
        let set = &sets.control_plane;
        if replicas(set) == 0 {
            let control_plane = self.sleeping(target, &sets).await?;
            return Ok(Observation { usage, ..Observation::of(control_plane) });
        }
        if number(set, "/status/readyReplicas") == 0 {
            let control_plane = self.not_ready(target, &sets).await?;
            return Ok(Observation { usage, ..Observation::of(control_plane).announced() });
        }
        if !is_rolled_out(set) {
            let replaced = Observation::of(starting("its control plane is being replaced")).announced();
            return Ok(Observation { usage, ..replaced });
        }
        let observation = match self.tenant(target).await? {
            Some(api) => self.answering(target, &api).await?,
            None => Observation::of(starting("it has not handed out its kubeconfig yet")),
        };
        Ok(Observation { usage, ..observation })
    }

    /// It sleeps when its control plane is gone, and with it everything it ran.
    async fn sleeping(&self, target: &TenantTarget, sets: &StatefulSets) -> Result<ControlPlaneState> {
        if !sets.are_stopped() {
            return Ok(ControlPlaneState::Stopping);
        }
        let selector = format!("{}={}", labels::SYNCED_BY, target.name);
        let left = self.host.list(Kind::POD, Some(&target.name), &selector).await?;
        Ok(if left.is_empty() { ControlPlaneState::Stopped } else { ControlPlaneState::Stopping })
    }

    /// Why the control plane is not ready: what its pods say, and the host where there are none.
    async fn not_ready(&self, target: &TenantTarget, sets: &StatefulSets) -> Result<ControlPlaneState> {
        let selector = format!("app in ({CONTROL_PLANE},{ETCD}),{}={}", labels::RELEASE, target.name);
        let pods = self.host.list(Kind::POD, Some(&target.name), &selector).await?;
        let has_pods = |set: &Value| pods.iter().any(|pod| app(pod) == app(set));
        let mut waiting = "its pod is starting";
        for set in sets.all().filter(|set| !has_pods(set)) {
            // What it is refused keeps others from starting as well, which say something else.
            if let Some(refused) = self.no_pod(target, text(set, "/metadata/name")).await? {
                return Ok(refused);
            }
            waiting = "its pod was not made yet";
        }
        Ok(pods.iter().find_map(trouble).unwrap_or_else(|| starting(waiting)))
    }

    /// Why a StatefulSet has no pod: what the host says about making one.
    async fn no_pod(&self, target: &TenantTarget, set: &str) -> Result<Option<ControlPlaneState>> {
        let about = format!("involvedObject.kind=StatefulSet,involvedObject.name={set},reason=FailedCreate");
        let events =
            self.host.list_by(Kind::EVENT, Some(&target.name), ListParams::default().fields(&about)).await?;
        // Timestamps of one form sort like the times they stand for.
        let newest = events.iter().max_by_key(|event| text(event, "/lastTimestamp"));
        Ok(newest.map(|event| {
            let message =
                format!("the host does not let its pod be made: {}", brief(text(event, "/message")));
            ControlPlaneState::Broken { reason: "FailedCreate".to_owned(), message }
        }))
    }

    /// The control plane's pod is ready; it counts once its API server answers, too.
    async fn answering(&self, target: &TenantTarget, api: &ApiServer) -> Result<Observation> {
        let ready = async {
            api.ping("/readyz").await?;
            api.find(Kind::SERVICE_ACCOUNT, "default", "default").await
        };
        let ready = ready.await;
        self.heard(target, ready.is_ok());
        match ready {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(Observation::of(starting("its controllers are starting"))),
            Err(error) => {
                tracing::debug!(%error, cluster = %target.name, "the tenant does not answer");
                return Ok(Observation::of(starting("its API server does not answer yet")));
            }
        }
        let Some(endpoint) = self.endpoint(target).await? else {
            return Ok(Observation::of(starting("its load balancer has no address yet")).announced());
        };
        let secret = self.admin_secret(target).await?;
        let certificate_authority =
            secret.as_ref().and_then(|(secret, _)| decoded(secret, "certificate-authority"));
        Ok(Observation {
            api_endpoint: Some(endpoint),
            certificate_authority,
            project_usage: self.project_usage(target, api).await,
            ..Observation::of(ControlPlaneState::Ready).announced()
        })
    }

    /// Where users find the API server, once that is known.
    async fn endpoint(&self, target: &TenantTarget) -> Result<Option<String>> {
        if self.settings.exposure != Exposure::LoadBalancer {
            return Ok(Some(self.settings.endpoint_of(&target.name)));
        }
        let service = self.host.find(Kind::SERVICE, &target.name, &target.name).await?.unwrap_or_default();
        let at = |field| text(&service, &format!("/status/loadBalancer/ingress/0/{field}"));
        Ok(match (at("hostname"), at("ip")) {
            ("", "") => None,
            ("", address) if address.contains(':') => Some(format!("https://[{address}]:443")),
            ("", host) | (host, _) => Some(format!("https://{host}:443")),
        })
    }

    /// What projects use; nothing when the tenant would rather not say.
    async fn project_usage(&self, target: &TenantTarget, api: &ApiServer) -> BTreeMap<ProjectId, Quota> {
        let selector = format!("{}=true,{}", labels::MANAGED, labels::PROJECT);
        let quotas = match api.list(Kind::RESOURCE_QUOTA, None, &selector).await {
            Ok(quotas) => quotas,
            Err(error) => {
                tracing::debug!(%error, cluster = %target.name, "the tenant does not tell its usage");
                return BTreeMap::new();
            }
        };
        let ours = quotas.iter().filter(|quota| is_project_quota(text(quota, "/metadata/name")));
        let measured = |quota: &Value| {
            let label =
                quota.pointer("/metadata/labels").and_then(|labels| labels.get(labels::PROJECT))?.as_str()?;
            let id = format!("{}_{}", ProjectId::PREFIX, label.strip_prefix("prj-")?).parse().ok()?;
            Some((id, used(quota.get("status")?)))
        };
        ours.filter_map(measured).collect()
    }
}

/// What a pod, or a StatefulSet, is one of.
fn app(body: &Value) -> &str {
    text(body, "/metadata/labels/app")
}

fn number(body: &Value, pointer: &str) -> u64 {
    body.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

/// Whether the pods are those that are asked for now, as `kubectl rollout status` tells.
pub(super) fn is_rolled_out(set: &Value) -> bool {
    number(set, "/status/observedGeneration") >= number(set, "/metadata/generation")
        && text(set, "/status/currentRevision") == text(set, "/status/updateRevision")
}

/// Whether a control plane is up, as far as its host can tell.
pub(super) fn is_up(set: &Value) -> bool {
    is_rolled_out(set) && number(set, "/status/readyReplicas") > 0
}

fn starting(message: &str) -> ControlPlaneState {
    ControlPlaneState::Starting { message: message.to_owned() }
}

/// What keeps a pod from coming up, if it will not pass by itself.
fn trouble(pod: &Value) -> Option<ControlPlaneState> {
    let containers = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let statuses = containers.iter().filter_map(|pointer| pod.pointer(pointer)?.as_array()).flatten();
    let mut waiting = statuses.filter_map(|status| {
        let reason = text(status, "/state/waiting/reason");
        let last_words = text(status, "/lastState/terminated/message");
        let details = if last_words.is_empty() { text(status, "/state/waiting/message") } else { last_words };
        let advice = match reason {
            "CrashLoopBackOff" => "the control plane keeps crashing",
            "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" => "its image cannot be pulled",
            "CreateContainerConfigError" => "its pod refers to something that is not there",
            _ => return None,
        };
        Some((reason.to_owned(), format!("{advice}: {}", brief(details))))
    });
    let unschedulable = || {
        let conditions = pod.pointer("/status/conditions")?.as_array()?;
        let refused = conditions.iter().find(|condition| text(condition, "/reason") == "Unschedulable")?;
        let message =
            format!("no node of the host cluster takes its pod: {}", brief(text(refused, "/message")));
        Some(("Unschedulable".to_owned(), message))
    };
    let (reason, message) = waiting.next_back().or_else(unschedulable)?;
    Some(ControlPlaneState::Broken { reason, message })
}

/// The end of a message: that is where programs say what went wrong.
fn brief(message: &str) -> String {
    const LONGEST: usize = 300;
    let length = message.chars().count();
    message.trim().chars().skip(length.saturating_sub(LONGEST)).collect()
}
