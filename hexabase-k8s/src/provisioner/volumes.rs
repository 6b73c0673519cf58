//! Volumes of control planes, which can grow but never shrink.

use hexabase_core::desired::TenantTarget;
use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::quantity::Quantity;
use serde_json::{Value, json};

use super::{VClusterProvisioner, suspend, text};
use crate::object::{Kind, Object, Objects};

/// JSON pointer to the first claim template of a StatefulSet.
const CLAIM_TEMPLATE: &str = "/spec/volumeClaimTemplates/0/spec";
/// JSON pointer to the storage request of the first claim template of a StatefulSet.
const REQUESTED_STORAGE: &str = "/spec/volumeClaimTemplates/0/spec/resources/requests/storage";

/// Keeps the claim template of an existing StatefulSet, which is immutable.
pub(super) fn preserve_claim_templates(object: &mut Object, existing: &Value) {
    let size = existing.pointer(REQUESTED_STORAGE).cloned();
    let class = existing.pointer(CLAIM_TEMPLATE).and_then(|claim| claim.get("storageClassName")).cloned();
    let Some(claim) = object.body.pointer_mut(CLAIM_TEMPLATE) else { return };
    if let Some(size) = size {
        claim["resources"]["requests"]["storage"] = size;
    }
    match (class, claim.as_object_mut()) {
        (Some(class), _) => claim["storageClassName"] = class,
        (None, Some(claim)) => drop(claim.remove("storageClassName")),
        (None, None) => {}
    }
}

fn is_large_enough(size: &str, desired: Quantity) -> bool {
    size.parse().is_ok_and(|size: Quantity| size >= desired)
}

impl VClusterProvisioner {
    /// Grows the volumes of StatefulSets by patching their claims, because claim templates are immutable.
    pub(super) async fn grow_volumes(
        &self,
        objects: &[Object],
        desired: Quantity,
        host_state: &Objects,
    ) -> Result<()> {
        for object in objects.iter().filter(|object| object.kind == Kind::STATEFUL_SET) {
            let template_size =
                host_state.get(&object.key()).map_or("", |existing| text(existing, REQUESTED_STORAGE));
            if template_size.is_empty() || is_large_enough(template_size, desired) {
                continue;
            }
            for number in 0..suspend::replicas(&object.body) {
                let claim = format!("data-{}-{number}", object.name);
                self.grow_volume(&object.namespace, &claim, desired).await?;
            }
        }
        Ok(())
    }

    /// Returns the volume claim of a pod; `None` if it has none.
    pub(super) async fn claim_of(&self, target: &TenantTarget, pod: &str) -> Result<Option<Value>> {
        self.host.find(Kind::PERSISTENT_VOLUME_CLAIM, &target.name, &format!("data-{pod}")).await
    }

    async fn grow_volume(&self, namespace: &str, claim: &str, desired: Quantity) -> Result<()> {
        let Some(existing) = self.host.find(Kind::PERSISTENT_VOLUME_CLAIM, namespace, claim).await? else {
            return Ok(());
        };
        // Only a bound claim can grow, and a pending growth is not requested again.
        let is_requested = is_large_enough(text(&existing, "/spec/resources/requests/storage"), desired);
        if is_requested || text(&existing, "/status/phase") != "Bound" {
            return Ok(());
        }
        let patch = json!({ "spec": { "resources": { "requests": { "storage": desired.to_string() } } } });
        match self.host.merge(Kind::PERSISTENT_VOLUME_CLAIM, namespace, claim, &patch).await {
            Err(error) if matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::Invalid) => {
                let reason = error.message().lines().next().unwrap_or_default();
                tracing::warn!(
                    reason,
                    claim,
                    namespace,
                    "growing a volume failed: storage class does not allow it"
                );
                Ok(())
            }
            outcome => outcome.map(drop),
        }
    }
}
