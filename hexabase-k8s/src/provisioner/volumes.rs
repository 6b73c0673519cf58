//! The volumes of control planes, which grow and never shrink.

use hexabase_core::error::{ErrorKind, Result};
use hexabase_core::quantity::Quantity;
use serde_json::{Value, json};

use super::{VClusterProvisioner, power, text};
use crate::object::{Kind, Object, Objects};

const CLAIM: Kind = Kind {
    group: "",
    version: "v1",
    kind: "PersistentVolumeClaim",
    plural: "persistentvolumeclaims",
    namespaced: true,
};

/// What the first claim template of a StatefulSet asks for.
const TEMPLATE: &str = "/spec/volumeClaimTemplates/0/spec";
const REQUESTED: &str = "/spec/volumeClaimTemplates/0/spec/resources/requests/storage";

/// The claim templates that a StatefulSet was made with stay what they are.
pub(super) fn keep_templates(object: &mut Object, there: &Value) {
    let size = there.pointer(REQUESTED).cloned();
    let class = there.pointer(TEMPLATE).and_then(|claim| claim.get("storageClassName")).cloned();
    let Some(claim) = object.body.pointer_mut(TEMPLATE) else { return };
    if let Some(size) = size {
        claim["resources"]["requests"]["storage"] = size;
    }
    match (class, claim.as_object_mut()) {
        (Some(class), _) => claim["storageClassName"] = class,
        (None, Some(claim)) => drop(claim.remove("storageClassName")),
        (None, None) => {}
    }
}

fn is_large_enough(size: &str, wanted: Quantity) -> bool {
    size.parse().is_ok_and(|size: Quantity| size >= wanted)
}

impl VClusterProvisioner {
    /// A claim template of a StatefulSet never changes: the volumes themselves are asked to grow instead.
    pub(super) async fn grow_volumes(
        &self,
        objects: &[Object],
        wanted: Quantity,
        on_host: &Objects,
    ) -> Result<()> {
        for object in objects.iter().filter(|object| object.kind == Kind::STATEFUL_SET) {
            let made_with = on_host.get(&object.key()).map_or("", |there| text(there, REQUESTED));
            if made_with.is_empty() || is_large_enough(made_with, wanted) {
                continue;
            }
            for number in 0..power::replicas(&object.body) {
                let claim = format!("data-{}-{number}", object.name);
                self.grow_volume(&object.namespace, &claim, wanted).await?;
            }
        }
        Ok(())
    }

    async fn grow_volume(&self, namespace: &str, claim: &str, wanted: Quantity) -> Result<()> {
        let Some(there) = self.host.find(CLAIM, namespace, claim).await? else { return Ok(()) };
        // Only what is bound can grow; what was asked for already is not asked for again.
        let asked = is_large_enough(text(&there, "/spec/resources/requests/storage"), wanted);
        if asked || text(&there, "/status/phase") != "Bound" {
            return Ok(());
        }
        let patch = json!({ "spec": { "resources": { "requests": { "storage": wanted.to_string() } } } });
        match self.host.merge(CLAIM, namespace, claim, &patch).await {
            Err(error) if matches!(error.kind(), ErrorKind::Forbidden | ErrorKind::Invalid) => {
                let reason = error.message().lines().next().unwrap_or_default();
                tracing::warn!(reason, claim, namespace, "the storage class does not let the volume grow");
                Ok(())
            }
            outcome => outcome.map(drop),
        }
    }
}
