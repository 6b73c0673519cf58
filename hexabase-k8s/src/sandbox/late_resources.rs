//! Simulation of what the pods of a StatefulSet wait for: volumes, nodes and images.

use std::sync::Weak;
use std::time::Duration;

use serde_json::{Value, json};

use super::controllers::{pods_of, sleep_unless_zero};
use super::state::{Name, name_of};
use super::{Inner, Sandbox, SandboxOptions};

/// Times until the resources of pods are available.
#[derive(Debug, Clone, Copy)]
pub(super) struct LateResources {
    volume: Duration,
    node: Duration,
    image: Duration,
}

impl LateResources {
    pub(super) fn of(options: &SandboxOptions) -> Self {
        Self { volume: options.volume_delay, node: options.node_delay, image: options.image_delay }
    }

    /// Lets the pods of a StatefulSet wait for their volumes, for a node and for their images, one after the other, as
    /// their status shows.
    pub(super) async fn wait(self, sandbox: &Weak<Inner>, name: &Name) {
        let set_status = |status: Value| {
            let Some(sandbox) = sandbox.upgrade().map(Sandbox) else { return };
            for pod in pods_of(&sandbox, name) {
                sandbox.0.host.set_status("", "pods", &name_of(&pod), status.clone());
            }
        };
        let unscheduled = |message: &str| {
            let condition = json!({ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message });
            json!({ "phase": "Pending", "conditions": [condition] })
        };
        let has_unbound_claims =
            || sandbox.upgrade().is_some_and(|inner| !unbound_claims(&Sandbox(inner), name).is_empty());
        if !self.volume.is_zero() && has_unbound_claims() {
            set_status(unscheduled(
                "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims",
            ));
            sleep_unless_zero(self.volume).await;
        }
        bind_claims(sandbox, name);
        if !self.node.is_zero() {
            set_status(unscheduled("0/1 nodes are available: 1 Insufficient memory"));
            sleep_unless_zero(self.node).await;
        }
        let scheduled = json!([{ "type": "PodScheduled", "status": "True" }]);
        if !self.image.is_zero() {
            let waiting = json!({ "reason": "ImagePullBackOff", "message": "Back-off pulling image" });
            let container = json!({ "name": "syncer", "ready": false, "state": { "waiting": waiting } });
            set_status(
                json!({ "phase": "Pending", "conditions": scheduled, "containerStatuses": [container] }),
            );
            sleep_unless_zero(self.image).await;
        }
        set_status(json!({ "phase": "Pending", "conditions": scheduled }));
    }
}

/// Unbound volume claims of a StatefulSet's pods.
fn unbound_claims(sandbox: &Sandbox, name: &Name) -> Vec<Value> {
    let pods: Vec<String> = pods_of(sandbox, name).iter().map(|pod| format!("-{}", name_of(pod).1)).collect();
    let is_unbound = |claim: &&Value| {
        let name = claim["metadata"]["name"].as_str().unwrap_or_default();
        claim["status"]["phase"] != "Bound" && pods.iter().any(|pod| name.ends_with(pod))
    };
    let state = sandbox.0.host.lock();
    state.all("", "persistentvolumeclaims", &name.0).filter(is_unbound).cloned().collect()
}

/// Binds the volume claims of a StatefulSet's pods.
fn bind_claims(sandbox: &Weak<Inner>, name: &Name) {
    let Some(sandbox) = sandbox.upgrade().map(Sandbox) else { return };
    for claim in unbound_claims(&sandbox, name) {
        let requested = &claim["spec"]["resources"]["requests"];
        let bound = json!({ "phase": "Bound", "capacity": requested });
        sandbox.0.host.set_status("", "persistentvolumeclaims", &name_of(&claim), bound);
    }
}
